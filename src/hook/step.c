/*
 * run_script_step: an exec in the job's container, its output streamed, its
 * exit code handed on.
 *
 * Ending one: the engine has no call for that, and the pid that it tells is
 * the host's, which a runner without rights there cannot use. Inside the
 * container the processes that were brought in by exec are those whose
 * parent is pid 0 (outside), besides pid 1: a shell script run by a second
 * exec walks /proc, takes these and all below them, and signals them. The
 * step itself runs bare, without any wrapper.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "hook/direct_internal.h"

#define DEATH_MS      INT64_C(1000)
#define DEATH_LOOK_MS INT64_C(50)

/*
 * $1: a signal's name, the others: pids that an earlier call has found (their
 * parents may have ended since). Prints the pids found. Builtins only: its
 * own children would be found. The first pass notes "pid:parent", the next
 * ones add whoever's parent is in.
 */
static const char kill_script[] =
    "sig=$1 all= found=' 0 ' old= bad=0; shift\n"
    "for d in /proc/[0-9]*; do\n"
    "  p=${d#/proc/}\n"
    "  [ $p = 1 ] || [ $p = $$ ] && continue\n"
    "  while read -r k v; do\n"
    "    case $k in PPid:) all=\"$all $p:$v\"; break;; esac\n"
    "  done <$d/status\n"
    "  case \" $* \" in *\" $p \"*) found=\"$found$p \";; esac\n"
    "done 2>/dev/null\n"
    "while [ \"$old\" != \"$found\" ]; do\n"
    "  old=$found\n"
    "  for e in $all; do\n"
    "    p=${e%:*} v=${e#*:}\n"
    "    case $found in *\" $p \"*) continue;; esac\n"
    "    case $found in *\" $v \"*) found=\"$found$p \";; esac\n"
    "  done\n"
    "done\n"
    "echo $found\n"
    "for p in $found; do\n"
    "  [ $p = 0 ] || kill -s $sig $p || [ ! -e /proc/$p ] || bad=1\n"
    "done 2>/dev/null\n"
    "exit $bad\n";

#define FOUND_BYTES ((size_t)65536)

struct step {
	struct direct *d;
	const char *container;
	char exec[ENGINE_ID_LEN];
	struct words found; /* pids inside, of the last kill_script */
	struct engine_stream *stream;
	struct output lines;
};

/* What the script says is a container's word: only numbers are taken. */
static void remember(struct step *s, const struct buf *said)
{
	struct err ignored = ERR_INIT;
	struct words found;

	if (said->overflow ||
	    strspn(buf_str(said), "0123456789 \n") != said->len ||
	    words_split(buf_str(said), &found, &ignored) != 0)
		return;
	words_fini(&s->found);
	s->found = found;
}

static int send_as(struct step *s, const struct ctx *ctx, const char *signal,
    const char *user, struct err *err)
{
	CLEANUP(words_fini) struct words argv = {.v = NULL};
	CLEANUP(buf_fini) struct buf said = {.max = FOUND_BYTES};
	const char *const fixed[] = {"sh", "-c", kill_script, "sh", signal};
	int code = 0;

	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		words_add(&argv, mem_strdup(fixed[i]));
	for (size_t i = 0; i < s->found.n; i++)
		words_add(&argv, mem_strdup(s->found.v[i]));
	TRY(direct_ask(s->d, ctx, s->container, (const char *const *)argv.v,
	    user, &said, &code, err));
	remember(s, &said);
	if (code == 0)
		return 0;
	return err_set(err, ERR_FORBIDDEN, "not_ended",
	    "the shell that was to send it ended with code %d", code);
}

/* Children that the step has left and that were seen to be its own. */
static void sweep_found(void *arg, const struct ctx *ctx)
{
	struct step *s = arg;
	struct err ignored = ERR_INIT;

	if (send_as(s, ctx, "KILL", "0", &ignored) == 0)
		return;
	err_clear(&ignored);
	IGNORE(send_as(s, ctx, "KILL", NULL, &ignored)); /* cleanup_job will */
}

/* As root first: a step may have used sudo. Root without capabilities may
 * signal less than the step's own user. */
static int send_signal(
    void *arg, const struct ctx *ctx, const char *signal, struct err *err)
{
	struct step *s = arg;

	if (send_as(s, ctx, signal, "0", err) == 0)
		return 0;
	err_clear(err);
	if (send_as(s, ctx, signal, NULL, err) == 0)
		return 0;
	if (strcmp(signal, "KILL") != 0)
		return -1;
	output_say("The job's container is stopped, for its image has no "
		   "shell to end the step with (%s).",
	    err->msg);
	err_clear(err);
	return engine_container_kill(
	    s->d->engine, ctx, s->container, "SIGKILL", err);
}

/* -- the exec ---------------------------------------------------------- */

static char *step_path(struct direct *d, const struct ctx *ctx,
    const struct container_wish *step, const json_t *state,
    const char *container, struct err *err)
{
	const char *known = json_string_value(json_object_get(state, "path"));
	json_t *doc;
	char *path;

	if (known != NULL)
		return body_path(&step->prepend_path, known);
	if (direct_document(d, ctx, container, &doc, err) != 0)
		return NULL;
	path = body_path(&step->prepend_path, document_path(doc));
	json_decref(doc);
	return path;
}

static bool has_path(const struct words *env)
{
	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], "PATH=", 5) == 0)
			return true;
	return false;
}

/* The step's variables; a PATH of its own wins over what is prepended. */
static int step_env(struct step *s, const struct ctx *ctx,
    const struct container_wish *step, const json_t *state, struct words *env,
    struct err *err)
{
	char *path;

	env->v = mem_zalloc(sizeof(*env->v));
	for (size_t i = 0; i < step->env.n; i++)
		words_add(env, mem_strdup(step->env.v[i]));
	if (step->prepend_path.n == 0 || has_path(env))
		return 0;
	path = step_path(s->d, ctx, step, state, s->container, err);
	if (path == NULL)
		return -1;
	words_add(env, mem_printf("PATH=%s", path));
	mem_free(path);
	return 0;
}

static int create(struct step *s, const struct ctx *ctx,
    const struct container_wish *step, const json_t *state, struct err *err)
{
	CLEANUP(words_fini) struct words args = {.v = NULL};
	CLEANUP(words_fini) struct words argv = {.v = NULL};
	CLEANUP(words_fini) struct words env = {.v = NULL};
	struct engine_exec_spec spec = {.working_dir = step->working_dir};

	if (words_split_pieces(
		(const char *const *)step->entry_args.v, &args, err) != 0)
		return err_wrap(err, "the step's command");
	words_add(&argv, mem_strdup(step->entry_point));
	for (size_t i = 0; i < args.n; i++)
		words_add(&argv, mem_strdup(args.v[i]));
	TRY(step_env(s, ctx, step, state, &env, err));
	spec.argv = (const char *const *)argv.v;
	spec.env = (const char *const *)env.v;
	return engine_exec_create(
	    s->d->engine, ctx, s->container, &spec, s->exec, err);
}

/* 1 the container runs, 0 it has ended and that is told, -1 unknown. */
static int look_for_death(
    struct step *s, const struct ctx *ctx, struct err *err)
{
	CLEANUP(engine_container_fini)
	struct engine_container seen = {.pid = 0};

	TRY(engine_container_inspect(
	    s->d->engine, ctx, s->container, &seen, err));
	if (strcmp(seen.state, "running") == 0)
		return 1;
	output_error("The job's container %s (%s, exit code %d).",
	    seen.oom_killed ? "ran out of memory" : "is not running any more",
	    seen.state, seen.exit_code);
	return 0;
}

/* 137 is what a step says whose process was killed; when it was the whole
 * container, the engine knows a moment later. */
static void explain_death(struct step *s)
{
	struct ctx root = ctx_root(), ctx = ctx_with_timeout(&root, DEATH_MS);
	struct err ignored = ERR_INIT;

	while (look_for_death(s, &ctx, &ignored) > 0)
		if (ctx_sleep(&ctx, DEATH_LOOK_MS, &ignored) != 0)
			return;
}

static int read_output(void *arg, const struct ctx *ctx, struct err *err)
{
	struct step *s = arg;

	return engine_stream_read(s->stream, ctx, output_piece, &s->lines, err);
}

/* From here on the step runs, and a cancel must end it. */
static int run(
    struct step *s, const struct ctx *ctx, int *ret_exit_code, struct err *err)
{
	CLEANUP(buf_fini) struct buf early = {.max = 65536};
	struct ctx root = ctx_root();
	const struct ending ending = {.read = read_output,
	    .send = send_signal,
	    .sweep = sweep_found,
	    .arg = s};
	int fd, ended;

	/* Not cancelled in between: then nobody knew whether it runs. */
	TRY(engine_exec_start(s->d->engine, &root, s->exec, &fd, &early, err));
	s->stream = engine_stream_new(fd, &early);
	ended = ending_read(&ending, ctx, err);
	if (ended < 0) {
		struct err ignored = ERR_INIT;

		IGNORE(output_flush(&s->lines, &ignored)); /* err tells */
		return -1;
	}
	TRY(output_flush(&s->lines, err));
	TRY(engine_exec_result(
	    s->d->engine, &root, s->exec, ret_exit_code, err));
	if (ended > 0) {
		*ret_exit_code = ending_told(*ret_exit_code);
	} else if (*ret_exit_code == 137) {
		explain_death(s);
	}
	return 0;
}

int direct_run_script_step(void *self, const struct ctx *ctx,
    const struct container_wish *step, const json_t *state, int *ret_exit_code,
    struct err *err)
{
	struct step s = {.d = self,
	    .container =
		json_string_value(json_object_get(state, "container"))};
	int r;

	if (s.container == NULL)
		return err_set(err, ERR_INVALID, "no_container",
		    "there is no job container to run the step in: the runner "
		    "keeps no state of a prepare_job");
	if (step->entry_point == NULL)
		return err_set(err, ERR_INVALID, "bad_request",
		    "the runner names no program for the step");
	TRY(create(&s, ctx, step, state, err));
	output_init(&s.lines);
	r = run(&s, ctx, ret_exit_code, err);
	engine_stream_free(s.stream);
	output_fini(&s.lines);
	words_fini(&s.found);
	return r;
}
