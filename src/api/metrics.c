/*
 * Metrics in the Prometheus text format 0.0.4. Names: jobs-api §5. Every
 * label has few values: statuses, routes of our table, phases. Handler
 * threads.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/components.h"
#include "base/clock.h"
#include "base/mem.h"
#include "notify/notify.h"
#include "secrets/secrets.h"
#include "store/runners.h"

#define P "github_runnerhub_"
enum { STATUS_CLASSES = 5, RUNNERS_MAX = 1000, REPOSITORIES_MAX = 50 };

/* Overflow is kept in the buffer: reply_text's caller checks once. */
static void head(
    struct buf *b, const char *name, const char *type, const char *help)
{
	IGNORE(buf_printf(b, "# HELP " P "%s %s\n# TYPE " P "%s %s\n", name,
	    help, name, type));
}

static void one(struct buf *b, const char *name, const char *type,
    const char *help, double value)
{
	head(b, name, type, help);
	IGNORE(buf_printf(b, P "%s %.15g\n", name, value));
}

/* -- jobs -------------------------------------------------------------- */

static void write_counts(struct buf *b, const char *name,
    const int64_t counts[JOB_STATUS_COUNT], enum job_status first)
{
	for (int s = (int)first; s <= JOB_CANCELLED; s++)
		IGNORE(buf_printf(b, P "%s{status=\"%s\"} %" PRId64 "\n", name,
		    job_status_name((enum job_status)s), counts[s]));
}

/* The store counts each end once, wherever it came about. */
static void write_job_counts(struct hub *h, struct buf *b)
{
	int64_t counts[JOB_STATUS_COUNT] = {0};
	struct err err = ERR_INIT;

	if (store_job_counts(hub_store(h), counts, &err) < 0)
		return; /* shown by health; the other metrics still tell */
	head(b, "jobs_total", "counter", "Jobs that have ended, by how.");
	write_counts(b, "jobs_total", counts, JOB_COMPLETED);
	head(b, "jobs_by_status", "gauge",
	    "Jobs by status; ended ones count also when retention took them.");
	write_counts(b, "jobs_by_status", counts, JOB_PENDING);
}

static void write_jobs(struct hub *h, struct buf *b)
{
	const struct job_meters *m = hub_meters(h);

	write_job_counts(h, b);
	one(b, "jobs_delegated_total", "counter",
	    "Jobs stored since the hub started.",
	    (double)atomic_load(&m->delegated));
	one(b, "job_retries_total", "counter",
	    "Starts that failed for the infrastructure and were put off.",
	    (double)atomic_load(&m->retries));
	one(b, "sessions_open", "gauge", "Sessions whose container runs.",
	    (double)hub_sessions_open(h));
	one(b, "session_leases_lost_total", "counter",
	    "Sessions that ended because their proxy had vanished.",
	    (double)atomic_load(&m->lost_leases));
	head(b, "job_wait_time_seconds", "histogram",
	    "From delegation to the container running.");
	meter_write(&m->wait, P "job_wait_time_seconds", "", b);
	head(b, "job_duration_seconds", "histogram",
	    "From the container running to the job's end.");
	meter_write(&m->duration, P "job_duration_seconds", "", b);
	head(b, "job_phase_seconds", "histogram", "Each phase of a job.");
	for (int i = 0; i < PHASE_COUNT; i++) {
		char label[64];

		snprintf(label, sizeof(label), "phase=\"%s\"", phase_names[i]);
		meter_write(&m->phases[i], P "job_phase_seconds", label, b);
	}
}

/* Label values: the exposition format escapes these. */
static void label(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"')
			IGNORE(buf_append_char(b, '\\'));
		IGNORE(buf_append_char(b, *text));
	}
}

static void utilization(
    struct buf *b, const char *repository, unsigned running, unsigned slots)
{
	IGNORE(buf_append_str(b, P "pool_utilization{repository=\""));
	label(b, repository);
	IGNORE(buf_printf(
	    b, "\"} %.6g\n", slots > 0 ? (double)running / slots : 0));
}

/* Of as many repositories as a server of metrics can bear; the rest is one. */
static void write_utilization(
    struct hub *h, const struct schedule_stats *s, struct buf *b)
{
	struct schedule_share *shares =
	    mem_calloc(REPOSITORIES_MAX, sizeof(*shares));
	size_t n = schedule_shares(hub_schedule(h), shares, REPOSITORIES_MAX);
	unsigned told = 0;

	head(b, "pool_utilization", "gauge",
	    "Share of the capacity in use, by repository; \"\" is the whole "
	    "hub, other what is beyond the first.");
	utilization(b, "", s->running, s->slots);
	for (size_t i = 0; i < n && i < REPOSITORIES_MAX; i++) {
		if (shares[i].running == 0)
			continue;
		utilization(
		    b, shares[i].repository, shares[i].running, s->slots);
		told += shares[i].running;
	}
	if (s->running > told)
		utilization(b, "other", s->running - told, s->slots);
	mem_free(shares);
}

static void write_queue(struct hub *h, struct buf *b)
{
	struct schedule_stats s;
	struct pool_stats p;

	schedule_stats(hub_schedule(h), &s);
	pool_stats(hub_pool(h), &p);
	one(b, "queue_waiting", "gauge", "Jobs that wait.", (double)s.waiting);
	one(b, "queue_oldest_wait_seconds", "gauge",
	    "How long the longest waiting job has waited.",
	    s.oldest_since == 0
		? 0
		: (double)(clock_wall_ns() - s.oldest_since) / 1e9);
	one(b, "queue_paused", "gauge",
	    "1: an administrator has paused or is draining the queue.",
	    (s.gates & (GATE_PAUSED | GATE_EMPTYING)) != 0);
	one(b, "slots", "gauge", "Jobs that may run at once.", s.slots);
	one(b, "slots_used", "gauge", "Jobs that run.", s.running);
	one(b, "memory_reserved_bytes", "gauge",
	    "Memory that running jobs may use.", (double)s.memory_used);
	write_utilization(h, &s, b);
	one(b, "warm_sandboxes", "gauge", "Warm sandboxes ready.", p.ready);
	one(b, "warm_hits_total", "counter", "Jobs that found a warm sandbox.",
	    (double)p.hits);
	one(b, "warm_misses_total", "counter",
	    "Jobs that found none and started cold.", (double)p.misses);
}

/* -- runners ----------------------------------------------------------- */

static void count_by(struct buf *b, const char *name, const char *label,
    const struct runner_list *l, const char *const *values,
    const char *(*of)(const struct runner *r))
{
	for (; *values != NULL; values++) {
		int n = 0;

		for (size_t i = 0; i < l->n; i++)
			n += strcmp(of(&l->items[i]), *values) == 0;
		IGNORE(buf_printf(
		    b, P "%s{%s=\"%s\"} %d\n", name, label, *values, n));
	}
}

static const char *type_of(const struct runner *r)
{
	return r->type;
}

static const char *status_of(const struct runner *r)
{
	return r->status;
}

static void write_runners(struct hub *h, struct buf *b)
{
	static const char *const types[] = {
	    "proxy", "ephemeral", "dedicated", NULL};
	static const char *const states[] = {
	    "idle", "busy", "offline", "starting", "stopping", NULL};
	CLEANUP(runner_list_free) struct runner_list l = {0};
	struct runner_filter f = {.page = 1, .limit = RUNNERS_MAX};
	struct err err = ERR_INIT;

	if (store_runner_list(hub_store(h), &f, &l, &err) < 0)
		return; /* shown by health; the other metrics still tell */
	/* No counter, in spite of its name, which others rely on. */
	one(b, "runners_total", "untyped", "Runners known.", (double)l.total);
	head(b, "runners_by_type", "gauge", "Runners known, by type.");
	count_by(b, "runners_by_type", "type", &l, types, type_of);
	head(b, "runners_by_status", "gauge", "Runners known, by status.");
	count_by(b, "runners_by_status", "status", &l, states, status_of);
}

/* -- components -------------------------------------------------------- */

static void write_followers(const struct api *a, struct buf *b)
{
	static const char *const kinds[] = {
	    [FOLLOWS_LOG] = "logs", [FOLLOWS_EVENTS] = "events"};

	head(b, "component_followers", "gauge",
	    "Streams of components that are read.");
	for (int k = 0; k < FOLLOWER_KINDS; k++)
		IGNORE(buf_printf(b,
		    P "component_followers{kind=\"%s\"} %" PRId64 "\n",
		    kinds[k], followers_count(a->followers, k)));
}

/* What GitHub lets the hub ask, a metric after the other. */
struct budget_metric {
	const char *name;
	struct buf *out;
	int64_t (*of)(const struct component_budget *b);
};

static int64_t remaining_of(const struct component_budget *b)
{
	return b->remaining;
}

static int64_t limit_of(const struct component_budget *b)
{
	return b->limit;
}

static int64_t asked_of(const struct component_budget *b)
{
	return b->asked;
}

static int64_t unchanged_of(const struct component_budget *b)
{
	return b->unchanged;
}

static void write_budget(void *arg, const struct component_budget *b)
{
	const struct budget_metric *m = arg;

	if (m->of(b) >= 0) /* else GitHub has not said it yet */
		IGNORE(buf_printf(m->out, P "%s{host=\"%s\"} %" PRId64 "\n",
		    m->name, b->host, m->of(b)));
}

static void write_budgets(const struct api *a, struct buf *b)
{
	static const struct {
		const char *name, *type, *help;
		int64_t (*of)(const struct component_budget *b);
	} rows[] = {
	    {"github_requests_remaining", "gauge",
		"Requests that GitHub answers until its limit is set back.",
		remaining_of},
	    {"github_requests_limit", "gauge",
		"Requests that GitHub answers in a window.", limit_of},
	    {"github_requests_total", "counter",
		"Requests about sources and catalogs.", asked_of},
	    {"github_requests_unchanged_total", "counter",
		"Those that were answered \"not modified\", which is free.",
		unchanged_of},
	};

	if (a->components == NULL)
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct budget_metric m = {rows[i].name, b, rows[i].of};

		head(b, rows[i].name, rows[i].type, rows[i].help);
		components_budgets(a->components, write_budget, &m);
	}
}

static void write_components(const struct api *a, struct buf *b)
{
	CLEANUP(instance_list_free) struct instance_list l = {0};
	struct err err = ERR_INIT;

	write_followers(a, b);
	write_budgets(a, b);
	if (store_instance_list(
		hub_store(a->hub), false, INSTANCE_LIST_MAX, &l, &err) < 0)
		return; /* as above */
	head(b, "component_instances", "gauge",
	    "Instances of components, by status.");
	for (int s = INSTANCE_STARTING; s <= INSTANCE_ERROR; s++) {
		int n = 0;

		for (size_t i = 0; i < l.n; i++)
			n += (int)l.items[i].status == s;
		IGNORE(
		    buf_printf(b, P "component_instances{status=\"%s\"} %d\n",
			instance_status_name((enum instance_status)s), n));
	}
}

/* -- the machine ------------------------------------------------------- */

static void write_vault(struct hub *h, struct buf *b)
{
	struct vault_state v;

	if (!secrets_vault_state(hub_secrets(h), &v))
		return;
	one(b, "vault_up", "gauge", "1: Vault gives secrets.", v.usable);
	one(b, "vault_reads_total", "counter", "Secrets asked for in Vault.",
	    (double)v.reads);
	one(b, "vault_cache_hits_total", "counter",
	    "Of those, given as they were read before.", (double)v.hits);
	one(b, "vault_stale_total", "counter",
	    "Of those, given although Vault did not answer.", (double)v.stale);
	one(b, "vault_failures_total", "counter", "Calls to Vault that failed.",
	    (double)v.failures);
}

static void write_engine(struct hub *h, struct buf *b)
{
	struct sandboxes_stats s;
	struct hub_engine_state e;
	struct engine_stats n;

	hub_engine_state(h, &e);
	engine_stats(hub_engine(h), &n);
	sandboxes_stats(hub_sandboxes(h), &s);
	one(b, "engine_up", "gauge", "1: the container engine answers.", e.up);
	one(b, "engine_calls_total", "counter", "Calls to the engine.",
	    (double)n.calls);
	one(b, "engine_errors_total", "counter",
	    "Calls to the engine that failed.", (double)n.errors);
	one(b, "sandboxes", "gauge", "Sandboxes that live.", s.live);
	one(b, "sandboxes_started_total", "counter", "Sandboxes started.",
	    (double)s.started);
	one(b, "sandboxes_failed_total", "counter",
	    "Sandboxes that could not be started.", (double)s.failed);
}

static void write_storage(struct hub *h, struct buf *b)
{
	struct spool_totals t;
	struct store_stats s;
	struct hub_disk d;

	spool_totals(hub_spool(h), &t);
	store_stats(hub_store(h), &s);
	hub_disk(h, &d);
	one(b, "log_bytes_total", "counter", "Log bytes written.",
	    (double)t.bytes_written);
	one(b, "log_stored_bytes", "gauge", "Log bytes on disk.",
	    (double)t.stored_bytes);
	one(b, "disk_free_bytes", "gauge",
	    "Free on the state directory's disk.", (double)d.free_bytes);
	one(b, "disk_reserve_bytes", "gauge",
	    "Below so much free the hub takes nothing new.",
	    (double)d.reserve_bytes);
	one(b, "store_commits_total", "counter", "Transactions committed.",
	    (double)s.commits);
	one(b, "store_writes_total", "counter", "Writes in them.",
	    (double)s.writes);
	one(b, "store_failures_total", "counter", "Transactions that failed.",
	    (double)s.failures);
}

static void write_api(const struct api *a, struct buf *b)
{
	struct http_server_stats s;

	http_server_stats(a->server, &s);
	one(b, "http_connections", "gauge", "Open connections.", s.connections);
	one(b, "http_streams", "gauge", "Streamed replies in progress.",
	    s.streams);
	one(b, "http_refused_total", "counter",
	    "Requests refused before a handler saw them.", (double)s.refused);
	head(b, "api_request_seconds", "histogram",
	    "Requests by route and class of status.");
	for (size_t i = 0; i < nroutes; i++)
		for (int k = 0; k < STATUS_CLASSES; k++) {
			const struct meter *m =
			    &a->latency[i * STATUS_CLASSES + (size_t)k];
			char label[160];

			if (atomic_load(&m->count) == 0)
				continue;
			snprintf(label, sizeof(label),
			    "method=\"%s\",route=\"%s\",status=\"%dxx\"",
			    routes[i].method, routes[i].pattern, k + 1);
			meter_write(m, P "api_request_seconds", label, b);
		}
}

static void write_webhooks(const struct api *a, struct buf *b)
{
	struct notify_stats s;

	notify_stats(a->notify, &s);
	head(b, "webhook_deliveries_total", "counter",
	    "Attempts to deliver to webhooks, by what came of them.");
	IGNORE(buf_printf(b,
	    P "webhook_deliveries_total{result=\"delivered\"} %" PRIu64 "\n" P
	      "webhook_deliveries_total{result=\"retried\"} %" PRIu64 "\n" P
	      "webhook_deliveries_total{result=\"failed\"} %" PRIu64 "\n" P
	      "webhook_deliveries_total{result=\"dropped\"} %" PRIu64 "\n",
	    s.delivered, s.retried, s.failed, s.dropped));
	one(b, "webhook_queue", "gauge", "Deliveries that wait.",
	    (double)s.waiting);
	one(b, "webhooks", "gauge", "Webhooks that there are.",
	    (double)s.webhooks);
	one(b, "webhook_circuits_open", "gauge",
	    "Webhooks that fail and are left alone for a while.",
	    (double)s.open);
}

struct answer metrics_show(struct call *c)
{
	struct buf b;

	buf_init(&b, BODY_MAX);
	write_jobs(c->hub, &b);
	write_queue(c->hub, &b);
	write_runners(c->hub, &b);
	if (c->api->components != NULL)
		write_components(c->api, &b);
	write_engine(c->hub, &b);
	write_vault(c->hub, &b);
	write_storage(c->hub, &b);
	write_api(c->api, &b);
	write_webhooks(c->api, &b);
	if (api_has_tls(c->api))
		one(&b, "tls_certificate_expiry_timestamp_seconds", "gauge",
		    "When the hub's certificate expires, since 1970.",
		    (double)tls_expires_s(c->api));
	one(&b, "uptime_seconds", "gauge", "Since the hub started.",
	    (double)(clock_wall_ns() - hub_started_at(c->hub)) / 1e9);
	one(&b, "start_time_seconds", "gauge", "When it started, since 1970.",
	    (double)hub_started_at(c->hub) / 1e9);
	return reply_text(
	    c, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
}
