/*
 * Makes, adopts and destroys sandboxes, and keeps the registry of those that
 * live: see sandbox.h. Any thread; the mutex guards the registry and the
 * start slots, never held over I/O.
 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/run.h"
#include "sandbox/sandbox_internal.h"
#include "sandbox/session_network.h"

enum { CANCEL_LOOK_MS = 100, DOCUMENT_MAX = 4 * 1024 * 1024 };

/* -- the factory ------------------------------------------------------- */

int sandboxes_open(
    struct sandboxes **ret, const struct sandboxes_config *c, struct err *err)
{
	struct sandboxes *s = mem_zalloc(sizeof(*s));
	struct network_config net = {.engine = c->engine,
	    .hub_id = c->hub_id,
	    .mode = c->network_mode,
	    .mechanism = c->network_mechanism,
	    .subnet = c->network_subnet,
	    .dns = c->network_dns,
	    .deny_host_services = c->deny_host_services,
	    .mtu = c->mtu};

	s->config = *c;
	s->remote = !engine_is_local(c->engine);
	random_hex(s->generation, 8);
	remote_open(s);
	mtx_init(&s->mtx, "sandboxes");
	mtx_init(&s->hook_mtx, "hook client");
	cond_init(&s->slot_free);
	if (network_open(&s->network, &net, err) < 0 ||
	    sandbox_files_open(
		c->state_dir, s->agent_path, sizeof(s->agent_path), err) < 0) {
		sandboxes_close(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void sandboxes_close(struct sandboxes *s)
{
	if (s == NULL)
		return;
	ASSERT(s->live == NULL); /* every owner destroyed or left its own */
	sandbox_forget_owed(s);
	network_close(s->network);
	cond_fini(&s->slot_free);
	mtx_fini(&s->remote_mtx);
	mtx_fini(&s->hook_mtx);
	mtx_fini(&s->mtx);
	mem_free(s);
}

void sandboxes_erase(struct sandboxes *s, const struct ctx *ctx)
{
	bool used;

	mtx_lock(&s->mtx);
	used = s->live != NULL || s->left;
	mtx_unlock(&s->mtx);
	if (used)
		return;
	network_erase(s->network, ctx);
	remote_erase(s, ctx);
}

int sandboxes_prepare(
    struct sandboxes *s, const struct ctx *ctx, struct err *err)
{
	TRY(session_networks_find(s, ctx, err));
	return network_prepare(s->network, ctx, err);
}

void sandboxes_refresh(struct sandboxes *s)
{
	network_refresh_guard(s->network);
}

const char *sandboxes_describe(struct sandboxes *s, char *out, size_t size)
{
	return network_describe(s->network, out, size);
}

bool sandboxes_host_exposed(struct sandboxes *s, char *why, size_t size)
{
	return network_host_exposed(s->network, why, size);
}

void sandboxes_stats(struct sandboxes *s, struct sandboxes_stats *ret)
{
	mtx_lock(&s->mtx);
	*ret = s->stats;
	mtx_unlock(&s->mtx);
}

/* -- one sandbox ------------------------------------------------------- */

static struct sandbox *sandbox_new(const char *id, struct err *err)
{
	struct sandbox *sb = mem_zalloc(sizeof(*sb));

	sb->magic = SANDBOX_MAGIC;
	snprintf(sb->id, sizeof(sb->id), "%s", id);
	sb->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sb->wake_fd < 0) {
		IGNORE(err_sys(err, errno, "create a wake-up descriptor"));
		mem_free(sb);
		return NULL;
	}
	return sb;
}

static void sandbox_free(struct sandbox *sb)
{
	if (sb == NULL)
		return;
	channel_free(sb->channel);
	fd_close(sb->wake_fd);
	mem_free(sb->image);
	mem_free(sb->user);
	mem_free(sb->network);
	sb->magic = 0;
	mem_free(sb);
}

void sandbox_wake(struct sandbox *sb)
{
	uint64_t one = 1;

	IGNORE(write(sb->wake_fd, &one, sizeof(one)) < 0); /* full: awake */
}

static void registry_add(struct sandboxes *s, struct sandbox *sb)
{
	mtx_lock(&s->mtx);
	sb->next = s->live;
	s->live = sb;
	s->stats.live++;
	mtx_unlock(&s->mtx);
}

static void registry_remove(struct sandboxes *s, struct sandbox *sb)
{
	mtx_lock(&s->mtx);
	for (struct sandbox **p = &s->live; *p != NULL; p = &(*p)->next)
		if (*p == sb) {
			*p = sb->next;
			s->stats.live--;
			break;
		}
	mtx_unlock(&s->mtx);
}

/* Steps run as the image's user when nobody says another. The container
 * itself does not show whom: its first process is our agent, as root. */
static int read_image(struct sandboxes *s, const struct ctx *ctx,
    struct sandbox *sb, struct err *err)
{
	CLEANUP(engine_image_fini) struct engine_image image = {0};

	TRY(engine_image_inspect(
	    s->config.engine, ctx, sb->image, &image, err));
	if (sb->user == NULL)
		sb->user = mem_strdup(image.user);
	return 0;
}

/* -- start ------------------------------------------------------------- */

/* Starting is CPU work of the engine: more at once only adds latency. */
static int take_slot(
    struct sandboxes *s, const struct ctx *ctx, struct err *err)
{
	int r = 0;

	mtx_lock(&s->mtx);
	while (s->stats.starting >= s->config.starts_parallel) {
		r = ctx_check(ctx, err);
		if (r < 0)
			break;
		IGNORE(cond_wait_until(
		    &s->slot_free, &s->mtx, clock_deadline_ms(100)));
	}
	if (r == 0)
		s->stats.starting++;
	mtx_unlock(&s->mtx);
	return r;
}

static void give_slot(struct sandboxes *s, bool ok)
{
	mtx_lock(&s->mtx);
	s->stats.starting--;
	if (ok)
		s->stats.started++;
	else
		s->stats.failed++;
	cond_signal(&s->slot_free);
	mtx_unlock(&s->mtx);
}

/* Creates the container; after a lost reply, nothing stays behind. */
/* A cancel waits for the call's end: an engine whose client hangs up makes
 * the container all the same, and only the collector would find it. */
static int create_container(struct sandboxes *s, const struct ctx *ctx,
    const struct sandbox_spec *spec, struct sandbox *sb, enum network_kind kind,
    const char *network_name, struct err *err)
{
	CLEANUP(buf_fini) struct buf body = {.max = DOCUMENT_MAX};
	struct ctx to_its_end = *ctx;
	struct container_plan plan;
	struct err again = ERR_INIT;
	char id[ENGINE_ID_LEN];

	TRY(ctx_check(ctx, err));
	to_its_end.cancel = NULL;
	if (spec->nested && !s->remote)
		TRY(sandbox_files_place_hook(s, err));
	TRY(container_plan_make(&plan, s, spec, sb, kind, network_name, err));
	TRY(container_plan_json(&plan, spec->document, &body, err));
	if (engine_container_create_from(s->config.engine, &to_its_end,
		plan.name, spec->platform, buf_str(&body), body.len, id,
		err) == 0) {
		mtx_lock(&s->mtx); /* the event thread compares it */
		memcpy(sb->container_id, id, sizeof(id));
		mtx_unlock(&s->mtx);
		return 0;
	}
	if (err->kind == ERR_UNCERTAIN)
		IGNORE(sandbox_remove_container(
		    s, ctx, plan.name, &again)); /* the collector tries again */
	return err_wrap(err, "create a container of image %s", spec->image);
}

static int no_records(
    void *arg, const struct channel_record *recs, size_t n, struct err *err)
{
	(void)arg;
	(void)recs;
	(void)n;
	(void)err;
	return err_set(err, ERR_INVALID, "agent_protocol",
	    "the agent sent records before it had a job");
}

/* Until the agent has greeted, the container died, or the deadline. */
static int await_agent(
    struct sandbox *sb, const struct ctx *ctx, struct err *err)
{
	int64_t slice;

	while (!channel_is_ready(sb->channel)) {
		if (clock_mono_ns() >= ctx->deadline_ns)
			return err_set(err, ERR_TIMEOUT, "agent_silent",
			    "the agent in the container did not report in "
			    "time (engine.startTimeout)");
		/* In slices: a cancel does not write to wake_fd. */
		slice = clock_deadline_ms(CANCEL_LOOK_MS);
		IGNORE(channel_wait(sb->channel, sb->wake_fd,
			   slice < ctx->deadline_ns ? slice
						    : ctx->deadline_ns) == 0);
		if (atomic_load(&sb->died))
			return err_set(err, ERR_UNAVAILABLE, "container_died",
			    "the container ended with code %d before its "
			    "agent reported",
			    atomic_load(&sb->exit_code));
		TRY(ctx_check(ctx, err));
		TRY(channel_pump(sb->channel, no_records, NULL, err));
	}
	return 0;
}

static int join_network(struct sandboxes *s, struct sandbox *sb,
    enum network_kind kind, struct err *err)
{
	if (kind != NETWORK_VETH)
		return 0;
	if (network_join(s->network, channel_peer_pid(sb->channel), sb->address,
		err) < 0)
		return err_wrap(err, "join the sandbox to its network");
	return 0;
}

/* The network of its session, if it has one. */
static int choose_network(struct sandboxes *s, const struct sandbox_spec *spec,
    enum network_kind *ret, const char **ret_name, struct err *err)
{
	if (spec->session_network == NULL)
		return network_choose(
		    s->network, spec->network, ret, ret_name, err);
	*ret = NETWORK_ENGINE;
	*ret_name = spec->session_network;
	return 0;
}

static int put_files(struct sandboxes *s, const struct ctx *ctx,
    const struct sandbox_spec *spec, const struct sandbox *sb, struct err *err)
{
	if (spec->files_len == 0)
		return 0;
	if (engine_container_put_archive(s->config.engine, ctx,
		sb->container_id, "/", spec->files, spec->files_len, err) < 0)
		return err_wrap(err,
		    "put the links into the work directories into a container "
		    "of image %s",
		    spec->image);
	return 0;
}

static int start_in_slot(struct sandboxes *s, const struct ctx *ctx,
    const struct sandbox_spec *spec, struct sandbox *sb, struct err *err)
{
	enum network_kind kind;
	const char *network_name;

	TRY(read_image(s, ctx, sb, err));
	TRY(choose_network(s, spec, &kind, &network_name, err));
	if (kind == NETWORK_VETH)
		TRY(network_take_address(s->network, &sb->address, err));
	if (s->remote)
		TRY(remote_ensure_agent(s, ctx, spec->image, err));
	TRY(sandbox_files_make(s, sb, err));
	FAULT("before_container_create");
	TRY(create_container(s, ctx, spec, sb, kind, network_name, err));
	FAULT("after_container_create");
	sb->created_ns = clock_wall_ns();
	TRY(put_files(s, ctx, spec, sb, err));
	TRY(sandbox_open_channel(s, sb, false, err));
	/* A remote engine: attached before the agent says its first word. */
	if (s->remote)
		TRY(channel_pump(sb->channel, no_records, NULL, err));
	if (engine_container_start(
		s->config.engine, ctx, sb->container_id, err) < 0)
		return err_wrap(
		    err, "start a container of image %s", spec->image);
	FAULT("after_container_start");
	TRY(await_agent(sb, ctx, err));
	TRY(join_network(s, sb, kind, err));
	TRY(sandbox_files_save_meta(s, sb, err));
	mtx_lock(&s->mtx); /* the watcher looks at it */
	sb->ready_ns = clock_wall_ns();
	mtx_unlock(&s->mtx);
	return 0;
}

int sandbox_start(struct sandboxes *s, const struct ctx *ctx,
    const struct sandbox_spec *spec, struct sandbox **ret, struct err *err)
{
	struct ctx limited = ctx_with_timeout(ctx, s->config.start_timeout_ms);
	struct err ignored = ERR_INIT;
	char id[UUID_TEXT_LEN];
	struct sandbox *sb;
	int r;

	TRY(take_slot(s, ctx, err));
	sb = sandbox_new(uuid_text(uuid_v4(), id), err);
	if (sb == NULL) {
		give_slot(s, false);
		return -1;
	}
	sb->image = mem_strdup(spec->image);
	sb->network = mem_strdup_or_null(spec->network);
	sb->user = container_plan_user(spec->document);
	sb->limits = spec->limits;
	sb->warm = spec->job_id == NULL;
	registry_add(s, sb); /* before the container exists: the collector
				must know it */
	r = start_in_slot(s, &limited, spec, sb, err);
	give_slot(s, r == 0);
	if (r < 0) {
		IGNORE(sandbox_destroy(s, ctx, sb, &ignored));
		return -1;
	}
	*ret = sb;
	return 0;
}

/* -- adopt, update, end ------------------------------------------------ */

int sandbox_adopt(struct sandboxes *s, const struct ctx *ctx,
    const char *sandbox_id, const char *container_id, struct sandbox **ret,
    struct err *err)
{
	CLEANUP(engine_container_fini) struct engine_container c = {{0}};
	uint64_t nonce = 0;
	struct sandbox *sb;

	TRY(engine_container_inspect(
	    s->config.engine, ctx, container_id, &c, err));
	if (strcmp(c.state, "running") != 0)
		return err_set(err, ERR_NOT_FOUND, "container_not_running",
		    "container %.12s is %s (exit code %d)", container_id,
		    c.state, c.exit_code);
	sb = sandbox_new(sandbox_id, err);
	if (sb == NULL)
		return -1;
	snprintf(sb->container_id, sizeof(sb->container_id), "%s", c.id);
	sb->image = mem_strdup(c.image);
	sb->user =
	    mem_strdup_or_null(engine_container_label(&c, SANDBOX_USER_LABEL));
	if (read_image(s, ctx, sb, err) < 0 ||
	    sandbox_files_load_meta(s, sb, &nonce, err) < 0 ||
	    sandbox_open_channel(s, sb, true, err) < 0) {
		sandbox_free(sb);
		return -1;
	}
	channel_expect(sb->channel, c.pid, nonce);
	sb->ready_ns = clock_wall_ns();
	network_reserve_address(s->network, sb->address);
	registry_add(s, sb);
	*ret = sb;
	return 0;
}

int sandbox_update(struct sandboxes *s, const struct ctx *ctx,
    struct sandbox *sb, struct sandbox_limits limits, struct err *err)
{
	struct sandbox_limits now = sb->limits;

	if (limits.memory_bytes == now.memory_bytes &&
	    limits.nano_cpus == now.nano_cpus && limits.pids == now.pids)
		return 0;
	TRY(engine_container_update(s->config.engine, ctx, sb->container_id,
	    limits.memory_bytes, limits.nano_cpus, limits.pids, err));
	sb->limits = limits;
	return 0;
}

int sandbox_kill(struct sandboxes *s, const struct ctx *ctx, struct sandbox *sb,
    struct err *err)
{
	return engine_container_kill(
	    s->config.engine, ctx, sb->container_id, "SIGKILL", err);
}

int sandbox_remove_container(
    struct sandboxes *s, const struct ctx *ctx, const char *id, struct err *err)
{
	struct ctx limited = ctx_with_timeout(ctx, s->config.start_timeout_ms);

	/* Removal must run also for a job that was cancelled. */
	limited.cancel = NULL;
	return engine_container_remove(s->config.engine, &limited, id, err);
}

int sandbox_destroy(struct sandboxes *s, const struct ctx *ctx,
    struct sandbox *sb, struct err *err)
{
	int r = 0;

	FAULT("before_container_remove");
	if (sb->container_id[0] != '\0')
		r = sandbox_remove_container(s, ctx, sb->container_id, err);
	FAULT("after_container_remove");
	if (r < 0) /* while the collector still takes it for alive */
		sandbox_owe(s, sb->id, sb->address);
	registry_remove(s, sb);
	if (r == 0) {
		sandbox_files_remove(s, sb->id);
		network_give_address(s->network, sb->address);
	}
	mtx_lock(&s->mtx);
	s->stats.destroyed++;
	mtx_unlock(&s->mtx);
	sandbox_free(sb);
	return r;
}

void sandbox_leave(struct sandboxes *s, struct sandbox *sb)
{
	registry_remove(s, sb);
	mtx_lock(&s->mtx);
	s->left = true;
	mtx_unlock(&s->mtx);
	sandbox_free(sb);
}

/* -- what the engine says ---------------------------------------------- */

/* The first report counts: events are replayed after a break. */
void sandbox_mark_died(struct sandbox *sb, int exit_code, bool restarted)
{
	if (atomic_load(&sb->died))
		return;
	atomic_store(&sb->exit_code, exit_code);
	atomic_store(&sb->engine_restarted, restarted);
	atomic_store(&sb->died, true);
	sandbox_wake(sb);
}

void sandboxes_container_died(
    struct sandboxes *s, const char *container_id, int exit_code)
{
	mtx_lock(&s->mtx);
	for (struct sandbox *sb = s->live; sb != NULL; sb = sb->next)
		if (strcmp(sb->container_id, container_id) == 0)
			sandbox_mark_died(sb, exit_code, false);
	mtx_unlock(&s->mtx);
}

bool sandboxes_is_live(struct sandboxes *s, const char *sandbox_id)
{
	bool found = false;

	mtx_lock(&s->mtx);
	for (const struct sandbox *sb = s->live; sb != NULL; sb = sb->next)
		found |= strcmp(sb->id, sandbox_id) == 0;
	mtx_unlock(&s->mtx);
	return found;
}
