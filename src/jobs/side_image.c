/*
 * The image of a container step: see side.h. Pulled with the step's own
 * credentials, or built from a directory within the session's work
 * directories, which the hub reads itself: the builder gets a tar and no
 * path. What is said meanwhile is the step's output. The side's thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"
#include "containers/context.h"
#include "engine/run.h"
#include "jobs/side.h"

#define BUILD_MS    INT64_C(7200000)
#define CONTEXT_MAX (UINT64_C(1) << 30)

/* Words on the way: one that cannot be kept is no reason to fail. */
static void say(void *arg, const char *text)
{
	struct err ignored = ERR_INIT;

	IGNORE(side_say(arg, text, strlen(text), &ignored));
}

static void say_line(void *arg, const char *line)
{
	char *text = mem_printf("%s\n", line);

	say(arg, text);
	mem_free(text);
}

/* -- pulled ------------------------------------------------------------ */

static int pull(struct side *s, struct err *err)
{
	const struct place_pull pull = {.image = s->wish.image,
	    .registry =
		s->wish.has_registry ? wish_field(s->object, "registry") : NULL,
	    .say = say_line,
	    .arg = s};

	return place_image(&s->place, &s->ctx, &pull, err);
}

/* -- built ------------------------------------------------------------- */

static int open_directory(
    struct side *s, const char *directory, int *ret_fd, struct err *err)
{
	CLEANUP(buf_fini) struct buf mountpoint = {.max = 4096};
	CLEANUP(mem_free) char *clean = NULL;
	const struct ground *g;

	TRY(path_normalise(directory, &clean, err));
	g = grounds_find(&s->place.grounds, clean);
	if (g != NULL && g->volume != NULL)
		TRY(engine_volume_mountpoint(s->carry->hub->engine, &s->ctx,
		    g->volume, &mountpoint, err));
	return grounds_open(&s->place.grounds, clean,
	    mountpoint.len > 0 ? buf_str(&mountpoint) : NULL, ret_fd, err);
}

static int build_from(
    struct side *s, int directory, const char *file, struct err *err)
{
	struct carry *c = s->carry;
	const struct engine_pair labels[] = {{"runnerhub.hub", c->hub->id},
	    {PLACE_LABEL, c->id_text}, {NULL, NULL}};
	struct ctx limited = ctx_with_timeout(&s->ctx, BUILD_MS);
	CLEANUP(fd_close) int tar = -1;
	struct engine_build build = {.tag = s->tag,
	    .dockerfile = file,
	    .network = s->place.network,
	    .labels = labels,
	    .context = engine_context_from_fd,
	    .context_arg = &tar,
	    .progress = say,
	    .progress_arg = s,
	    /* A layer is found by its instruction, not by what it read: one
	     * that another job has built, with names of its own network,
	     * must not become part of this one. */
	    .fresh = true,
	    .memory_bytes = s->place.limits.memory_bytes,
	    .nano_cpus = s->place.limits.nano_cpus};

	TRY(context_tar_at(&limited, directory, file,
	    c->hub->options->state_dir, CONTEXT_MAX, &tar, err));
	FAULT("before_side_build");
	return engine_image_build(c->hub->engine, &limited, &build, err);
}

static int build(struct side *s, struct err *err)
{
	const char *dockerfile = s->wish.dockerfile;
	const char *slash = strrchr(dockerfile, '/');
	CLEANUP(mem_free) char *directory = NULL;
	CLEANUP(fd_close) int fd = -1;
	char unique[17];

	if (dockerfile[0] != '/' || slash[1] == '\0')
		return err_set(err, ERR_INVALID, "invalid_field",
		    "Field \"container.dockerfile\": expected an absolute "
		    "path");
	directory = mem_strndup(dockerfile, (size_t)(slash - dockerfile) + 1);
	TRY(open_directory(s, directory, &fd, err));
	snprintf(s->tag, sizeof(s->tag), "runnerhub-step/%s:%s",
	    s->carry->id_text, random_hex(unique, 4));
	if (build_from(s, fd, slash + 1, err) == 0)
		return 0;
	return err_wrap(err, "%.200s", dockerfile);
}

/* Both may be given: then the image counts. */
int side_image(struct side *s, const char **ret, struct err *err)
{
	if (s->wish.image == NULL && s->wish.dockerfile != NULL) {
		TRY(build(s, err));
		*ret = s->tag;
		return 0;
	}
	*ret = s->wish.image;
	return pull(s, err);
}
