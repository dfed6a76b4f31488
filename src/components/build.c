/*
 * An instance's image: its source as a context, built by the engine, its
 * output into the instance's log; or found, when the same was built before.
 * The flow's thread.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "components/bases.h"
#include "components/build_guard.h"
#include "components/flow.h"
#include "components/layers.h"
#include "engine/run.h"

/* -- what the builder says ---------------------------------------------- */

struct output {
	struct flow *f;
	char step[100]; /* the one at work, as the builder words it */
	struct layers layers;
	struct build_guard guard;
};

/* The digits that end with `end`; *at moves behind it. */
static int number_until(const char **at, char end, int64_t *ret)
{
	size_t n = strspn(*at, "0123456789");
	char digits[12];

	if (n == 0 || n >= sizeof(digits) || (*at)[n] != end)
		return -1;
	snprintf(digits, sizeof(digits), "%.*s", (int)n, *at);
	*at += n + 1;
	return parse_int(digits, 1, INT32_MAX, ret);
}

/* "Step 3/7 : COPY . ."; Podman's is "STEP 3/7: COPY . ." */
static void take_step(struct output *o, const char *text)
{
	struct flow *f = o->f;
	int64_t at, of;

	if (strncasecmp(text, "Step ", 5) != 0)
		return;
	snprintf(
	    o->step, sizeof(o->step), "%.*s", (int)strcspn(text, "\n"), text);
	text += 5;
	if (number_until(&text, '/', &at) < 0 ||
	    (number_until(&text, ' ', &of) < 0 &&
		number_until(&text, ':', &of) < 0) ||
	    at > of)
		return;
	mtx_lock(&f->owner->mtx);
	deployment_percent(&f->progress, (int)(100 * (at - 1) / of));
	mtx_unlock(&f->owner->mtx);
	feed_changed(&f->owner->feed, f->id);
}

static void take(void *arg, const char *text)
{
	struct output *o = arg;
	struct flow *f = o->f;
	struct err err = ERR_INIT;

	take_step(o, text);
	if (logs_say(f, text, strlen(text), &err) < 0)
		log_warn(
		    &f->root, "cannot keep a build's output", LOG_ERR(&err));
	layers_hear(&o->layers, text);
	guard_hear(&o->guard, &o->layers);
}

static void take_stage(void *arg, const char *id)
{
	struct output *o = arg;

	layers_stage(&o->layers, id);
}

/* The builder's reason, where it stood and what it had printed. */
static int build_failed(const struct output *o, struct err *err)
{
	static const char before[] = "the engine says: ";
	const char *words = strstr(err->msg, before);
	char why[200], last[160];

	if (strcmp(err->code, "image_build_failed") != 0 || words == NULL)
		return fault_set(err, FAULT_BUILD);
	snprintf(why, sizeof(why), "%s", words + strlen(before));
	logs_last(o->f, last, sizeof(last));
	return err_set(err, ERR_INVALID, FAULT_BUILD,
	    "The build failed%s%s: %s. Its last lines: %s",
	    o->step[0] != '\0' ? " at " : "", o->step, why, last);
}

/* -- the build --------------------------------------------------------- */

/* Ends with {NULL}; for mem_free. */
static struct engine_pair *args_of(const struct descriptor *d)
{
	struct engine_pair *args = mem_calloc(d->nargs + 1, sizeof(*args));

	for (size_t i = 0; i < d->nargs; i++)
		args[i] =
		    (struct engine_pair){d->args[i].name, d->args[i].value};
	return args;
}

/* A directory of this machine has no commit: what counts is its content, as
 * it is sent. */
static int look_by_content(struct flow *f, int tar, struct err *err)
{
	char sum[IMAGES_KEY];
	int found;

	TRY(images_sum(tar, &f->start, sum, err));
	images_name(f, sum);
	found = images_find(f, err);
	TRY(found);
	f->cached = found > 0;
	return 0;
}

/* The step says so, and the log. */
static int say_cached(struct flow *f, struct err *err)
{
	char line[300];
	int n;

	mtx_lock(&f->owner->mtx);
	deployment_describe(&f->progress,
	    "Nothing has changed: the image that was built before is used");
	mtx_unlock(&f->owner->mtx);
	n = snprintf(line, sizeof(line),
	    "Not built again: the image %s was made from the same source, "
	    "Dockerfile, arguments and target\n",
	    f->image);
	return logs_say(f, line, (size_t)n, err);
}

static int build(struct flow *f, int tar, const char *dockerfile,
    const struct ctx *ctx, struct err *err)
{
	/* Each is a layer of its own, and takes the builder a moment. */
	const struct engine_pair labels[] = {
	    {"runnerhub.hub", f->owner->config.hub_id},
	    {"runnerhub.component", f->component_ref}, {IMAGES_LABEL, f->key},
	    {IMAGES_OWNER, f->owner->config.hub_id}, {NULL, NULL}};
	char network[RUN_NETWORK];
	struct output output = {
	    .f = f, .layers = {.f = f, .began = clock_wall_ns()}};
	CLEANUP(mem_free) struct engine_pair *args = args_of(&f->d);
	const struct engine_build wish = {.tag = f->image,
	    .dockerfile = dockerfile,
	    .network = network, /* from which the host cannot be reached */
	    .labels = labels,
	    .args = args,
	    .target = f->d.target,
	    .context = engine_context_from_fd,
	    .context_arg = &tar,
	    .fresh = f->origin.rebuild,
	    .progress = take,
	    .stage = take_stage,
	    .progress_arg = &output,
	    .memory_bytes = f->owner->memory_max,
	    .nano_cpus = (int64_t)(f->owner->cpus_max * 1e9)};
	const char *ended;
	int r;

	TRY(run_make_network(f, network, err));
	TRY(guard_begin(&output.guard, f, ctx, err));
	r = engine_image_build(
	    f->owner->config.engine, &output.guard.ctx, &wish, err);
	ended = guard_end(&output.guard);
	if (r == 0) {
		layers_keep(&output.layers);
		return 0;
	}
	layers_drop(&output.layers);
	if (ended != NULL)
		return err_set(err, ERR_LIMIT, FAULT_BUILD,
		    "The build was ended: %s%s%s", ended,
		    output.step[0] != '\0' ? "; it was at " : "", output.step);
	if (err->kind == ERR_TIMEOUT)
		return err_set(err, ERR_TIMEOUT, FAULT_TIMEOUT,
		    "The build took longer than %lld s "
		    "(components.buildTimeout)%s%s",
		    (long long)(f->owner->build_ms / 1000),
		    output.step[0] != '\0' ? ", it was at " : "", output.step);
	return build_failed(&output, err);
}

static int find_or_build(struct flow *f, struct err *err)
{
	struct ctx limited = ctx_with_timeout(&f->start, f->owner->build_ms);
	CLEANUP(fd_close) int tar = -1;
	const char *dockerfile = NULL;
	int r;

	if (f->cached) /* by its commit: its source was not even fetched */
		return say_cached(f, err);
	TRY(bases_check(f, &limited, err));
	TRY(pack_context(f, &limited, &dockerfile, &tar, err));
	if (f->key[0] == '\0')
		TRY(look_by_content(f, tar, err));
	if (f->cached)
		return say_cached(f, err);
	images_build_begin(f->owner);
	r = build(f, tar, dockerfile, &limited, err);
	images_build_end(f->owner);
	return r;
}

int build_image(struct flow *f, struct err *err)
{
	int r = find_or_build(f, err);

	mtx_lock(&f->owner->mtx);
	f->built = true;
	mtx_unlock(&f->owner->mtx);
	if (r < 0)
		monitor_tidy(f->owner); /* what had no name is known by now */
	return r;
}
