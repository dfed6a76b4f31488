/*
 * JSON out: an append-to-buffer writer. Commas are its business, nesting
 * is bounded (32). Bytes that are not UTF-8 become U+FFFD. Overflow of the
 * buffer is kept in buf->overflow; check it once at the end.
 *
 *   struct json j; json_init(&j, &buf);
 *   json_obj(&j); json_key(&j, "id"); json_str(&j, id); json_end(&j);
 * and short: json_kstr(&j, "id", id), json_kint, json_kbool, json_knull.
 */
#ifndef BASE_JSON_OUT_H
#define BASE_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_DEPTH_MAX 32

struct json {
	struct buf *out;
	int depth;
	char close[JSON_DEPTH_MAX];
	bool first[JSON_DEPTH_MAX];
	bool after_key;
};

void json_init(struct json *j, struct buf *out);
void json_obj(struct json *j);
void json_arr(struct json *j);
void json_end(struct json *j); /* closes the innermost object or array */

void json_key(struct json *j, const char *key);
void json_str(struct json *j, const char *s); /* NULL: null */
void json_strn(struct json *j, const char *s, size_t len);
void json_int(struct json *j, int64_t v);
void json_num(struct json *j, double v); /* finite; else null */
void json_bool(struct json *j, bool v);
void json_none(struct json *j); /* null; jansson owns the name json_null */
void json_time(struct json *j, int64_t wall_ns); /* 0: null; else ISO */
/* Already JSON: copied as it is. NULL or "": null. */
void json_raw(struct json *j, const char *json_text);

void json_kobj(struct json *j, const char *key);
void json_karr(struct json *j, const char *key);
void json_kstr(struct json *j, const char *key, const char *s);
void json_kint(struct json *j, const char *key, int64_t v);
void json_knum(struct json *j, const char *key, double v);
void json_kbool(struct json *j, const char *key, bool v);
void json_knull(struct json *j, const char *key);
void json_ktime(struct json *j, const char *key, int64_t wall_ns);
void json_kraw(struct json *j, const char *key, const char *json_text);

/* Appends s as a quoted JSON string. */
void json_escape(struct buf *b, const char *s, size_t len);

#endif
