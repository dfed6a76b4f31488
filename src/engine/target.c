/*
 * Request lines: what a caller's id, name or image reference must look like
 * before it becomes part of a path ("../info" must never reach the engine as
 * one), and the label filter of the list calls. Pure.
 */
#include <string.h>

#include "base/json_out.h"
#include "engine/engine_internal.h"

#define NAME_MAX_BYTES 255
#define REF_MAX_BYTES  512

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

int engine_check_name(
    const char *name, enum engine_object object, struct err *err)
{
	size_t len = name != NULL ? strlen(name) : 0;
	bool ok = len > 0 && len <= NAME_MAX_BYTES && is_alnum(name[0]);

	for (size_t i = 0; ok && i < len; i++)
		ok = is_alnum(name[i]) || strchr("_.-", name[i]) != NULL;
	if (ok)
		return 0;
	return err_set(err, ERR_INVALID, "engine_bad_name",
	    "\"%.64s\" is not the id or name of %s: letters, digits, "
	    "\"_\", \".\" and \"-\", begun by a letter or digit",
	    name != NULL ? name : "",
	    object == ENGINE_NETWORK  ? "a network"
	    : object == ENGINE_VOLUME ? "a volume"
				      : "a container");
}

static bool segment_ok(const char *s, size_t len)
{
	return len > 0 && !(len == 1 && s[0] == '.') &&
	       !(len == 2 && s[0] == '.' && s[1] == '.');
}

int engine_check_ref(const char *ref, struct err *err)
{
	size_t len = ref != NULL ? strlen(ref) : 0, begin = 0;
	bool ok = len > 0 && len <= REF_MAX_BYTES && is_alnum(ref[0]);

	for (size_t i = 0; ok && i <= len; i++) {
		if (i == len || ref[i] == '/') {
			ok = segment_ok(ref + begin, i - begin);
			begin = i + 1;
		} else {
			ok = is_alnum(ref[i]) ||
			     strchr("_.-:@+", ref[i]) != NULL;
		}
	}
	if (ok)
		return 0;
	return err_set(err, ERR_INVALID, "image_ref_invalid",
	    "\"%.128s\" is not an image reference: use "
	    "[registry/]name[:tag] or name@digest",
	    ref != NULL ? ref : "");
}

void engine_put_label_filter(struct buf *target, const char *const *labels)
{
	CLEANUP(buf_fini) struct buf text = {.max = target->max};
	struct json j;

	json_init(&j, &text);
	json_obj(&j);
	if (labels != NULL) { /* Podman takes none for a wrong one */
		json_karr(&j, "label");
		for (; *labels != NULL; labels++)
			json_str(&j, *labels);
		json_end(&j);
	}
	json_end(&j);
	target->overflow |= text.overflow;
	buf_append_str(target, "filters=");
	http_encode(target, buf_str(&text));
}
