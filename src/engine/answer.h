/*
 * Reading the engine's JSON answers: tolerant where engines differ (a field
 * that is missing or of another type reads as "", 0 or false), bounded by the
 * sizes of the destinations. Internal to engine/.
 */
#ifndef ENGINE_ANSWER_H
#define ENGINE_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/err.h"
#include "engine/engine.h"

DEFINE_CLEANUP(json_t *, json_decref);

/* The document, owned by the caller; NULL with ERR_INTERNAL, code
 * "engine_answer". doing begins the message. */
json_t *answer_parse(
    const char *text, size_t len, const char *doing, struct err *err);
/* The same without an error to report. */
json_t *answer_parse_quiet(const char *text, size_t len);

/* Path: keys with dots between ("State.Pid"). Borrowed; NULL when absent. */
const json_t *answer_at(const json_t *doc, const char *path);
/* Borrowed text, NULL when absent or no string. */
const char *answer_text(const json_t *doc, const char *path);
/* Copies, cut to size; "" when absent. */
void answer_str(const json_t *doc, const char *path, char *out, size_t size);
int64_t answer_int(const json_t *doc, const char *path);
bool answer_bool(const json_t *doc, const char *path);

/*
 * The "Id" of a create's answer. The object exists now, whatever the answer
 * looks like: without an id this is ERR_UNCERTAIN ("look by name"), never
 * "it failed".
 */
int answer_created_id(const char *text, size_t len, const char *doing,
    char ret_id[ENGINE_ID_LEN], struct err *err) MUST_CHECK;

/* {"k":"v",...} as an array to free with answer_labels_free; not an object:
 * none. */
void answer_labels(const json_t *obj, struct engine_label **ret, size_t *ret_n);
void answer_labels_free(struct engine_label *labels, size_t n);
const char *answer_label(
    const struct engine_label *labels, size_t n, const char *key);

#endif
