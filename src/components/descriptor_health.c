/*
 * `healthCheck` of the descriptor: how the hub finds out that a component is
 * ready. Called by descriptor.c. Pure.
 */
#include <string.h>

#include "base/mem.h"
#include "components/descriptor_internal.h"

static void read_health_kind(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	if (item->kind == YAML_SCALAR && strcmp(item->text, "http") == 0)
		r->d->health.kind = HEALTH_HTTP;
	else if (item->kind == YAML_SCALAR && strcmp(item->text, "tcp") == 0)
		r->d->health.kind = HEALTH_TCP;
	else
		descriptor_wrong(r, k, item, path);
}

/* What may stand in a request line as it is. */
static bool is_request_path(const char *s)
{
	if (*s != '/')
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s == 0x7f) /* bytes >= 0x80 are negative */
			return false;
	return true;
}

static void read_health_path(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	if (item->kind == YAML_SCALAR && is_request_path(item->text) &&
	    strlen(item->text) <= (size_t)k->max)
		r->d->health.path = mem_strdup(item->text);
	else
		descriptor_wrong(r, k, item, path);
}

static void read_health_port(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	int64_t port;

	if (value_count(r, k, item, path, &port))
		r->d->health.port = (int)port;
}

static void read_health_retries(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	int64_t retries;

	if (value_count(r, k, item, path, &retries))
		r->d->health.retries = (int)retries;
}

static const struct key health_keys[] = {
    {.name = "kind", .read = read_health_kind, .expected = "http or tcp"},
    {.name = "path",
	.read = read_health_path,
	.max = 1024,
	.expected = "a path that begins with \"/\", without blanks, such as "
		    "/health"},
    {.name = "port",
	.read = read_health_port,
	.min = 1,
	.max = 65535,
	.expected = "a port of the container from 1 to 65535"},
    {.name = "interval",
	.read = read_duration,
	.offset = AT(health.interval_ms),
	.min = SECOND,
	.max = DAY,
	.expected = "a duration from 1s to 24h, such as 30s"},
    {.name = "timeout",
	.read = read_duration,
	.offset = AT(health.timeout_ms),
	.min = 100,
	.max = 10 * MINUTE,
	.expected = "a duration from 100ms to 10m, such as 5s"},
    {.name = "retries",
	.read = read_health_retries,
	.min = 1,
	.max = 100,
	.expected = "a whole number from 1 to 100"},
    {.name = "startPeriod",
	.read = read_duration,
	.offset = AT(health.start_period_ms),
	.min = 0,
	.max = DAY,
	.expected = "a duration from 0s to 24h, such as 1m"},
    {0},
};

/* A map, even an empty one, wishes for a check; http is the usual kind. */
void descriptor_read_health(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	struct descriptor_health *h = &r->d->health;

	if (item->kind != YAML_MAP) {
		descriptor_wrong(r, k, item, path);
		return;
	}
	*h = (struct descriptor_health){.kind = HEALTH_HTTP,
	    .interval_ms = 30000,
	    .timeout_ms = 5000,
	    .start_period_ms = 60000,
	    .retries = 3};
	descriptor_read_map(r, health_keys, item, path);
	if (h->kind == HEALTH_TCP && h->path != NULL)
		problems_warn(r->problems,
		    descriptor_place(yaml_item_get(item, "path")),
		    "%s.path: a check of kind tcp only connects, the path is "
		    "not used",
		    path);
}

/* The port that is asked when none is named. */
static int first_tcp_port(const struct descriptor *d)
{
	for (size_t i = 0; i < d->nports; i++)
		if (!d->ports[i].udp)
			return d->ports[i].container;
	return 0;
}

void descriptor_fill_health(struct reading *r, const struct yaml_item *runner)
{
	struct descriptor_health *h = &r->d->health;

	if (h->kind == HEALTH_NONE)
		return;
	if (h->kind == HEALTH_HTTP && h->path == NULL)
		h->path = mem_strdup("/");
	if (h->port == 0)
		h->port = first_tcp_port(r->d);
	if (h->port == 0 && r->d->nports > 0)
		problems_error(r->problems,
		    descriptor_place(yaml_item_get(runner, "healthCheck")),
		    "runner.healthCheck.port: required, as runner.ports has "
		    "udp ports only");
}
