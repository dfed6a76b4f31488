/*
 * What the hub keeps an eye on, each on a thread of its own:
 *   watcher: is the engine there? brings it up, recovers, opens the gate
 *   events:  the engine's event stream: deaths of our containers
 *   chores:  disk reserve, retention, garbage
 */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/fs.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/parse.h"
#include "jobs/hub_internal.h"
#include "store/audit.h"
#include "store/instances.h"
#include "store/notices.h"

enum {
	PING_EVERY_MS = 5000,
	PING_TIMEOUT_MS = 10000,
	RETRY_MS = 1000,
	SETUP_TIMEOUT_MS = 120000,
	DISK_EVERY_MS = 2000,
	CHORE_EVERY_MS = 60000,
	PURGE_AT_ONCE = 1000,
	MEMORY_LOW_PART = 20, /* of all memory: less available is low */
};

static bool stopping(const struct hub *h)
{
	return cancel_is_set(&h->cancel);
}

/* Sleeps unless the hub stops or somebody signals `changed`. */
static void pause_ms(struct hub *h, int64_t ms)
{
	mtx_lock(&h->mtx);
	if (!stopping(h))
		IGNORE(cond_wait_until(
		    &h->changed, &h->mtx, clock_deadline_ms(ms)));
	mtx_unlock(&h->mtx);
}

/* The same, but not past a suspicion that was raised before it began. */
static void pause_while_up(struct hub *h, int64_t ms)
{
	mtx_lock(&h->mtx);
	if (!stopping(h) && h->engine_state.up)
		IGNORE(cond_wait_until(
		    &h->changed, &h->mtx, clock_deadline_ms(ms)));
	mtx_unlock(&h->mtx);
}

/* -- telling it -------------------------------------------------------- */

/* {"error": why} for webhooks; why NULL: {}. */
static void tell(struct hub *h, const char *type, const char *why)
{
	CLEANUP(buf_fini) struct buf data = {0};
	struct json j;

	buf_init(&data, 4096);
	json_init(&j, &data);
	json_obj(&j);
	if (why != NULL)
		json_kstr(&j, "error", why);
	json_end(&j);
	store_notice(h->store, type, buf_str(&data));
}

/* -- the engine's state ------------------------------------------------ */

static void engine_is_down(struct hub *h, const struct err *err)
{
	struct ctx ctx = ctx_root();
	bool news;

	schedule_close_gate(h->schedule, GATE_ENGINE_DOWN);
	mtx_lock(&h->mtx);
	news = !h->engine_away;
	h->engine_away = true;
	h->engine_state.up = false;
	if (news)
		h->engine_state.since = clock_wall_ns();
	snprintf(h->engine_state.error, sizeof(h->engine_state.error), "%.250s",
	    err->msg);
	mtx_unlock(&h->mtx);
	if (!news)
		return;
	log_error(&ctx, "the container engine cannot be used, jobs wait",
	    LOG_STR("engine", engine_host(h->engine)), LOG_ERR(err));
	tell(h, "hub.engine_down", err->msg);
}

/* True: it had been away, so that containers may have ended with it. */
static bool engine_is_up(struct hub *h, const struct engine_info *info)
{
	bool away;

	mtx_lock(&h->mtx);
	away = h->engine_away;
	h->engine_away = false;
	h->engine_state = (struct hub_engine_state){
	    .up = true, .known = true, .info = *info, .since = clock_wall_ns()};
	mtx_unlock(&h->mtx);
	schedule_set_memory(
	    h->schedule, info->memory_bytes / 100 * h->options->memory_percent);
	pool_set_limits(h->pool, hub_limits_of(h, NULL));
	if (away)
		tell(h, "hub.engine_up", NULL);
	return away;
}

void hub_engine_suspect(struct hub *h)
{
	schedule_close_gate(h->schedule, GATE_ENGINE_DOWN);
	mtx_lock(&h->mtx);
	h->engine_state.up = false;
	cond_broadcast(&h->changed);
	mtx_unlock(&h->mtx);
}

static void tell_isolation(struct hub *h, const struct ctx *ctx)
{
	char text[400], why[256];

	log_info(ctx, "sandboxes' network",
	    LOG_STR("network",
		sandboxes_describe(h->sandboxes, text, sizeof(text))));
	if (sandboxes_host_exposed(h->sandboxes, why, sizeof(why)))
		log_warn(ctx,
		    "jobs can reach services of this host: network."
		    "hostServices is not denied",
		    LOG_STR("why", why));
}

static bool is_recovered(struct hub *h)
{
	bool recovered;

	mtx_lock(&h->mtx);
	recovered = h->recovered;
	mtx_unlock(&h->mtx);
	return recovered;
}

/* After the engine was away: what ended meanwhile, what is left over. */
static int set_up(struct hub *h, const struct ctx *ctx, struct err *err)
{
	struct engine_info info = {{0}};
	bool away;

	TRY(engine_info(h->engine, ctx, &info, err));
	TRY(sandboxes_prepare(h->sandboxes, ctx, err));
	away = engine_is_up(h, &info);
	if (is_recovered(h)) {
		TRY(sandboxes_reconcile(h->sandboxes, ctx, away, err));
		return hub_collect(h, ctx, err);
	}
	log_info(ctx, "container engine found",
	    LOG_STR("engine", engine_host(h->engine)),
	    LOG_STR("product", info.product), LOG_STR("version", info.version),
	    LOG_STR("api", info.api_version));
	tell_isolation(h, ctx);
	TRY(hub_recover(h, ctx, err));
	mtx_lock(&h->mtx);
	h->recovered = true;
	mtx_unlock(&h->mtx);
	schedule_open_gate(h->schedule, GATE_STARTING);
	return 0;
}

static bool bring_up(struct hub *h)
{
	struct ctx root = ctx_root();
	struct ctx cancel = ctx_with_cancel(&root, &h->cancel);
	struct ctx ctx = ctx_with_timeout(&cancel, SETUP_TIMEOUT_MS);
	struct err err = ERR_INIT;

	if (set_up(h, &ctx, &err) < 0) {
		if (!stopping(h))
			engine_is_down(h, &err);
		return false;
	}
	mtx_lock(&h->mtx);
	cond_broadcast(&h->changed); /* the events thread, adopters */
	mtx_unlock(&h->mtx);
	schedule_open_gate(h->schedule, GATE_ENGINE_DOWN);
	pool_kick(h->pool);
	log_info(&ctx, "the hub takes jobs");
	return true;
}

static bool is_up(struct hub *h)
{
	bool up;

	mtx_lock(&h->mtx);
	up = h->engine_state.up;
	mtx_unlock(&h->mtx);
	return up;
}

static void *watcher(void *arg)
{
	struct hub *h = arg;
	struct ctx root = ctx_root();
	struct ctx cancel = ctx_with_cancel(&root, &h->cancel);

	while (!stopping(h)) {
		struct ctx ctx = ctx_with_timeout(&cancel, PING_TIMEOUT_MS);
		struct err err = ERR_INIT;

		if (!is_up(h)) {
			if (!bring_up(h))
				pause_ms(h, RETRY_MS);
			continue;
		}
		pause_while_up(h, PING_EVERY_MS);
		if (!stopping(h) && is_up(h) &&
		    engine_ping(h->engine, &ctx, &err) < 0)
			engine_is_down(h, &err);
	}
	return NULL;
}

/* -- the event stream -------------------------------------------------- */

static int on_event(void *arg, const struct engine_event *ev)
{
	struct hub *h = arg;

	if (strcmp(ev->action, "die") == 0) {
		sandboxes_container_died(h->sandboxes, ev->id, ev->exit_code);
		pool_kick(h->pool);
	}
	return 0;
}

static void *events(void *arg)
{
	struct hub *h = arg;
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_cancel(&root, &h->cancel);
	char label[80];
	int64_t since = clock_wall_ns();

	snprintf(label, sizeof(label), "runnerhub.hub=%s", h->id);
	while (!stopping(h)) {
		struct err err = ERR_INIT;
		int64_t asked = clock_wall_ns();

		if (!is_up(h)) {
			pause_ms(h, RETRY_MS);
			continue;
		}
		if (engine_events(
			h->engine, &ctx, label, since, on_event, h, &err) < 0 &&
		    !stopping(h)) {
			log_debug(&ctx, "the engine's event stream ended",
			    LOG_ERR(&err));
			hub_engine_suspect(h); /* ping, reconcile */
			pause_ms(h, RETRY_MS);
		}
		since = asked; /* replays are harmless */
	}
	return NULL;
}

/* -- memory ------------------------------------------------------------ */

/* A line of /proc/meminfo in kB, 0 when it is not there. */
static int64_t meminfo_kb(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	char number[24];
	size_t n;
	int64_t kb;

	if (at == NULL)
		return 0;
	at += strlen(key);
	at += strspn(at, ": ");
	n = strspn(at, "0123456789");
	snprintf(number, sizeof(number), "%.*s", (int)n, at);
	return parse_int(number, 0, INT64_MAX, &kb) == 0 ? kb : 0;
}

bool hub_memory_is_low(void)
{
	CLEANUP(buf_fini) struct buf text = {0};
	struct err ignored = ERR_INIT;

	buf_init(&text, 64 * 1024);
	if (fs_read_file("/proc/meminfo", &text, &ignored) < 0)
		return false;
	return meminfo_kb(buf_str(&text), "MemAvailable") <
	       meminfo_kb(buf_str(&text), "MemTotal") / MEMORY_LOW_PART;
}

/* -- chores ------------------------------------------------------------ */

static void check_disk(struct hub *h)
{
	struct ctx ctx = ctx_root();
	struct statvfs fs;
	struct hub_disk d = {.reserve_bytes = h->options->disk_reserve_bytes};
	bool was_full;

	if (statvfs(h->state_dir, &fs) < 0)
		return;
	d.free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	d.full = d.free_bytes < d.reserve_bytes;
	mtx_lock(&h->mtx);
	was_full = h->disk.full;
	h->disk = d;
	mtx_unlock(&h->mtx);
	if (d.full == was_full)
		return;
	if (d.full) {
		schedule_close_gate(h->schedule, GATE_DISK_FULL);
		log_error(&ctx,
		    "the disk is below its reserve: nothing new is taken",
		    LOG_INT("free_bytes", d.free_bytes),
		    LOG_INT("reserve_bytes", d.reserve_bytes));
		tell(h, "hub.disk_low", NULL);
	} else {
		schedule_open_gate(h->schedule, GATE_DISK_FULL);
		log_info(&ctx, "the disk has room again",
		    LOG_INT("free_bytes", d.free_bytes));
		tell(h, "hub.disk_ok", NULL);
	}
	pool_kick(h->pool);
}

/* The figures that a live view shows, for whoever follows all events. */
static void tell_figures(struct hub *h)
{
	CLEANUP(buf_fini) struct buf text = {0};
	struct schedule_stats q;
	struct pool_stats p;
	struct json j;

	if (!bus_is_followed(h->bus))
		return;
	schedule_stats(h->schedule, &q);
	pool_stats(h->pool, &p);
	buf_init(&text, 4096);
	json_init(&j, &text);
	json_obj(&j);
	json_ktime(&j, "at", clock_wall_ns());
	json_kint(&j, "slots", q.slots);
	json_kint(&j, "running", q.running);
	json_kint(&j, "waiting", q.waiting);
	json_ktime(&j, "oldestWaitingSince", q.oldest_since);
	json_kint(&j, "memoryReservedBytes", q.memory_used);
	json_kint(&j, "warmReady", p.ready);
	json_kbool(&j, "engineUp", is_up(h));
	json_end(&j);
	bus_tick(h->bus, buf_str(&text));
}

static void forget_log(void *arg, job_id id)
{
	struct hub *h = arg;
	struct err err = ERR_INIT;
	char text[UUID_TEXT_LEN];

	IGNORE(spool_remove(h->spool, uuid_text(id.u, text), &err));
}

/* That of an instance of a component which still runs goes on. */
static void end_log_of_instance(struct hub *h, job_id id)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;
	char text[UUID_TEXT_LEN];
	int r = store_instance_get(h->store, (instance_id){id.u}, &i, &err);

	if (r == 0)
		forget_log(h, id);
	else if (r > 0 && !instance_is_active(i.status))
		spool_finish(h->spool, uuid_text(id.u, text), i.stopped_at);
}

/* The hub before us may have died between the end of a job and that of its
 * log: retention would never take it. */
static void end_log_of_ended(void *arg, const char *text)
{
	CLEANUP(job_fini) struct job job = {0};
	struct hub *h = arg;
	struct err err = ERR_INIT;
	job_id id;
	int r;

	if (uuid_parse(text, &id.u) < 0)
		return;
	r = store_job_get(h->store, id, &job, &err);
	if (r == 0)
		end_log_of_instance(h, id);
	else if (r > 0 && job_status_is_final(job.status))
		spool_finish(h->spool, text, job.completed_at);
}

static void do_chores(struct hub *h)
{
	struct ctx root = ctx_root();
	struct ctx cancel = ctx_with_cancel(&root, &h->cancel);
	struct ctx ctx = ctx_with_timeout(&cancel, SETUP_TIMEOUT_MS);
	struct err err = ERR_INIT;
	int64_t now = clock_wall_ns(), age = h->options->job_age_ms;

	sandboxes_refresh(h->sandboxes);
	if (spool_retain(h->spool, now, &err) < 0)
		log_warn(&ctx, "log retention failed", LOG_ERR(&err));
	if (age > 0 && store_job_purge(h->store, now - age * CLOCK_NS_PER_MS,
			   PURGE_AT_ONCE, forget_log, h, &err) < 0)
		log_warn(&ctx, "job retention failed", LOG_ERR(&err));
	if (store_audit_purge(h->store,
		now - h->options->audit_age_ms * CLOCK_NS_PER_MS, &err) < 0)
		log_warn(
		    &ctx, "retention of the audit log failed", LOG_ERR(&err));
	/* Before recovery nobody owns what runs: all of it would go. */
	if (is_recovered(h) && is_up(h) && hub_collect(h, &ctx, &err) < 0 &&
	    !stopping(h))
		log_warn(&ctx, "collecting leftovers failed", LOG_ERR(&err));
}

static void *chores(void *arg)
{
	struct hub *h = arg;
	int64_t next = clock_deadline_ms(CHORE_EVERY_MS);
	bool logs_ended = false;

	while (!stopping(h)) {
		check_disk(h);
		tell_figures(h);
		if (!logs_ended)
			logs_ended =
			    spool_each_unended(h->spool, end_log_of_ended, h);
		if (clock_mono_ns() >= next) {
			do_chores(h);
			next = clock_deadline_ms(CHORE_EVERY_MS);
		}
		pause_ms(h, DISK_EVERY_MS);
	}
	return NULL;
}

/* -- start and stop ---------------------------------------------------- */

int hub_watch_start(struct hub *h, struct err *err)
{
	check_disk(h);
	TRY(thread_start(&h->watcher, "watcher", watcher, h, err));
	h->watcher_runs = true;
	TRY(thread_start(&h->events, "events", events, h, err));
	h->events_run = true;
	TRY(thread_start(&h->chores, "chores", chores, h, err));
	h->chores_run = true;
	return 0;
}

void hub_watch_stop(struct hub *h)
{
	cancel_now(&h->cancel);
	mtx_lock(&h->mtx);
	cond_broadcast(&h->changed);
	mtx_unlock(&h->mtx);
	if (h->watcher_runs)
		thread_join(h->watcher);
	if (h->events_run)
		thread_join(h->events);
	if (h->chores_run)
		thread_join(h->chores);
	h->watcher_runs = h->events_run = h->chores_run = false;
}
