/* What a component may be built from: see bases.h. The flow's thread. */
#include "components/bases.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "components/dockerfile.h"
#include "components/flow.h"
#include "engine/run.h"

#define OF_HUBS "runnerhub-"
#define HUB     "docker.io/"
#define LIBRARY "library/"
enum { ID_LEN = 64 };

static const char *behind(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : text;
}

/* Without the registries that a name without one means. */
static const char *short_name(const char *ref)
{
	ref = behind(ref, "localhost/");
	ref = behind(behind(ref, "index."), HUB);
	return behind(ref, LIBRARY);
}

bool bases_is_of_a_hub(const char *ref)
{
	return strncmp(short_name(ref), OF_HUBS, strlen(OF_HUBS)) == 0;
}

/* A registry has a dot, a port, or is localhost. */
static bool has_registry(const char *ref)
{
	size_t n = strcspn(ref, "/");

	return ref[n] == '/' &&
	       (memchr(ref, '.', n) != NULL || memchr(ref, ':', n) != NULL ||
		   strncmp(ref, "localhost/", 10) == 0);
}

static char *full_name(const char *ref)
{
	if (has_registry(ref) && short_name(ref) == ref)
		return mem_strdup(ref);
	ref = short_name(ref);
	return mem_printf(
	    HUB "%s%s", strchr(ref, '/') == NULL ? LIBRARY : "", ref);
}

bool bases_is_allowed(const char *patterns, const char *ref)
{
	CLEANUP(mem_free) char *full = full_name(ref);
	CLEANUP(mem_free) char *all = NULL;
	char *save = NULL;

	if (patterns == NULL || patterns[0] == '\0')
		return true;
	all = mem_strdup(patterns);
	for (char *p = strtok_r(all, ", ", &save); p != NULL;
	     p = strtok_r(NULL, ", ", &save))
		if (fnmatch(p, ref, FNM_NOESCAPE) == 0 ||
		    fnmatch(p, full, FNM_NOESCAPE) == 0)
			return true;
	return false;
}

/* -- by the engine ----------------------------------------------------- */

struct asked {
	struct flow *f;
	const struct ctx *ctx;
};

/* "sha256:0dfe..." or a beginning of that, which could be a name as well:
 * whoever reads a build's log knows ids of images without a name. 1, 0 or
 * -1. */
static int is_id(struct asked *a, const char *ref, struct err *err)
{
	CLEANUP(engine_image_fini) struct engine_image image = {{0}};
	const char *hex = behind(ref, "sha256:");
	size_t n = strspn(hex, "0123456789abcdef");

	if (hex[n] != '\0')
		return 0;
	if (hex != ref || n == ID_LEN)
		return 1;
	if (engine_image_inspect(
		a->f->owner->config.engine, a->ctx, ref, &image, err) < 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err); /* a name, to be pulled */
		return 0;
	}
	return strncmp(behind(image.id, "sha256:"), hex, n) == 0;
}

static int judge(void *arg, const char *ref, struct err *err)
{
	struct asked *a = arg;
	const char *allowed = a->f->owner->config.options->base_images;
	int id;

	if (bases_is_of_a_hub(ref))
		return err_set(err, ERR_INVALID, NULL,
		    "it is an image of a component or of a job, and nothing "
		    "else may be built from it");
	id = is_id(a, ref, err);
	TRY(id);
	if (id > 0)
		return err_set(err, ERR_INVALID, NULL,
		    "images are built from names, not from ids");
	if (!bases_is_allowed(allowed, ref))
		return err_set(err, ERR_INVALID, NULL,
		    "this hub allows as base images only %.200s "
		    "(components.baseImages)",
		    allowed);
	return 0;
}

int bases_check(struct flow *f, const struct ctx *ctx, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = DOCKERFILE_BYTES_MAX};
	CLEANUP(fd_close) int source = workplace_source(f, err);
	struct asked asked = {.f = f, .ctx = ctx};
	struct engine_info info;
	struct dockerfile_rules rules = {.args = f->d.args,
	    .nargs = f->d.nargs,
	    .image = judge,
	    .arg = &asked};

	TRY(source);
	TRY(engine_info(f->owner->config.engine, ctx, &info, err));
	rules.buildkit = strcmp(info.product, "docker") != 0;
	TRY(pack_dockerfile(f, source, &text, err));
	return dockerfile_check(
	    buf_str(&text), text.len, f->d.dockerfile, &rules, err);
}
