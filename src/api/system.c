/*
 * GET /api/system: all that an overview shows of the hub itself. Nothing of it
 * asks the engine. Handler threads.
 */
#include "api/api_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "components/components.h"
#include "secrets/secrets.h"
#include "store/census.h"
#include <string.h>

static void write_engine(struct hub *h, struct json *j)
{
	struct hub_engine_state e;

	hub_engine_state(h, &e);
	json_kobj(j, "engine");
	json_kstr(j, "host", engine_host(hub_engine(h)));
	json_kbool(j, "up", e.up);
	json_ktime(j, "since", e.since);
	json_kstr(j, "error", e.up || e.error[0] == '\0' ? NULL : e.error);
	json_kstr(j, "product", e.known ? e.info.product : NULL);
	json_kstr(j, "version", e.known ? e.info.version : NULL);
	json_kstr(j, "apiVersion", e.known ? e.info.api_version : NULL);
	json_kint(j, "cpus", e.info.cpus);
	json_kint(j, "memoryBytes", e.info.memory_bytes);
	json_kint(j, "cgroupVersion", e.info.cgroup_version);
	json_end(j);
}

static void write_isolation(struct hub *h, struct json *j)
{
	char text[400], why[256];
	bool exposed =
	    sandboxes_host_exposed(hub_sandboxes(h), why, sizeof(why));

	json_kobj(j, "isolation");
	json_kstr(j, "network",
	    sandboxes_describe(hub_sandboxes(h), text, sizeof(text)));
	json_kbool(j, "hostServicesReachable", exposed);
	json_kstr(j, "reason", exposed ? why : NULL);
	json_end(j);
}

static void write_capacity(struct hub *h, struct json *j)
{
	struct schedule_stats s;

	schedule_stats(hub_schedule(h), &s);
	json_kobj(j, "capacity");
	json_kint(j, "slots", s.slots);
	json_kint(j, "running", s.running);
	json_kint(j, "idleSessions", s.idle_sessions);
	json_kint(j, "waiting", s.waiting);
	json_ktime(j, "oldestWaitingSince", s.oldest_since);
	json_kint(j, "memoryBytes", s.memory_total);
	json_kint(j, "memoryReservedBytes", s.memory_used);
	json_end(j);
}

static void write_queue(struct hub *h, struct json *j)
{
	json_kobj(j, "queue");
	queue_write_mode(h, j);
	json_end(j);
}

static void write_pool(struct hub *h, struct json *j)
{
	struct pool_stats p;

	pool_stats(hub_pool(h), &p);
	json_kobj(j, "pool");
	json_kint(j, "wanted", p.wanted);
	json_kint(j, "ready", p.ready);
	json_kint(j, "starting", p.starting);
	json_kint(j, "hits", (int64_t)p.hits);
	json_kint(j, "misses", (int64_t)p.misses);
	json_kstr(j, "error", p.last_error[0] != '\0' ? p.last_error : NULL);
	json_end(j);
}

static void write_storage(struct hub *h, struct json *j)
{
	struct spool_totals t;
	struct store_stats s;
	struct hub_disk d;

	spool_totals(hub_spool(h), &t);
	store_stats(hub_store(h), &s);
	hub_disk(h, &d);
	json_kobj(j, "storage");
	json_kint(j, "databaseBytes", s.file_bytes);
	json_kint(j, "schemaVersion", store_schema_version(hub_store(h)));
	json_kstr(j, "sqliteVersion", store_sqlite_version());
	json_kint(j, "logs", (int64_t)t.logs);
	json_kint(j, "logBytes", (int64_t)t.stored_bytes);
	json_kint(j, "diskFreeBytes", d.free_bytes);
	json_kint(j, "diskReserveBytes", d.reserve_bytes);
	json_kbool(j, "diskFull", d.full);
	json_end(j);
}

static void write_budget(void *arg, const struct component_budget *b)
{
	struct json *j = arg;

	json_obj(j);
	json_kstr(j, "host", b->host);
	if (b->limit >= 0)
		json_kint(j, "limit", b->limit);
	if (b->remaining >= 0)
		json_kint(j, "remaining", b->remaining);
	if (b->reset_at >= 0)
		json_ktime(j, "resetAt", b->reset_at * CLOCK_NS_PER_S);
	if (b->blocked_until > 0)
		json_ktime(
		    j, "blockedUntil", b->blocked_until * CLOCK_NS_PER_S);
	json_kint(j, "requests", b->asked);
	json_kint(j, "unchanged", b->unchanged);
	json_end(j);
}

/* What each GitHub lets the hub ask: sources and catalogs. */
static void write_github(const struct api *a, struct json *j)
{
	json_karr(j, "github");
	if (a->components != NULL)
		components_budgets(a->components, write_budget, j);
	json_end(j);
}

static void write_vault(struct hub *h, struct json *j)
{
	struct vault_state v;

	if (!secrets_vault_state(hub_secrets(h), &v))
		return;
	json_kobj(j, "vault");
	json_kstr(j, "address", v.addr);
	json_kstr(j, "state", v.state);
	json_kbool(j, "usable", v.usable);
	json_kstr(j, "error", v.error[0] != '\0' ? v.error : NULL);
	json_ktime(j, "since", v.since);
	if (v.token_until > 0)
		json_ktime(j, "tokenUntil", v.token_until);
	json_kint(j, "cached", (int64_t)v.cached);
	json_end(j);
}

/* The first base of the component API; NULL: this hub has none. */
static void write_components_path(const struct call *c, struct json *j)
{
	const char *paths = hub_options(c->hub)->components_path;

	json_key(j, "componentsPath");
	if (c->api->components != NULL)
		json_strn(j, paths, strcspn(paths, ","));
	else
		json_none(j);
}

/* Open ones now, ended ones ever. */
static void write_jobs(struct hub *h, struct json *j)
{
	int64_t counts[JOB_STATUS_COUNT] = {0};
	struct err err = ERR_INIT;

	if (store_job_counts(hub_store(h), counts, &err) < 0)
		return; /* shown by health; the rest still tells */
	json_kobj(j, "jobs");
	for (int s = JOB_PENDING; s < JOB_STATUS_COUNT; s++)
		json_kint(j, job_status_name((enum job_status)s), counts[s]);
	json_end(j);
}

/* {"idle":3,"offline":1}: only states that there are. */
static void write_census(struct hub *h, const char *key,
    int (*count)(struct store *s, struct census *ret, struct err *err),
    struct json *j)
{
	struct census all;
	struct err err = ERR_INIT;

	if (count(hub_store(h), &all, &err) < 0)
		return; /* as above */
	json_kobj(j, key);
	for (size_t i = 0; i < all.n; i++)
		json_kint(j, all.states[i].state, all.states[i].count);
	json_end(j);
}

struct answer system_show(struct call *c)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kstr(&j, "version", RUNNERHUB_VERSION);
	json_kstr(&j, "hubId", hub_id(c->hub));
	json_ktime(&j, "startedAt", hub_started_at(c->hub));
	json_kint(&j, "uptimeSeconds",
	    (clock_wall_ns() - hub_started_at(c->hub)) / CLOCK_NS_PER_S);
	json_kbool(&j, "openMode", api_is_open(c->api));
	json_kstr(&j, "logLevel", log_level_name(log_level()));
	write_components_path(c, &j);
	write_queue(c->hub, &j);
	write_capacity(c->hub, &j);
	write_engine(c->hub, &j);
	write_isolation(c->hub, &j);
	write_pool(c->hub, &j);
	write_jobs(c->hub, &j);
	write_census(c->hub, "runners", store_count_runners, &j);
	write_census(c->hub, "components", store_count_instances, &j);
	write_storage(c->hub, &j);
	write_github(c->api, &j);
	write_vault(c->hub, &j);
	tls_write(c->api, &j);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}
