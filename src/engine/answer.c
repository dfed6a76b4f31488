/*
 * Readers over jansson for the engine's answers: see answer.h. Used by every
 * file of engine/ that reads a reply; pure, any thread.
 */
#include "engine/answer.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

json_t *answer_parse_quiet(const char *text, size_t len)
{
	json_error_t why;
	json_t *doc = json_loadb(text, len, JSON_ALLOW_NUL, &why);

	/* Engines write "unlimited" as 2^64-1 here and there: better a field
	 * that is imprecise than an answer that cannot be read. */
	if (doc == NULL && json_error_code(&why) == json_error_numeric_overflow)
		doc = json_loadb(
		    text, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
	return doc;
}

json_t *answer_parse(
    const char *text, size_t len, const char *doing, struct err *err)
{
	json_t *doc = answer_parse_quiet(text, len);

	if (doc == NULL)
		IGNORE(err_set(err, ERR_INTERNAL, "engine_answer",
		    "%s: the engine's answer (%zu bytes) is not JSON", doing,
		    len)); /* NULL tells */
	return doc;
}

const json_t *answer_at(const json_t *doc, const char *path)
{
	const char *key = path;

	while (doc != NULL && key != NULL) {
		const char *dot = strchr(key, '.');
		size_t len = dot != NULL ? (size_t)(dot - key) : strlen(key);

		doc = json_object_getn(doc, key, len);
		key = dot != NULL ? dot + 1 : NULL;
	}
	return doc;
}

const char *answer_text(const json_t *doc, const char *path)
{
	return json_string_value(answer_at(doc, path));
}

void answer_str(const json_t *doc, const char *path, char *out, size_t size)
{
	const char *text = answer_text(doc, path);

	snprintf(out, size, "%s", text != NULL ? text : "");
}

int64_t answer_int(const json_t *doc, const char *path)
{
	const json_t *v = answer_at(doc, path);

	if (json_is_integer(v))
		return json_integer_value(v);
	if (json_is_real(v) && json_real_value(v) > -9e18 &&
	    json_real_value(v) < 9e18)
		return (int64_t)json_real_value(v);
	return 0;
}

bool answer_bool(const json_t *doc, const char *path)
{
	return json_is_true(answer_at(doc, path));
}

int answer_created_id(const char *text, size_t len, const char *doing,
    char ret_id[ENGINE_ID_LEN], struct err *err)
{
	CLEANUP(json_decref) json_t *doc = answer_parse_quiet(text, len);
	const char *id = answer_text(doc, "Id");

	if (id == NULL || id[0] == '\0' || strlen(id) >= ENGINE_ID_LEN)
		return err_set(err, ERR_UNCERTAIN, "engine_answer",
		    "%s: the engine's answer names no id: look it up by name",
		    doing);
	snprintf(ret_id, ENGINE_ID_LEN, "%s", id);
	return 0;
}

void answer_labels(const json_t *obj, struct engine_label **ret, size_t *ret_n)
{
	size_t room = json_object_size(obj), n = 0;
	struct engine_label *labels;
	const char *key;
	json_t *value;

	*ret = NULL;
	*ret_n = 0;
	if (room == 0)
		return;
	labels = mem_calloc(room, sizeof(*labels));
	json_object_foreach((json_t *)(uintptr_t)obj, key, value)
	{
		const char *text = json_string_value(value);

		labels[n].key = mem_strdup(key);
		labels[n++].value = mem_strdup(text != NULL ? text : "");
	}
	*ret = labels;
	*ret_n = n;
}

void answer_labels_free(struct engine_label *labels, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		mem_free(labels[i].key);
		mem_free(labels[i].value);
	}
	mem_free(labels);
}

const char *answer_label(
    const struct engine_label *labels, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(labels[i].key, key) == 0)
			return labels[i].value;
	}
	return NULL;
}
