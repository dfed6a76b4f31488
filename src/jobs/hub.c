/*
 * The hub's boot and end: a list of calls in an order that matters, and the
 * same list backwards. Main thread.
 */
#include "jobs/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "containers/policy.h"
#include "jobs/externals.h"
#include "jobs/grounds_of.h"
#include "jobs/hub_internal.h"
#include "jobs/registries.h"
#include "jobs/store_place.h"
#include "secrets/secrets.h"

enum { ERASE_TIMEOUT_MS = 10000, API_STARTS_MS = 10000 };

/* -- the state directory ----------------------------------------------- */

static int lock_state(struct hub *h, struct err *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/lock", h->state_dir);
	h->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (h->lock_fd < 0)
		return err_sys(err, errno, "open %s", path);
	if (flock(h->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, ERR_CONFLICT, "state_in_use",
		    "another hub uses the state directory %s: stop it, or "
		    "choose another (RUNNERHUB_STATE_DIR)",
		    h->state_dir);
	return 0;
}

/* The hub's name on everything that it makes: kept, so that the next start
 * knows its own. */
static int load_id(struct hub *h, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {0};
	char path[PATH_MAX];
	struct uuid id;

	snprintf(path, sizeof(path), "%s/hub-id", h->state_dir);
	buf_init(&text, 64);
	if (fs_read_file(path, &text, err) < 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
		uuid_text(uuid_v4(), h->id);
		return fs_replace_file(path, h->id, strlen(h->id), 0600, err);
	}
	if (uuid_parse(buf_str(&text), &id) < 0)
		return err_set(err, ERR_INVALID, "damaged_state",
		    "%s does not hold a UUID: restore it, or remove it when "
		    "no container of this hub is left",
		    path);
	uuid_text(id, h->id);
	return 0;
}

static int open_state(struct hub *h, struct err *err)
{
	char resolved[PATH_MAX];

	TRY(fs_mkdir_p(h->options->state_dir, 0700, err));
	if (realpath(h->options->state_dir, resolved) == NULL)
		return err_sys(err, errno, "resolve %s", h->options->state_dir);
	h->state_dir = mem_strdup(resolved);
	TRY(lock_state(h, err));
	return load_id(h, err);
}

/* -- the parts --------------------------------------------------------- */

static int open_store(struct hub *h, struct err *err)
{
	struct store_place place;

	store_place_find(&place, h->options, h->state_dir);
	return store_open(&h->store, &place.config, err);
}

static int open_spool(struct hub *h, struct err *err)
{
	char path[PATH_MAX];
	struct spool_config c = {.dir = path,
	    .log_bytes_max = h->options->log_max_bytes,
	    .total_bytes_max = h->options->log_total_bytes,
	    .age_max_ms = h->options->log_age_ms};

	snprintf(path, sizeof(path), "%s/logs", h->state_dir);
	return spool_open(&h->spool, &c, err);
}

static int open_sandboxes(struct hub *h, struct err *err)
{
	const struct options *o = h->options;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct sandboxes_config c = {.engine = h->engine,
	    .state_dir = h->state_dir,
	    .hub_id = h->id,
	    .starts_parallel =
		(unsigned)(o->starts_parallel > 0 ? o->starts_parallel
						  : 2 * cores),
	    .start_timeout_ms = o->start_timeout_ms,
	    .network_mode = o->network_mode,
	    .network_mechanism = o->network_mechanism,
	    .network_subnet = o->network_subnet,
	    .session_subnet = o->session_subnet,
	    .network_dns = o->network_dns,
	    .deny_host_services = strcmp(o->host_services, "deny") == 0,
	    .mtu = (int)o->network_mtu};

	return sandboxes_open(&h->sandboxes, &c, err);
}

static int open_schedule(struct hub *h, struct err *err)
{
	unsigned slots = hub_slots(h->options);
	struct schedule_config c = {.slots = slots,
	    .sessions_idle_max = slots > 1 ? slots / 2 : 1,
	    .queue_max = h->options->queue_max};

	TRY(schedule_open(&h->schedule, &c, err));
	schedule_close_gate(h->schedule, GATE_STARTING);
	schedule_close_gate(h->schedule, GATE_ENGINE_DOWN);
	return 0;
}

/* Warm sandboxes reserve what running jobs leave of the memory. */
static int64_t pool_allowance(void *arg)
{
	struct hub *h = arg;
	struct schedule_stats s;

	schedule_stats(h->schedule, &s);
	if ((s.gates & GATE_DISK_FULL) != 0 || hub_memory_is_low())
		return 0;
	if (s.gates != 0)
		return -1; /* nothing starts, and what is there is good */
	return s.memory_total > 0 ? s.memory_total - s.memory_used : INT64_MAX;
}

static int pool_fetch(
    void *arg, const struct ctx *ctx, const char *image, struct err *err)
{
	return hub_image_ensure(arg, ctx, image, NULL, NULL, err);
}

static int open_pool(struct hub *h, struct err *err)
{
	const struct options *o = h->options;
	struct pool_config c = {.sandboxes = h->sandboxes,
	    .limits = hub_limits_of(h, NULL),
	    .allowance = pool_allowance,
	    .fetch = pool_fetch,
	    .arg = h};
	size_t n = 0;

	h->pool_targets = mem_calloc(o->npools + 1, sizeof(*h->pool_targets));
	for (; n < o->npools; n++)
		h->pool_targets[n] =
		    (struct pool_target){.image = o->pools[n].image,
			.size = o->pools[n].size,
			.from_minute = o->pools[n].from_minute,
			.to_minute = o->pools[n].to_minute,
			.days = o->pools[n].days};
	if (o->pool_size > 0)
		h->pool_targets[n++] = (struct pool_target){
		    .image = o->image, .size = (int)o->pool_size};
	c.targets = h->pool_targets;
	c.ntargets = n;
	return pool_open(&h->pool, &c, err);
}

/* -- carriers ---------------------------------------------------------- */

struct adopted *hub_take_adopted(struct hub *h)
{
	struct adopted *a;

	mtx_lock(&h->mtx);
	a = h->adopted;
	if (a != NULL)
		h->adopted = a->next;
	mtx_unlock(&h->mtx);
	return a;
}

static void carry_adopted(struct hub *h, struct adopted *a)
{
	carry_job(h, &a->grant, a->sandbox);
	mem_free(a);
}

static void *carrier(void *arg)
{
	struct hub *h = arg;
	struct schedule_grant grant;

	while (schedule_take(h->schedule, &grant))
		carry_job(h, &grant, NULL);
	return NULL;
}

/* One thread for each job that an earlier hub left running. */
static void *adopter(void *arg)
{
	struct hub *h = arg;
	struct adopted *a = hub_take_adopted(h);

	if (a != NULL)
		carry_adopted(h, a);
	return NULL;
}

static int start_carriers(struct hub *h, struct err *err)
{
	unsigned n = hub_slots(h->options);

	h->carriers = mem_calloc(n, sizeof(*h->carriers));
	for (; h->ncarriers < n; h->ncarriers++)
		TRY(thread_start(
		    &h->carriers[h->ncarriers], "carrier", carrier, h, err));
	return 0;
}

static void *child_carrier(void *arg)
{
	struct hub *h = arg;
	struct schedule_grant grant;

	while (schedule_take_child(h->schedule, &grant))
		carry_job(h, &grant, NULL);
	return NULL;
}

/* Children never wait for a carrier that carries their parent: there are as
 * many for them as were ever needed at once. */
static int add_child_carrier(struct hub *h, struct err *err)
{
	unsigned max = hub_slots(h->options) * SCHEDULE_CHILDREN_MAX;
	int r = 0;

	mtx_lock(&h->mtx);
	if (!h->stopping && h->nchild_carriers < max &&
	    schedule_lacks_taker(h->schedule)) {
		h->child_carriers = mem_realloc(h->child_carriers,
		    (h->nchild_carriers + 1) * sizeof(*h->child_carriers));
		r = thread_start(&h->child_carriers[h->nchild_carriers],
		    "child-carrier", child_carrier, h, err);
		h->nchild_carriers += r == 0;
	}
	mtx_unlock(&h->mtx);
	return r;
}

int hub_queue(struct hub *h, const struct schedule_job *job,
    const char *repository, struct err *err)
{
	struct ctx ctx = ctx_root();
	struct err late = ERR_INIT;

	TRY(schedule_add(h->schedule, job, repository, err));
	if (job->child && add_child_carrier(h, &late) < 0)
		log_warn(&ctx, "no thread for a child session, it waits",
		    LOG_ERR(&late));
	return 0;
}

int hub_start_adopter(struct hub *h, struct err *err)
{
	pthread_t t;

	TRY(thread_start(&t, "adopter", adopter, h, err));
	mtx_lock(&h->mtx);
	h->adopters = mem_realloc(h->adopters, (h->nadopters + 1) * sizeof(t));
	h->adopters[h->nadopters++] = t;
	mtx_unlock(&h->mtx);
	return 0;
}

/* -- boot and end ------------------------------------------------------ */

static int boot(struct hub *h, struct err *err)
{
	TRY(cancel_init(&h->cancel, err));
	h->registries = registries_new();
	/* One hub a state directory, and the name of what it makes. */
	TRY(open_state(h, err));
	/* The truth, then who listens to it before anything is written. */
	TRY(open_store(h, err));
	TRY(secrets_open(&h->secrets, h->options, h->store, err));
	TRY(bus_open(&h->bus, h->store, err));
	TRY(open_spool(h, err));
	/* Nothing of these talks to the engine yet: it may be away. */
	TRY(engine_open(&h->engine, h->options->engine_host, err));
	TRY(open_sandboxes(h, err));
	TRY(open_schedule(h, err));
	TRY(hub_queue_mode_load(h, err));
	h->live = live_set_new();
	TRY(open_pool(h, err));
	/* What waits can be seen and cancelled at once; what runs is adopted
	 * when the engine answers, and only then a gate opens. */
	TRY(hub_recover_queue(h, err));
	TRY(start_carriers(h, err));
	return hub_watch_start(h, err);
}

int hub_check_options(const struct options *options, struct err *err)
{
	struct policy ignored;

	TRY(policy_parse(
	    options->session_allow, "RUNNERHUB_SESSION_ALLOW", &ignored, err));
	return grounds_check_options(options, err);
}

int hub_open(struct hub **ret, const struct options *options, struct err *err)
{
	struct hub *h;

	TRY(hub_check_options(options, err));
	h = mem_zalloc(sizeof(*h));

	h->options = options;
	h->lock_fd = -1;
	h->cancel.fd = -1;
	h->started_at = clock_wall_ns();
	job_meters_init(&h->meters);
	mtx_init(&h->mtx, "hub");
	cond_init(&h->changed);
	if (boot(h, err) < 0) {
		hub_stop(h);
		hub_close(h);
		return -1;
	}
	*ret = h;
	return 0;
}

static void drain(struct hub *h)
{
	struct ctx ctx = ctx_root();
	int64_t running = (int64_t)live_count(h->live);

	if (running == 0)
		return;
	log_info(&ctx, "waiting for running jobs", LOG_INT("jobs", running),
	    LOG_INT("at_most_ms", h->options->drain_ms));
	if (!live_wait_empty(h->live, clock_deadline_ms(h->options->drain_ms)))
		log_warn(&ctx,
		    "jobs still run: they go on without a hub, "
		    "the next one takes them over",
		    LOG_INT("jobs", (int64_t)live_count(h->live)));
}

static void join_carriers(struct hub *h)
{
	for (unsigned i = 0; i < h->ncarriers; i++)
		thread_join(h->carriers[i]);
	for (unsigned i = 0; i < h->nadopters; i++)
		thread_join(h->adopters[i]);
	for (unsigned i = 0; i < h->nchild_carriers; i++)
		thread_join(h->child_carriers[i]);
	h->ncarriers = h->nadopters = h->nchild_carriers = 0;
}

/* When no job was left to the next hub, nothing of ours stays on the
 * engine. Before recovery nobody knows what is in use. */
static void erase_traces(struct hub *h)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, ERASE_TIMEOUT_MS);
	struct err err = ERR_INIT;

	if (!h->recovered)
		return;
	if (externals_sweep(h, &ctx, true, &err) < 0)
		log_debug(&ctx, "volumes stay for the next hub", LOG_ERR(&err));
	sandboxes_erase(h->sandboxes, &ctx);
}

void hub_stop(struct hub *h)
{
	struct adopted *a;

	mtx_lock(&h->mtx);
	h->stopping = true;
	cond_broadcast(&h->changed);
	mtx_unlock(&h->mtx);
	if (h->schedule != NULL) {
		schedule_close_gate(h->schedule, GATE_DRAINING);
		schedule_stop(h->schedule);
	}
	if (h->live != NULL && strcmp(h->options->shutdown_mode, "drain") == 0)
		drain(h);
	if (h->cancel.fd >= 0)
		hub_watch_stop(h);
	if (h->live != NULL)
		live_stop_all(h->live);
	join_carriers(h);
	while ((a = hub_take_adopted(h)) != NULL)
		carry_adopted(h, a); /* gives it up at once */
	if (h->pool != NULL)
		pool_stop(h->pool);
	erase_traces(h);
}

void hub_close(struct hub *h)
{
	secrets_close(h->secrets);
	/* Its writer may still answer a delegation: into all that follows. */
	if (h->store != NULL)
		store_close(h->store);
	schedule_close(h->schedule);
	pool_close(h->pool);
	sandboxes_close(h->sandboxes);
	live_set_free(h->live);
	registries_free(h->registries);
	if (h->engine != NULL)
		engine_close(h->engine);
	if (h->spool != NULL)
		spool_close(h->spool);
	bus_close(h->bus);
	cancel_fini(&h->cancel);
	fd_close(h->lock_fd);
	mem_free(h->state_dir);
	mem_free(h->carriers);
	mem_free(h->adopters);
	mem_free(h->child_carriers);
	mem_free(h->api_socket);
	mem_free(h->pool_targets);
	cond_fini(&h->changed);
	mtx_fini(&h->mtx);
	mem_free(h);
}

/* -- looking in -------------------------------------------------------- */

const struct options *hub_options(const struct hub *h)
{
	return h->options;
}

const char *hub_id(const struct hub *h)
{
	return h->id;
}

struct store *hub_store(struct hub *h)
{
	return h->store;
}

struct secrets *hub_secrets(struct hub *h)
{
	return h->secrets;
}

struct spool *hub_spool(struct hub *h)
{
	return h->spool;
}

struct engine *hub_engine(struct hub *h)
{
	return h->engine;
}

struct bus *hub_bus(struct hub *h)
{
	return h->bus;
}

struct schedule *hub_schedule(struct hub *h)
{
	return h->schedule;
}

struct sandboxes *hub_sandboxes(struct hub *h)
{
	return h->sandboxes;
}

struct pool *hub_pool(struct hub *h)
{
	return h->pool;
}

void hub_set_api_socket(struct hub *h, const char *path)
{
	mtx_lock(&h->mtx);
	if (h->api_socket == NULL) /* channels borrow it */
		h->api_socket = mem_strdup(path);
	cond_broadcast(&h->changed);
	mtx_unlock(&h->mtx);
}

const char *hub_await_api_socket(struct hub *h)
{
	int64_t until = clock_deadline_ms(API_STARTS_MS);
	const char *path;

	mtx_lock(&h->mtx);
	while (h->api_socket == NULL && !h->stopping &&
	       cond_wait_until(&h->changed, &h->mtx, until))
		;
	path = h->api_socket;
	mtx_unlock(&h->mtx);
	return path;
}

struct job_meters *hub_meters(struct hub *h)
{
	return &h->meters;
}

size_t hub_sessions_open(struct hub *h)
{
	return live_sessions(h->live);
}

int64_t hub_started_at(const struct hub *h)
{
	return h->started_at;
}

void hub_engine_state(struct hub *h, struct hub_engine_state *ret)
{
	mtx_lock(&h->mtx);
	*ret = h->engine_state;
	mtx_unlock(&h->mtx);
}

void hub_disk(struct hub *h, struct hub_disk *ret)
{
	mtx_lock(&h->mtx);
	*ret = h->disk;
	mtx_unlock(&h->mtx);
}
