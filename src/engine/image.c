/*
 * Images: look, pull, import. A pull answers 200 and then reports progress
 * and failure in the stream, one JSON document per line. Any thread; blocks
 * on the caller's.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/lines.h"

#define PROGRESS_LINE_MAX ((size_t)256 * 1024)
/* Unpacking an image of some GB on a slow disk. */
#define IMPORT_MS INT64_C(1800000)

/* -- inspect ----------------------------------------------------------- */

void engine_image_fini(struct engine_image *i)
{
	for (char **v = i->env; v != NULL && *v != NULL; v++)
		mem_free(*v);
	mem_free(i->env);
	i->env = NULL;
	answer_labels_free(i->labels, i->nlabels);
	i->labels = NULL;
	i->nlabels = 0;
}

const char *engine_image_label(const struct engine_image *i, const char *key)
{
	return answer_label(i->labels, i->nlabels, key);
}

static char **read_env(const json_t *list)
{
	size_t n = json_array_size(list), used = 0;
	char **env;

	if (n == 0)
		return NULL;
	env = mem_calloc(n + 1, sizeof(*env));
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s != NULL)
			env[used++] = mem_strdup(s);
	}
	return env;
}

/* Go's zero time, of the year 1, is none. */
static int64_t time_of(const json_t *doc, const char *path)
{
	const char *text = answer_text(doc, path);
	int64_t at;

	if (text == NULL || strncmp(text, "0001-", 5) == 0 ||
	    clock_parse_iso(text, &at) < 0)
		return 0;
	return at;
}

static void read_image(const json_t *doc, struct engine_image *image)
{
	char os[24], arch[32];

	*image = (struct engine_image){.size_bytes = answer_int(doc, "Size")};
	answer_str(doc, "Id", image->id, sizeof(image->id));
	answer_str(doc, "Config.User", image->user, sizeof(image->user));
	answer_str(doc, "Config.WorkingDir", image->working_dir,
	    sizeof(image->working_dir));
	answer_str(doc, "Os", os, sizeof(os));
	answer_str(doc, "Architecture", arch, sizeof(arch));
	snprintf(image->os_arch, sizeof(image->os_arch), "%s/%s", os, arch);
	image->env = read_env(answer_at(doc, "Config.Env"));
	answer_str(doc, "Parent", image->parent, sizeof(image->parent));
	image->created_at = time_of(doc, "Created");
	image->tagged_at = time_of(doc, "Metadata.LastTagTime");
	image->ntags = json_array_size(answer_at(doc, "RepoTags"));
	answer_labels(
	    answer_at(doc, "Config.Labels"), &image->labels, &image->nlabels);
}

int engine_image_inspect(struct engine *e, const struct ctx *ctx,
    const char *ref, struct engine_image *ret, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(json_decref) json_t *doc = NULL;
	char target[600], doing[300];
	const struct engine_request req = {.method = "GET",
	    .target = target,
	    .doing = doing,
	    .object = ENGINE_IMAGE,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	TRY(engine_check_ref(ref, err));
	snprintf(target, sizeof(target), "/images/%s/json", ref);
	snprintf(doing, sizeof(doing), "inspect image %.250s", ref);
	TRY(engine_call(e, ctx, &req, &res, err));
	doc = answer_parse(buf_str(&res.body), res.body.len, doing, err);
	if (doc == NULL)
		return -1;
	read_image(doc, ret);
	return 0;
}

/* -- the progress stream ----------------------------------------------- */

struct progress {
	struct lines lines;
	void (*tell)(void *arg, const char *line);
	void *arg;
	bool failed;
	char why[320]; /* the engine's words when failed */
};

static void progress_fail(struct progress *p, const char *why)
{
	p->failed = true;
	snprintf(p->why, sizeof(p->why), "%s", why);
}

/* The bytes counted many times a second are no change of status. */
static bool is_tick(const json_t *doc)
{
	return answer_at(doc, "progressDetail.current") != NULL;
}

static int progress_line(void *arg, const char *text, size_t len)
{
	struct progress *p = arg;
	CLEANUP(json_decref) json_t *doc = answer_parse_quiet(text, len);
	const char *why = answer_text(doc, "errorDetail.message");
	const char *status = answer_text(doc, "status");
	const char *id = answer_text(doc, "id");
	char line[256];

	if (why == NULL)
		why = answer_text(doc, "error");
	if (why != NULL)
		progress_fail(p, why);
	if (status == NULL || p->tell == NULL || is_tick(doc))
		return 0;
	snprintf(line, sizeof(line), "%s%s%s", id != NULL ? id : "",
	    id != NULL ? ": " : "", status);
	p->tell(p->arg, line);
	return 0;
}

static int progress_body(
    void *arg, const char *data, size_t len, struct err *err)
{
	struct progress *p = arg;

	(void)err; /* progress_line never stops the stream */
	return lines_feed(&p->lines, data, len, progress_line, p);
}

/* Sends and reads the stream to its end; a failure inside it is left in p. */
static int progress_run(struct engine *e, const struct ctx *ctx,
    struct engine_request *req, struct progress *p, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	int r;

	lines_init(&p->lines, PROGRESS_LINE_MAX);
	req->on_body = progress_body;
	req->sink_arg = p;
	r = engine_call(e, ctx, req, &res, err);
	if (r == 0)
		r = lines_end(&p->lines, progress_line, p);
	lines_fini(&p->lines);
	return r;
}

/* -- pull -------------------------------------------------------------- */

/* A registry that says no will say no again; all else may pass. */
static enum err_kind pull_kind(const char *why)
{
	static const char *const final[] = {"not found", "manifest unknown",
	    "name unknown", "denied", "unauthorized", "does not exist",
	    "no matching manifest", "authentication required"};

	for (size_t i = 0; i < ARRAY_LEN(final); i++) {
		if (strcasestr(why, final[i]) != NULL)
			return ERR_NOT_FOUND;
	}
	return ERR_UNAVAILABLE;
}

/* The engine refused the pull as such: the registry's words again. */
static bool is_refusal(const struct err *err)
{
	return err->kind != ERR_CANCELED && err->kind != ERR_TIMEOUT &&
	       strcmp(err->code, "engine_down") != 0 &&
	       strcmp(err->code, "engine_permission") != 0 &&
	       strcmp(err->code, "disk_full") != 0;
}

/* Without a tag the engine would pull every tag there is. */
static bool has_tag(const char *ref)
{
	const char *name = strrchr(ref, '/');

	return strpbrk(name != NULL ? name : ref, ":@") != NULL;
}

int engine_image_pull(struct engine *e, const struct ctx *ctx, const char *ref,
    const char *auth, void (*progress)(void *arg, const char *line), void *arg,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};
	CLEANUP(buf_fini) struct buf header = {.max = ENGINE_TARGET_MAX};
	struct progress p = {.tell = progress, .arg = arg};
	const char *headers[2] = {NULL, NULL};
	char doing[300];
	struct engine_request req = {.method = "POST",
	    .doing = doing,
	    .headers = headers,
	    .object = ENGINE_IMAGE,
	    .repeatable = true};

	TRY(engine_check_ref(ref, err));
	snprintf(doing, sizeof(doing), "pull image %.250s", ref);
	buf_append_str(&target, "/images/create?fromImage=");
	http_encode(&target, ref);
	if (!has_tag(ref))
		buf_append_str(&target, "&tag=latest");
	if (auth != NULL) {
		buf_printf(&header, "X-Registry-Auth: %s", auth);
		headers[0] = buf_str(&header);
	}
	if (header.overflow || strpbrk(buf_str(&header), "\r\n") != NULL)
		return err_set(err, ERR_INVALID, "registry_auth_invalid",
		    "%s: the registry credentials are not a header value",
		    doing);
	req.target = buf_str(&target);
	if (progress_run(e, ctx, &req, &p, err) != 0)
		return !is_refusal(err)
			   ? -1
			   : err_set(err, pull_kind(err->msg),
				 "image_pull_failed", "%s", err->msg);
	if (!p.failed)
		return 0;
	return err_set(err, pull_kind(p.why), "image_pull_failed",
	    "%s: the engine says: %s", doing, p.why);
}

/* -- import ------------------------------------------------------------ */

int engine_image_import(struct engine *e, const struct ctx *ctx,
    const char *ref, const void *tar, size_t len, const char *const *changes,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};
	struct progress p = {.tell = NULL};
	struct engine_request req = {.method = "POST",
	    .content_type = "application/x-tar",
	    .body = tar,
	    .body_len = len,
	    .doing = "import an image",
	    .object = ENGINE_IMAGE,
	    .timeout_ms = IMPORT_MS,
	    .repeatable = true};

	TRY(engine_check_ref(ref, err));
	/* The tag rides in repo: Podman 4 ignores a tag of its own. */
	buf_append_str(&target, "/images/create?fromSrc=-&repo=");
	http_encode(&target, ref);
	if (!has_tag(ref))
		http_encode(&target, ":latest");
	for (; changes != NULL && *changes != NULL; changes++) {
		buf_append_str(&target, "&changes=");
		http_encode(&target, *changes);
	}
	if (target.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "import image %.200s: its changes are too long", ref);
	req.target = buf_str(&target);
	TRY(progress_run(e, ctx, &req, &p, err));
	if (!p.failed)
		return 0;
	return err_set(err, ERR_INVALID, "image_import_failed",
	    "import image %.200s: %s", ref, p.why);
}
