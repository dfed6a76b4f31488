/*
 * The life of a container step: see side.h and session.h. Its container bears
 * labels that say which step it is, and the mark STEP_START stands in the log
 * before it is started: so a hub that comes back knows for each moment whether
 * the step never began (it may be given again), runs (it goes on) or ended.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "containers/document.h"
#include "engine/run.h"
#include "jobs/session_step.h"
#include "jobs/side.h"

enum { NOT_RUN_CODE = 125, KILL_CODE = 137, TERM_CODE = 143, KILL_MS = 5000 };
#define AWAY_MS INT64_C(500) /* before the engine is asked again */
/* What is left behind is found by its label. */
#define REMOVE_MS INT64_C(20000)
#define NOTE_MAX  1024

/* -- marks ------------------------------------------------------------- */

static int mark_start(struct side *s, struct err *err)
{
	const struct spool_record rec = {.kind = SPOOL_STEP_START,
	    .step = (uint16_t)s->step,
	    .time_ns = clock_wall_ns(),
	    .data = "{}",
	    .len = 2};

	TRY(side_append(s, &rec, err));
	FAULT("after_side_start_mark");
	return 0;
}

struct side_end {
	int code;
	uint32_t flags;
	bool out_of_memory;
	const char *reason; /* NULL: none */
};

/* In the form of progress.c. */
static void end_note(
    const struct side *s, const struct side_end *e, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	json_kint(&j, "flags", e->flags);
	json_kint(&j, "oomKills", e->out_of_memory ? 1 : 0);
	json_kint(&j, "memLimit", s->place.limits.memory_bytes);
	if (e->reason != NULL)
		json_kstr(&j, "reason", e->reason);
	json_end(&j);
}

static void mark_end(struct side *s, const struct side_end *e)
{
	CLEANUP(buf_fini) struct buf note = {.max = NOTE_MAX};
	struct spool_record rec = {.kind = SPOOL_STEP_END,
	    .step = (uint16_t)s->step,
	    .code = e->code,
	    .time_ns = clock_wall_ns()};
	struct err err = ERR_INIT;

	end_note(s, e, &note);
	rec.data = buf_str(&note);
	rec.len = note.len;
	FAULT("before_side_end_mark");
	if (side_append(s, &rec, &err) < 0)
		log_warn(
		    &s->ctx, "cannot note the end of a step", LOG_ERR(&err));
	FAULT("after_side_end_mark");
}

/* Why the session ends it, which says more than that a call was cancelled. */
static const char *why_cut(struct side *s, const struct err *err)
{
	bool told;

	mtx_lock(&s->mtx);
	told = s->why[0] != '\0'; /* and never changes again */
	mtx_unlock(&s->mtx);
	return told ? s->why : err->msg;
}

/* It never ran: the words stand in its output, too. */
static void mark_not_run(struct side *s, const struct err *err)
{
	bool cancelled = err->kind == ERR_CANCELED;
	const struct side_end e = {.code = cancelled ? TERM_CODE : NOT_RUN_CODE,
	    .flags = cancelled ? WIRE_END_CANCELLED : WIRE_END_NOT_STARTED,
	    .reason = cancelled ? why_cut(s, err) : err->msg};
	struct err ignored = ERR_INIT;
	char *words = mem_printf("%s\n", err->msg);

	if (!cancelled)
		IGNORE(side_say(s, words, strlen(words), &ignored));
	mem_free(words);
	mark_end(s, &e);
}

/* -- the container ----------------------------------------------------- */

/* With directories to prepend, the image's own PATH must be known. */
static int step_path(
    struct side *s, const char *image, char **ret, struct err *err)
{
	CLEANUP(engine_image_fini) struct engine_image info = {.env = NULL};
	const char *path;

	if (s->wish.prepend_path.n == 0)
		return 0;
	TRY(engine_image_inspect(
	    s->carry->hub->engine, &s->ctx, image, &info, err));
	path = engine_image_variable(&info, "PATH");
	*ret = body_path(&s->wish.prepend_path,
	    path != NULL ? path : CONTAINER_DEFAULT_PATH);
	return 0;
}

static int create_of(struct side *s, const char *image, struct err *err)
{
	CLEANUP(mem_free) char *path = NULL;
	char step[16], preamble[24], kind[24];
	const struct body_label own[] = {{"runnerhub.type", "step"},
	    {SIDE_STEP, step}, {SIDE_PREAMBLE, preamble}, {NULL, NULL}};
	struct place_container wanted = {
	    .wish = &s->wish, .image = image, .kind = kind, .own = own};

	snprintf(step, sizeof(step), "%d", s->step);
	snprintf(preamble, sizeof(preamble), "%llu",
	    (unsigned long long)s->preamble);
	snprintf(kind, sizeof(kind), "step%d", s->step);
	TRY(step_path(s, image, &path, err));
	wanted.path = path;
	return place_create(&s->place, &s->ctx, &wanted, s->id, err);
}

static int make(struct side *s, struct err *err)
{
	struct hub *h = s->carry->hub;
	const char *image;

	TRY(session_network_make(
	    h->sandboxes, &s->ctx, s->carry->id_text, err));
	TRY(side_image(s, &image, err));
	TRY(create_of(s, image, err));
	FAULT("after_side_create");
	TRY(ctx_check(&s->ctx, err));
	return mark_start(s, err);
}

static void send_signal(struct side *s, int signo)
{
	struct ctx root = ctx_root(), ctx = ctx_with_timeout(&root, KILL_MS);
	struct err err = ERR_INIT;
	char name[16];

	if (signo == SIGKILL)
		atomic_store(&s->killed, true);
	snprintf(name, sizeof(name), "%d", signo);
	if (engine_container_kill(
		s->carry->hub->engine, &ctx, s->id, name, &err) < 0)
		log_warn(&s->ctx, "a signal did not reach the step",
		    LOG_INT("signal", signo), LOG_ERR(&err));
}

/* The engine went in the middle of the start, says err: has it begun? One
 * that has not is not started once more: the first call might still come. */
static int look_begun(struct side *s, struct err *err)
{
	CLEANUP(engine_container_fini)
	struct engine_container info = {.labels = NULL};
	struct err look = ERR_INIT;

	while (engine_container_inspect(
		   s->carry->hub->engine, &s->ctx, s->id, &info, &look) < 0) {
		if (look.kind != ERR_UNAVAILABLE)
			return -1;
		err_clear(&look);
		if (ctx_sleep(&s->ctx, AWAY_MS, &look) < 0) {
			*err = look;
			return -1;
		}
	}
	if (strcmp(info.state, "created") == 0)
		return -1;
	err_clear(err);
	return 0;
}

static int begin(struct side *s, struct err *err)
{
	if (engine_container_start(
		s->carry->hub->engine, &s->ctx, s->id, err) == 0)
		return 0;
	return err->kind == ERR_UNCERTAIN ? look_begun(s, err) : -1;
}

/* A signal that came while it was being started is due now. */
static int start(struct side *s, struct err *err)
{
	int signo;

	TRY(begin(s, err));
	FAULT("after_side_start");
	mtx_lock(&s->mtx);
	s->running = true;
	signo = s->signo;
	mtx_unlock(&s->mtx);
	if (signo != 0)
		send_signal(s, signo);
	return 0;
}

/* -- the end ----------------------------------------------------------- */

/* The session ends, or the engine lost it: it must not run on. */
static void kill_it(struct side *s)
{
	if (s->id[0] != '\0')
		send_signal(s, SIGKILL);
}

static int look_ended(struct side *s, struct side_end *ret, struct err *err)
{
	CLEANUP(engine_container_fini)
	struct engine_container info = {.labels = NULL};
	struct engine *e = s->carry->hub->engine;

	TRY(engine_container_wait(e, &s->ctx, s->id, &ret->code, err));
	TRY(engine_container_inspect(e, &s->ctx, s->id, &info, err));
	ret->out_of_memory = info.oom_killed;
	if (info.oom_killed)
		ret->flags |= WIRE_END_OOM;
	return 0;
}

/* The engine misses now and then that the kernel did it (Docker 20.10: once in
 * 80 times). */
static bool killed_by_others(const struct side *s, const struct side_end *e)
{
	return e->code == KILL_CODE && !e->out_of_memory &&
	       !atomic_load(&s->killed);
}

/* It has ended; an engine that is away just now is waited for. */
static int ended_how(struct side *s, struct side_end *ret, struct err *err)
{
	while (look_ended(s, ret, err) < 0) {
		if (err->kind != ERR_UNAVAILABLE)
			return -1;
		err_clear(err);
		TRY(ctx_sleep(&s->ctx, AWAY_MS, err));
	}
	if (s->output.engine_went && !ret->out_of_memory &&
	    (ret->code == KILL_CODE || ret->code == TERM_CODE))
		ret->reason = "the container engine went away, and the step's "
			      "container was ended meanwhile";
	else if (killed_by_others(s, ret))
		ret->reason = "was killed: it ran out of memory, or somebody "
			      "killed it from outside";
	return 0;
}

static void mark_ended(struct side *s)
{
	struct side_end e = {.code = 0};
	struct err err = ERR_INIT;

	if (side_follow(s, &err) == 0 && ended_how(s, &e, &err) == 0) {
		mark_end(s, &e);
		return;
	}
	if (atomic_load(&s->leave))
		return;
	kill_it(s);
	e = (struct side_end){.code = TERM_CODE,
	    .flags = WIRE_END_CANCELLED,
	    .reason = why_cut(s, &err)};
	mark_end(s, &e);
}

static void clean_up(struct side *s)
{
	struct engine *e = s->carry->hub->engine;
	struct ctx root = ctx_root(), ctx = ctx_with_timeout(&root, REMOVE_MS);
	struct err err = ERR_INIT;

	if (s->id[0] != '\0' &&
	    engine_container_remove(e, &ctx, s->id, &err) < 0)
		log_warn(
		    &s->ctx, "cannot remove a step's container", LOG_ERR(&err));
	FAULT("after_side_remove");
	err_clear(&err);
	if (s->tag[0] != '\0' && engine_image_remove(e, &ctx, s->tag, &err) < 0)
		log_warn(
		    &s->ctx, "cannot remove a step's image", LOG_ERR(&err));
}

static void run(struct side *s)
{
	struct err err = ERR_INIT;

	if ((!s->resumed && make(s, &err) < 0) ||
	    (!s->running && start(s, &err) < 0)) {
		if (atomic_load(&s->leave))
			return;
		mark_not_run(s, &err);
	} else {
		mark_ended(s);
	}
	if (!atomic_load(&s->leave))
		clean_up(s);
}

static void *side_thread(void *arg)
{
	struct side *s = arg;

	run(s);
	atomic_store(&s->over, true);
	sandbox_wake(s->sandbox);
	return NULL;
}

/* -- from the carrier -------------------------------------------------- */

static void side_free(struct side *s)
{
	side_output_close(s);
	container_wish_fini(&s->wish);
	session_step_free(s->object);
	place_fini(&s->place);
	cancel_fini(&s->cancel);
	mtx_fini(&s->mtx);
	mem_free(s);
}

static struct side *side_new(struct carry *c, int step)
{
	struct side *s = mem_zalloc(sizeof(*s));

	s->carry = c;
	s->sandbox = c->sandbox;
	s->step = step;
	s->cancel.fd = -1;
	s->ctx = ctx_with_cancel(&c->ctx, &s->cancel);
	mtx_init(&s->mtx, "side");
	return s;
}

static int open_all(struct side *s, struct err *err)
{
	struct carry *c = s->carry;

	TRY(cancel_init(&s->cancel, err));
	TRY(place_open(&s->place, c, hub_limits_of(c->hub, &c->spec), err));
	TRY(side_output_open(s, err));
	return thread_start(&s->thread, "side", side_thread, s, err);
}

static int launch(struct side *s, struct side **ret, struct err *err)
{
	if (open_all(s, err) < 0) {
		side_free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

static int find_containers(struct carry *c, int step,
    struct engine_container_list *ret, struct err *err)
{
	char hub[128], session[96], number[48];
	/* An image may bear labels, too, but for those that we set always. */
	const char *const labels[] = {
	    hub, session, number, "runnerhub.type=step", NULL};

	snprintf(hub, sizeof(hub), "runnerhub.hub=%s", c->hub->id);
	snprintf(session, sizeof(session), PLACE_LABEL "=%s", c->id_text);
	snprintf(number, sizeof(number), SIDE_STEP "=%d", step);
	return engine_container_list(c->hub->engine, &c->ctx, labels, ret, err);
}

/* A hub before may have died between the creation and the start. */
static int remove_earlier(struct carry *c, int step, struct err *err)
{
	CLEANUP(engine_container_list_free)
	struct engine_container_list l = {.n = 0};

	TRY(find_containers(c, step, &l, err));
	for (size_t i = 0; i < l.n; i++)
		TRY(engine_container_remove(
		    c->hub->engine, &c->ctx, l.items[i].id, err));
	return 0;
}

int side_check(const json_t *wish, struct err *err)
{
	CLEANUP(container_wish_fini) struct container_wish w = {.image = NULL};

	TRY(container_wish_read(wish, &w, err));
	if (w.image != NULL || w.dockerfile != NULL)
		return 0;
	return err_set(err, ERR_INVALID, "invalid_field",
	    "Field \"container\": expected \"image\" or \"dockerfile\" in it");
}

int side_start(
    struct carry *c, int step, json_t *wish, struct side **ret, struct err *err)
{
	struct side *s = side_new(c, step);
	int r;

	s->object = wish;
	r = container_wish_read(wish, &s->wish, err);
	if (r == 0 && c->resumed)
		r = remove_earlier(c, step, err);
	if (r < 0) {
		side_free(s);
		return -1;
	}
	return launch(s, ret, err);
}

/* One that has run is never started again. */
static void read_labels(struct side *s, const struct engine_container *info)
{
	const char *preamble = engine_container_label(info, SIDE_PREAMBLE);
	int64_t n;

	s->running = strcmp(info->state, "created") != 0;
	snprintf(s->id, sizeof(s->id), "%s", info->id);
	if (preamble != NULL && parse_int(preamble, 0, INT64_MAX, &n) == 0)
		s->preamble = (uint64_t)n;
	if (strncmp(info->image, "runnerhub-step/", 15) == 0)
		snprintf(s->tag, sizeof(s->tag), "%.90s", info->image);
}

int side_resume(struct carry *c, int step, struct side **ret, struct err *err)
{
	CLEANUP(engine_container_list_free)
	struct engine_container_list l = {.n = 0};
	struct side *s;

	TRY(find_containers(c, step, &l, err));
	/* One that was not to be started yet may lack its links. */
	if (l.n > 0 && !c->progress.steps[step].started)
		return remove_earlier(c, step, err);
	if (l.n == 0)
		return 0;
	s = side_new(c, step);
	s->resumed = true;
	read_labels(s, &l.items[0]);
	TRY(launch(s, ret, err));
	return 1;
}

/* Before it runs, a signal that would end it ends what goes before. */
void side_signal(struct side *s, int signo)
{
	bool running;

	mtx_lock(&s->mtx);
	running = s->running;
	if (!running)
		s->signo = signo;
	mtx_unlock(&s->mtx);
	if (running)
		send_signal(s, signo);
	else if (signo != SIGUSR1 && signo != SIGUSR2)
		cancel_now(&s->cancel);
}

bool side_is_over(const struct side *s)
{
	return atomic_load(&s->over);
}

void side_tell_why(struct side *s, const char *why)
{
	mtx_lock(&s->mtx);
	snprintf(s->why, sizeof(s->why), "%s", why);
	mtx_unlock(&s->mtx);
}

void side_finish(struct side *s, bool leave)
{
	if (!atomic_load(&s->over)) {
		atomic_store(&s->leave, leave);
		cancel_now(&s->cancel);
	}
	thread_join(s->thread);
	side_free(s);
}
