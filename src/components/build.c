/*
 * An instance's image: its source as a context, built by the engine, its
 * output into the instance's log. One tag a component: what was built before
 * is the cache of what is built next. The flow's thread.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "components/flow.h"
#include "containers/context.h"
#include "engine/run.h"

#define CONTEXT_MAX   (UINT64_C(2) * 1024 * 1024 * 1024)
#define BUILD_TIME_MS INT64_C(600000)
enum { TAG_MAX = 120 };

/* -- names ------------------------------------------------------------- */

/* "runnerhub-1a2b3c4d:component.default.demo" */
static void name_image(struct flow *f)
{
	size_t n = (size_t)snprintf(f->image, sizeof(f->image),
	    "runnerhub-%.8s:", f->owner->config.hub_id);
	size_t end = n + TAG_MAX;

	for (const char *p = f->component_ref; *p != '\0' && n < end; p++) {
		char c = (char)tolower((unsigned char)*p);

		f->image[n++] =
		    isalnum((unsigned char)c) || c == '_' || c == '-' ? c : '.';
	}
	f->image[n] = '\0';
}

static const char *plain(const char *path)
{
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	return path;
}

/* The Dockerfile as the context has it; it must lie within. */
static int dockerfile_in(
    const struct descriptor *d, const char **ret, struct err *err)
{
	const char *context = plain(d->context), *file = plain(d->dockerfile);
	size_t n = strlen(context);

	while (n > 0 && context[n - 1] == '/')
		n--;
	if (n == 0 || (n == 1 && context[0] == '.')) {
		*ret = file;
		return 0;
	}
	if (strncmp(file, context, n) != 0 || file[n] != '/')
		return err_set(err, ERR_INVALID, FAULT_CONFIGURATION,
		    "runner.dockerfile: %.150s does not lie within "
		    "runner.build.context, %.150s",
		    file, context);
	*ret = file + n + 1;
	return 0;
}

/* -- what the builder says ---------------------------------------------- */

struct output {
	struct flow *f;
	char step[100]; /* the one at work, as the builder words it */
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

/* "Step 3/7 : COPY . ." */
static void take_step(struct output *o, const char *text)
{
	struct flow *f = o->f;
	int64_t at, of;

	if (strncmp(text, "Step ", 5) != 0)
		return;
	snprintf(
	    o->step, sizeof(o->step), "%.*s", (int)strcspn(text, "\n"), text);
	text += 5;
	if (number_until(&text, '/', &at) < 0 ||
	    number_until(&text, ' ', &of) < 0 || at > of)
		return;
	mtx_lock(&f->owner->mtx);
	deployment_percent(&f->progress, (int)(100 * (at - 1) / of));
	mtx_unlock(&f->owner->mtx);
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

static int pack(struct flow *f, const struct ctx *ctx, const char *dockerfile,
    int *ret, struct err *err)
{
	CLEANUP(fd_close) int source = workplace_source(f, err), context = -1;

	TRY(source);
	context =
	    openat(source, f->d.context, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (context < 0)
		return err_set(err, ERR_INVALID, FAULT_CONFIGURATION,
		    "runner.build.context: there is no directory %.200s",
		    f->d.context);
	if (context_tar_at(ctx, context, dockerfile, f->dir, CONTEXT_MAX, ret,
		err) == 0)
		return 0;
	if (err->kind == ERR_INVALID || err->kind == ERR_LIMIT)
		return fault_set(err, FAULT_CONFIGURATION);
	return -1;
}

/* Of earlier builds of this component what has lost its name. */
static void remove_unnamed(struct flow *f)
{
	CLEANUP(engine_image_refs_free) char **refs = NULL;
	CLEANUP(mem_free)
	char *component =
	    mem_printf("runnerhub.component=%s", f->component_ref);
	CLEANUP(mem_free)
	char *hub = mem_printf("runnerhub.hub=%s", f->owner->config.hub_id);
	const char *const labels[] = {component, hub, NULL};
	struct engine *e = f->owner->config.engine;
	struct err err = ERR_INIT;

	if (engine_image_list(e, &f->start, labels, &refs, &err) < 0)
		return; /* the next build tries again */
	for (char **r = refs; *r != NULL; r++)
		if (strncmp(*r, "sha256:", 7) == 0)
			IGNORE(engine_image_remove(e, &f->start, *r, &err));
}

int build_image(struct flow *f, struct err *err)
{
	const struct options *o = f->owner->config.options;
	const struct engine_pair labels[] = {{"runnerhub.managed", "true"},
	    {"runnerhub.hub", f->owner->config.hub_id},
	    {"runnerhub.component", f->component_ref}, {NULL, NULL}};
	struct ctx limited = ctx_with_timeout(&f->start, BUILD_TIME_MS);
	struct output output = {.f = f};
	CLEANUP(fd_close) int tar = -1;
	CLEANUP(mem_free) struct engine_pair *args = args_of(&f->d);
	struct engine_build build = {.tag = f->image,
	    .labels = labels,
	    .args = args,
	    .target = f->d.target,
	    .context = engine_context_from_fd,
	    .context_arg = &tar,
	    .progress = take,
	    .progress_arg = &output,
	    .memory_bytes = o->memory_mb * 1024 * 1024};

	name_image(f);
	TRY(dockerfile_in(&f->d, &build.dockerfile, err));
	TRY(pack(f, &limited, build.dockerfile, &tar, err));
	if (engine_image_build(f->owner->config.engine, &limited, &build, err) <
	    0)
		return build_failed(&output, err);
	remove_unnamed(f);
	return 0;
}
