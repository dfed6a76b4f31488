/*
 * Images as things that somebody owns: found by their labels or all at once,
 * named, removed. Any thread; blocks on the caller's.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/run.h"

const char *engine_image_variable(
    const struct engine_image *image, const char *name)
{
	size_t n = strlen(name);

	for (char **v = image->env; v != NULL && *v != NULL; v++)
		if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
			return *v + n + 1;
	return NULL;
}

int engine_image_remove(
    struct engine *e, const struct ctx *ctx, const char *ref, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	char target[600], doing[300];
	const struct engine_request req = {.method = "DELETE",
	    .target = target,
	    .doing = doing,
	    .object = ENGINE_IMAGE,
	    .timeout_ms = ENGINE_SLOW_MS,
	    .repeatable = true};

	TRY(engine_check_ref(ref, err));
	snprintf(target, sizeof(target), "/images/%s", ref);
	snprintf(doing, sizeof(doing), "remove image %.250s", ref);
	if (engine_call(e, ctx, &req, &res, err) == 0)
		return 0;
	if (err->kind != ERR_NOT_FOUND)
		return -1;
	err_clear(err);
	return 0;
}

int engine_image_tag(struct engine *e, const struct ctx *ctx, const char *ref,
    const char *repo, const char *tag, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};
	char doing[300];
	struct engine_request req = {.method = "POST",
	    .doing = doing,
	    .object = ENGINE_IMAGE,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	TRY(engine_check_ref(ref, err));
	snprintf(doing, sizeof(doing), "name image %.250s", ref);
	buf_printf(&target, "/images/%s/tag?repo=", ref);
	http_encode(&target, repo);
	buf_append_str(&target, "&tag=");
	http_encode(&target, tag);
	if (target.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "%s: its name is too long", doing);
	req.target = buf_str(&target);
	return engine_call(e, ctx, &req, &res, err);
}

/* -- list -------------------------------------------------------------- */

void engine_image_refs_free(char **refs)
{
	for (char **r = refs; r != NULL && *r != NULL; r++)
		mem_free(*r);
	mem_free(refs);
}

/* Its names; an image without one is known by its id. */
static size_t add_refs(const json_t *image, char **refs)
{
	const json_t *tags = answer_at(image, "RepoTags");
	const char *id = answer_text(image, "Id");
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(tags); i++) {
		const char *tag = json_string_value(json_array_get(tags, i));

		if (tag != NULL && strcmp(tag, "<none>:<none>") != 0)
			refs[n++] = mem_strdup(tag);
	}
	if (n == 0 && id != NULL)
		refs[n++] = mem_strdup(id);
	return n;
}

int engine_image_list(struct engine *e, const struct ctx *ctx,
    const char *const *labels, char ***ret, struct err *err)
{
	CLEANUP(json_decref) json_t *doc = NULL;
	size_t n = 0, room = 1;

	TRY(engine_get_list(
	    e, ctx, "/images/json?", ENGINE_IMAGE, labels, &doc, err));
	for (size_t i = 0; i < json_array_size(doc); i++)
		room += 1 + json_array_size(
				answer_at(json_array_get(doc, i), "RepoTags"));
	*ret = mem_calloc(room, sizeof(**ret));
	for (size_t i = 0; i < json_array_size(doc); i++)
		n += add_refs(json_array_get(doc, i), *ret + n);
	return 0;
}

/* -- all of them ------------------------------------------------------- */

static void read_item(const json_t *doc, struct engine_image_item *item)
{
	const json_t *tags = answer_at(doc, "RepoTags");
	size_t n = 0;

	answer_str(doc, "Id", item->id, sizeof(item->id));
	answer_str(doc, "ParentId", item->parent, sizeof(item->parent));
	item->size_bytes = answer_int(doc, "Size");
	item->tags = mem_calloc(json_array_size(tags) + 1, sizeof(*item->tags));
	for (size_t i = 0; i < json_array_size(tags); i++) {
		const char *tag = json_string_value(json_array_get(tags, i));

		if (tag != NULL && strcmp(tag, "<none>:<none>") != 0)
			item->tags[n++] = mem_strdup(tag);
	}
}

int engine_image_list_all(struct engine *e, const struct ctx *ctx,
    struct engine_images *ret, struct err *err)
{
	CLEANUP(json_decref) json_t *doc = NULL;

	TRY(engine_get_list(
	    e, ctx, "/images/json?all=1&", ENGINE_IMAGE, NULL, &doc, err));
	*ret = (struct engine_images){.n = json_array_size(doc)};
	ret->items = mem_calloc(ret->n + 1, sizeof(*ret->items));
	for (size_t i = 0; i < ret->n; i++)
		read_item(json_array_get(doc, i), &ret->items[i]);
	return 0;
}

void engine_images_free(struct engine_images *l)
{
	for (size_t i = 0; i < l->n; i++)
		engine_image_refs_free(l->items[i].tags);
	mem_free(l->items);
	*l = (struct engine_images){0};
}
