/* Any bytes as .runner/config.yml: problems with a place, or a descriptor
 * that stays within its repository and its bounds. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "components/descriptor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *path)
{
	ASSERT(path != NULL && *path != '\0' && *path != '/');
	for (const char *at = path; at != NULL; at = strchr(at, '/')) {
		at += *at == '/';
		ASSERT(strcmp(at, "..") != 0 && strncmp(at, "../", 3) != 0);
	}
}

static void check_pairs(const struct descriptor_pair *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ASSERT(*v[i].name != '\0' && strchr(v[i].name, '=') == NULL &&
		       v[i].value != NULL);
}

static void check_ports(const struct descriptor *d)
{
	ASSERT(d->nports > 0);
	for (size_t i = 0; i < d->nports; i++) {
		const struct descriptor_port *p = &d->ports[i];

		ASSERT(p->host >= 0 && p->host <= 65535);
		ASSERT(p->container > 0 && p->container <= 65535);
	}
}

static void check(const struct descriptor *d)
{
	check_path(d->dockerfile);
	check_path(d->context);
	check_ports(d);
	check_pairs(d->args, d->nargs);
	check_pairs(d->environment, d->nenvironment);
	ASSERT(d->ttl_ms >= 0 && d->idle_ms >= 0 && d->stop_grace_ms >= 0);
	ASSERT(d->memory_bytes >= 0 && d->pids >= 0 && d->cpus >= 0);
	ASSERT(d->command == NULL || d->command[0] != NULL);
	if (d->health.kind == HEALTH_NONE)
		return;
	ASSERT(d->health.port > 0 && d->health.interval_ms >= 1000);
	ASSERT(d->health.timeout_ms > 0 && d->health.retries > 0);
	ASSERT(d->health.kind == HEALTH_TCP || d->health.path[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(problems_fini) struct problems problems = {0};
	struct descriptor d = {0};
	struct err err = ERR_INIT;

	if (descriptor_parse(size > 0 ? (const char *)data : "", size,
		"fuzz.yml", &d, &problems, &err) == 0) {
		ASSERT(problems.errors == 0);
		check(&d);
		descriptor_fini(&d);
	} else {
		ASSERT(problems.errors > 0 && problems.n > 0);
		ASSERT(strncmp(err.msg, "fuzz.yml", 8) == 0);
	}
	ASSERT(problems.n <= PROBLEMS_MAX);
	for (size_t i = 0; i < problems.n; i++) {
		ASSERT(problems.v[i].line >= 0);
		ASSERT(strpbrk(problems.v[i].text, "\r\n\033") == NULL);
		ASSERT(i == 0 || problems.v[i - 1].line <= problems.v[i].line);
	}
	return 0;
}
