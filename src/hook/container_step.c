/*
 * run_container_step: a container action. Its image is pulled, or built from
 * the action's Dockerfile; the container runs once, with its output attached
 * before it starts, and is removed with all that it brought.
 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "containers/context.h"
#include "hook/direct_internal.h"

#define TAG_LEN 80
/* What is left behind is found by its label in cleanup_job. */
#define REMOVE_MS INT64_C(20000)
#define BUILD_MS  INT64_C(7200000)

/* -- the image --------------------------------------------------------- */

/* The builder's words come with their own line ends. */
static void say_build(void *arg, const char *text)
{
	struct err ignored = ERR_INIT;

	IGNORE(output_piece(arg, 1, text, strlen(text), &ignored));
}

static int build_from(struct direct *d, const struct ctx *ctx,
    const char *directory, const char *file, const char *network,
    const char *tag, struct err *err)
{
	struct direct_labels labels = direct_labels(d);
	struct ctx limited = ctx_with_timeout(ctx, BUILD_MS);
	CLEANUP(fd_close) int fd = -1;
	CLEANUP(output_fini) struct output lines;
	struct engine_build build = {.tag = tag,
	    .dockerfile = file,
	    .network = network,
	    .labels = labels.pairs,
	    .context = engine_context_from_fd,
	    .context_arg = &fd,
	    .progress = say_build,
	    .progress_arg = &lines};
	struct err ignored = ERR_INIT;
	int r;

	output_init(&lines);
	TRY(context_tar(
	    &limited, directory, file, d->settings->temp, &fd, err));
	output_group("Build of the action's image");
	r = engine_image_build(d->engine, &limited, &build, err);
	IGNORE(output_flush(&lines, &ignored)); /* only words */
	output_group_end();
	return r;
}

static int build(struct direct *d, const struct ctx *ctx,
    const char *dockerfile, const char *network, char tag[TAG_LEN],
    struct err *err)
{
	const char *slash = strrchr(dockerfile, '/');
	char unique[17], *directory;
	int r;

	if (dockerfile[0] != '/' || slash[1] == '\0')
		return err_set(err, ERR_INVALID, "bad_request",
		    "the Dockerfile \"%.200s\" is not an absolute path",
		    dockerfile);
	snprintf(
	    tag, TAG_LEN, "runnerhub-hook/%s:%s", d->id, random_hex(unique, 8));
	directory = slash == dockerfile
			? mem_strdup("/")
			: mem_strndup(dockerfile, (size_t)(slash - dockerfile));
	r = build_from(d, ctx, directory, slash + 1, network, tag, err);
	mem_free(directory);
	return r;
}

/* -- the container ----------------------------------------------------- */

struct run {
	struct direct *d;
	char id[ENGINE_ID_LEN];
	struct engine_stream *stream;
	struct output lines;
};

static int read_output(void *arg, const struct ctx *ctx, struct err *err)
{
	struct run *run = arg;

	return engine_stream_read(
	    run->stream, ctx, output_piece, &run->lines, err);
}

static int send_signal(
    void *arg, const struct ctx *ctx, const char *signal, struct err *err)
{
	struct run *run = arg;
	char name[16];

	snprintf(name, sizeof(name), "SIG%s", signal);
	return engine_container_kill(run->d->engine, ctx, run->id, name, err);
}

static int watch(
    struct run *run, const struct ctx *ctx, int *ret_exit_code, struct err *err)
{
	struct ctx root = ctx_root(), settle;
	const struct ending ending = {
	    .read = read_output, .send = send_signal, .arg = run};
	int ended;

	ended = ending_read(&ending, ctx, err);
	TRY(ended);
	TRY(output_flush(&run->lines, err));
	settle = ctx_with_timeout(&root, REMOVE_MS);
	TRY(engine_container_wait(
	    run->d->engine, &settle, run->id, ret_exit_code, err));
	if (ended > 0)
		*ret_exit_code = ending_told(*ret_exit_code);
	return 0;
}

/* Attached before the start, so that no output is missed. */
static int run_created(
    struct run *run, const struct ctx *ctx, int *ret_exit_code, struct err *err)
{
	CLEANUP(buf_fini) struct buf early = {.max = 65536};
	struct engine *e = run->d->engine;
	int fd, r;

	TRY(engine_container_attach(e, ctx, run->id, &fd, &early, err));
	run->stream = engine_stream_new(fd, &early);
	output_init(&run->lines);
	r = engine_container_start(e, ctx, run->id, err);
	if (r == 0)
		r = watch(run, ctx, ret_exit_code, err);
	engine_stream_free(run->stream);
	output_fini(&run->lines);
	return r;
}

/* With directories to prepend, the image's own PATH must be known. */
static int step_path(struct direct *d, const struct ctx *ctx, const char *image,
    const struct words *prepend, char **ret, struct err *err)
{
	CLEANUP(engine_image_fini) struct engine_image info = {.env = NULL};
	const char *path;

	if (prepend->n == 0)
		return 0;
	TRY(engine_image_inspect(d->engine, ctx, image, &info, err));
	path = engine_image_variable(&info, "PATH");
	*ret = body_path(prepend, path != NULL ? path : CONTAINER_DEFAULT_PATH);
	return 0;
}

static int run_image(struct direct *d, const struct ctx *ctx,
    const struct container_wish *step, const char *image, const char *network,
    int *ret_exit_code, struct err *err)
{
	struct run run = {.d = d};
	struct direct_container wanted = {.container = step,
	    .image = image,
	    .kind = "step",
	    .network = network,
	    .roots = step->system_mounts,
	    .nroots = step->nsystem_mounts};
	struct ctx root = ctx_root(), sweep;
	struct err ignored = ERR_INIT;
	char *path = NULL;
	int r;

	TRY(step_path(d, ctx, image, &step->prepend_path, &path, err));
	wanted.path = path;
	r = direct_create(d, ctx, &wanted, run.id, err);
	mem_free(path);
	TRY(r);
	r = run_created(&run, ctx, ret_exit_code, err);
	sweep = ctx_with_timeout(&root, REMOVE_MS);
	IGNORE(engine_container_remove(d->engine, &sweep, run.id, &ignored));
	return r;
}

static int run_on(struct direct *d, const struct ctx *ctx,
    const struct container_wish *step, const char *network, int *ret_exit_code,
    struct err *err)
{
	struct ctx root = ctx_root(), sweep;
	struct err ignored = ERR_INIT;
	char tag[TAG_LEN];
	int r;

	/* Both may be given: then the image counts. */
	if (step->image != NULL || step->dockerfile == NULL) {
		TRY(direct_image(d, ctx, step, err));
		return run_image(
		    d, ctx, step, step->image, network, ret_exit_code, err);
	}
	TRY(build(d, ctx, step->dockerfile, network, tag, err));
	r = run_image(d, ctx, step, tag, network, ret_exit_code, err);
	sweep = ctx_with_timeout(&root, REMOVE_MS);
	IGNORE(engine_image_remove(d->engine, &sweep, tag, &ignored));
	return r;
}

int direct_run_container_step(void *self, const struct ctx *ctx,
    const struct container_wish *step, const json_t *state, int *ret_exit_code,
    struct err *err)
{
	const char *network =
	    json_string_value(json_object_get(state, "network"));
	struct ctx root = ctx_root(), sweep;
	struct err ignored = ERR_INIT;
	struct direct *d = self;
	char own[DIRECT_NETWORK_LEN];
	int r;

	if (network != NULL)
		return run_on(d, ctx, step, network, ret_exit_code, err);
	TRY(direct_network(d, ctx, own, err));
	r = run_on(d, ctx, step, own, ret_exit_code, err);
	sweep = ctx_with_timeout(&root, REMOVE_MS);
	IGNORE(engine_network_remove(d->engine, &sweep, own, &ignored));
	return r;
}
