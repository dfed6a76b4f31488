/* The plan of an instance's life: see lifeplan.h. */
#include "components/lifeplan.h"

#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { DELAY_FIRST_MS = 250, DELAY_MAX_MS = 60000 };
#define DURATION_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)

static const char *const health_kinds[] = {
    [HEALTH_NONE] = "none",
    [HEALTH_HTTP] = "http",
    [HEALTH_TCP] = "tcp",
};
static const char *const restart_policies[] = {
    [RESTART_NO] = "no",
    [RESTART_ON_FAILURE] = "on-failure",
    [RESTART_ALWAYS] = "always",
};

void lifeplan_init(struct lifeplan *p)
{
	*p = (struct lifeplan){.grace_ms = LIFEPLAN_GRACE_MS};
}

void lifeplan_fini(struct lifeplan *p)
{
	mem_free(p->health.path);
	for (char **s = p->secrets; s != NULL && *s != NULL; s++)
		mem_free(*s);
	mem_free(p->secrets);
	*p = (struct lifeplan){0};
}

/* -- from the descriptor ----------------------------------------------- */

static void take_secrets(struct lifeplan *p, char *const *names)
{
	size_t n = 0;

	while (names[n] != NULL)
		n++;
	p->secrets = mem_calloc(n + 1, sizeof(*p->secrets));
	for (size_t i = 0; i < n; i++)
		p->secrets[i] = mem_strdup(names[i]);
}

static void take_ports(struct lifeplan *p, const struct descriptor *d)
{
	for (size_t i = 0; i < d->nports; i++) {
		if (d->ports[i].udp)
			p->udp = true;
		else if (p->nports < LIFEPLAN_PORTS_MAX)
			p->ports[p->nports++] = d->ports[i].container;
	}
}

void lifeplan_take(struct lifeplan *p, const struct descriptor *d, int64_t now)
{
	lifeplan_fini(p);
	lifeplan_init(p);
	p->health = d->health;
	if (d->health.path != NULL)
		p->health.path = mem_strdup(d->health.path);
	if (d->ttl_ms > 0)
		p->deadline = now + d->ttl_ms * CLOCK_NS_PER_MS;
	if (d->stop_grace_ms > 0)
		p->grace_ms = d->stop_grace_ms;
	p->idle_ms = d->idle_ms;
	p->restart = d->restart;
	if (d->secrets != NULL)
		take_secrets(p, d->secrets);
	take_ports(p, d);
}

/* -- into the store and back ------------------------------------------- */

static void write_health(const struct descriptor_health *h, struct json *j)
{
	json_kobj(j, "health");
	json_kstr(j, "kind", health_kinds[h->kind]);
	if (h->path != NULL)
		json_kstr(j, "path", h->path);
	json_kint(j, "port", h->port);
	json_kint(j, "intervalMs", h->interval_ms);
	json_kint(j, "timeoutMs", h->timeout_ms);
	json_kint(j, "startPeriodMs", h->start_period_ms);
	json_kint(j, "retries", h->retries);
	json_end(j);
}

void lifeplan_write(const struct lifeplan *p, struct json *j)
{
	json_kint(j, "stopGraceMs", p->grace_ms);
	if (p->health.kind != HEALTH_NONE)
		write_health(&p->health, j);
	if (p->deadline != 0)
		json_ktime(j, "deadline", p->deadline);
	if (p->idle_ms > 0)
		json_kint(j, "idleMs", p->idle_ms);
	json_kstr(j, "restart", restart_policies[p->restart]);
	json_karr(j, "secrets");
	for (char **s = p->secrets; s != NULL && *s != NULL; s++)
		json_str(j, *s);
	json_end(j);
	json_karr(j, "ports");
	for (size_t i = 0; i < p->nports; i++)
		json_int(j, p->ports[i]);
	json_end(j);
	json_kbool(j, "udp", p->udp);
	if (p->ended_run[0] == '\0')
		return;
	json_kstr(j, "endedRun", p->ended_run);
	json_kint(j, "endedLog", p->ended_log);
}

static int64_t number(const json_t *o, const char *key, int64_t least,
    int64_t most, int64_t otherwise)
{
	const json_t *v = json_object_get(o, key);
	json_int_t n = json_integer_value(v);

	return json_is_integer(v) && n >= least && n <= most ? n : otherwise;
}

/* Which of the words it is; 0: none of them. */
static size_t word(
    const json_t *o, const char *key, const char *const *words, size_t n)
{
	const char *text = json_string_value(json_object_get(o, key));

	for (size_t i = 0; text != NULL && i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	return 0;
}

static void read_health(struct lifeplan *p, const json_t *o)
{
	const char *path = json_string_value(json_object_get(o, "path"));
	struct descriptor_health *h = &p->health;

	h->kind = (enum health_kind)word(
	    o, "kind", health_kinds, ARRAY_LEN(health_kinds));
	h->port = (int)number(o, "port", 1, 65535, 0);
	if (h->port == 0)
		h->kind = HEALTH_NONE;
	h->path = mem_strdup(path != NULL ? path : "/");
	h->interval_ms = number(o, "intervalMs", 1, DURATION_MAX_MS, 30000);
	h->timeout_ms = number(o, "timeoutMs", 1, DURATION_MAX_MS, 5000);
	h->start_period_ms =
	    number(o, "startPeriodMs", 0, DURATION_MAX_MS, 60000);
	h->retries = (int)number(o, "retries", 1, 1000, 3);
}

static void read_secrets(struct lifeplan *p, const json_t *names)
{
	size_t n = json_array_size(names), kept = 0;

	if (n == 0)
		return;
	p->secrets = mem_calloc(n + 1, sizeof(*p->secrets));
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(names, i));

		if (name != NULL)
			p->secrets[kept++] = mem_strdup(name);
	}
}

static void read_ports(struct lifeplan *p, const json_t *ports)
{
	for (size_t i = 0; i < json_array_size(ports); i++) {
		json_int_t port = json_integer_value(json_array_get(ports, i));

		if (port > 0 && port <= 65535 && p->nports < LIFEPLAN_PORTS_MAX)
			p->ports[p->nports++] = (int)port;
	}
}

static void read_ended(struct lifeplan *p, const json_t *o)
{
	const char *run = json_string_value(json_object_get(o, "endedRun"));

	if (run == NULL || strlen(run) >= sizeof(p->ended_run))
		return;
	snprintf(p->ended_run, sizeof(p->ended_run), "%s", run);
	p->ended_log = number(o, "endedLog", 0, INT64_MAX, 0);
}

void lifeplan_read(struct lifeplan *p, const char *text)
{
	json_t *o = text != NULL ? json_loads(text, 0, NULL) : NULL;
	const char *deadline =
	    json_string_value(json_object_get(o, "deadline"));

	lifeplan_fini(p);
	lifeplan_init(p);
	p->grace_ms =
	    number(o, "stopGraceMs", 0, DURATION_MAX_MS, LIFEPLAN_GRACE_MS);
	p->idle_ms = number(o, "idleMs", 0, DURATION_MAX_MS, 0);
	if (deadline == NULL || clock_parse_iso(deadline, &p->deadline) < 0)
		p->deadline = 0;
	p->restart = (enum restart_policy)word(
	    o, "restart", restart_policies, ARRAY_LEN(restart_policies));
	if (json_object_get(o, "health") != NULL)
		read_health(p, json_object_get(o, "health"));
	read_secrets(p, json_object_get(o, "secrets"));
	read_ports(p, json_object_get(o, "ports"));
	p->udp = json_is_true(json_object_get(o, "udp"));
	read_ended(p, o);
	json_decref(o);
}

/* -- restarts ---------------------------------------------------------- */

bool lifeplan_restarts(const struct lifeplan *p, bool failed)
{
	return p->restart == RESTART_ALWAYS ||
	       (p->restart == RESTART_ON_FAILURE && failed);
}

int64_t lifeplan_delay_ms(int n)
{
	int64_t delay = DELAY_FIRST_MS;

	for (int i = 1; i < n && delay < DELAY_MAX_MS; i++)
		delay *= 2;
	return delay < DELAY_MAX_MS ? delay : DELAY_MAX_MS;
}
