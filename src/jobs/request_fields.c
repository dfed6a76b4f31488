/*
 * Validates one field of a delegation at a time, and names it when it is
 * wrong: see request_internal.h. Handler threads.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "jobs/request_internal.h"

enum {
	ENV_MAX = 1000,
	ENV_VALUE_MAX = 120 * 1024, /* the kernel takes 128 KiB a string */
	WARNINGS_MAX = 20,
};

int request_bad(
    struct request_parser *p, const char *field, const char *expected)
{
	return err_set(p->err, ERR_INVALID, "invalid_field",
	    "Field \"%s\": expected %s", field, expected);
}

/* -- small validators -------------------------------------------------- */

/* A string of 1..max bytes. 1 found, 0 absent or null, -1 wrong. */
int request_string(struct request_parser *p, const json_t *obj, const char *key,
    const char *field, size_t max, const char **ret)
{
	const json_t *v = json_object_get(obj, key);
	char expected[64];
	size_t len;

	*ret = NULL;
	if (v == NULL || json_is_null(v))
		return 0;
	len = json_is_string(v) ? json_string_length(v) : 0;
	if (len == 0 || len > max) {
		snprintf(expected, sizeof(expected),
		    "a string of 1 to %zu bytes", max);
		return request_bad(p, field, expected);
	}
	*ret = json_string_value(v);
	return 1;
}

int request_need_string(struct request_parser *p, const json_t *obj,
    const char *key, size_t max, const char **ret)
{
	int r = request_string(p, obj, key, key, max, ret);

	if (r == 0)
		return err_set(p->err, ERR_INVALID, "missing_field",
		    "Missing required field: %s", key);
	return r;
}

/* 1 found, 0 absent, -1 wrong. */
int request_int(struct request_parser *p, const json_t *obj, const char *key,
    const char *field, int64_t min, int64_t max, int64_t *ret)
{
	const json_t *v = json_object_get(obj, key);
	char expected[80];

	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < min ||
	    json_integer_value(v) > max) {
		snprintf(expected, sizeof(expected),
		    "an integer from %lld to %lld", (long long)min,
		    (long long)max);
		return request_bad(p, field, expected);
	}
	*ret = json_integer_value(v);
	return 1;
}

int request_bool(struct request_parser *p, const json_t *obj, const char *key,
    const char *field, bool *ret)
{
	const json_t *v = json_object_get(obj, key);

	if (v == NULL || json_is_null(v))
		return 0;
	if (!json_is_boolean(v))
		return request_bad(p, field, "true or false");
	*ret = json_is_true(v);
	return 1;
}

bool request_is_env_name(const char *s)
{
	if (strnlen(s, NAME_MAX_BYTES + 1) > NAME_MAX_BYTES)
		return false;
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	for (s++; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			return false;
	return true;
}

void request_warn_unknown(struct request_parser *p, const json_t *obj,
    const char *const *known, const char *where)
{
	const char *key;
	json_t *v;
	size_t i;

	json_object_foreach((json_t *)obj, key, v)
	{
		for (i = 0; known[i] != NULL && strcmp(known[i], key) != 0;)
			i++;
		if (known[i] == NULL &&
		    json_array_size(p->warnings) < WARNINGS_MAX)
			json_array_append_new(p->warnings,
			    json_sprintf(
				"unknown field \"%s%.64s\" was ignored", where,
				key));
	}
}

int request_check_map(struct request_parser *p, const json_t *map,
    const char *field, size_t *ret_bytes)
{
	const char *key;
	size_t total = 0;
	json_t *v;

	if (!json_is_object(map) || json_object_size(map) > ENV_MAX)
		return request_bad(p, field,
		    "an object of at most 1000 names and string values");
	json_object_foreach((json_t *)map, key, v)
	{
		if (!request_is_env_name(key))
			return err_set(p->err, ERR_INVALID, "invalid_field",
			    "Field \"%s\": \"%.64s\" is no variable name "
			    "(letters, digits and _)",
			    field, key);
		if (!json_is_string(v) || json_string_length(v) > ENV_VALUE_MAX)
			return err_set(p->err, ERR_INVALID, "invalid_field",
			    "Field \"%s.%.64s\": expected a string of at most "
			    "120 KiB",
			    field, key);
		total += strlen(key) + json_string_length(v);
	}
	if (total > ENV_TOTAL_MAX)
		return request_bad(p, field, "at most 400 KiB altogether");
	*ret_bytes = total;
	return 0;
}

/* Copies a checked map into spec under key; absent: nothing. */
int request_take_env(
    struct request_parser *p, const json_t *from, const char *field, json_t *to)
{
	json_t *map = json_object_get(from, "env");
	size_t bytes;

	if (map == NULL || json_is_null(map))
		return 0;
	TRY(request_check_map(p, map, field, &bytes));
	return json_object_set(to, "env", map);
}
