/*
 * struct err: a caller-owned value that says what went wrong, in words for
 * a person and in a kind for the program. No allocation. A function that
 * can fail returns 0 / -1 (lookups 1 found / 0 none / -1 error) and takes
 * `struct err *err` last; err may not be NULL.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/defs.h"

/* What the caller can do about it. The HTTP status follows from the kind. */
enum err_kind {
	ERR_NONE = 0,
	ERR_INVALID,     /* the input is wrong: fix it */
	ERR_NOT_FOUND,   /* no such thing */
	ERR_CONFLICT,    /* the thing is in another state */
	ERR_AUTH,        /* no valid credentials */
	ERR_FORBIDDEN,   /* valid credentials, not allowed */
	ERR_LIMIT,       /* too big, too many: less, or later */
	ERR_TIMEOUT,     /* the deadline passed */
	ERR_CANCELED,    /* somebody cancelled it */
	ERR_UNAVAILABLE, /* a peer is away: retry */
	ERR_UNCERTAIN,   /* may have happened: look before repeating */
	ERR_INTERNAL,    /* our bug, or the machine's */
};

struct err {
	enum err_kind kind;
	char code[32]; /* stable, machine readable: "image_not_found" */
	char msg[480]; /* one line for a person, no trailing newline */
};

#define ERR_INIT                                                               \
	{                                                                      \
		.kind = ERR_NONE                                               \
	}

/* Sets err and returns -1, so that `return err_set(...)` reads as one. */
int err_set(struct err *err, enum err_kind kind, const char *code,
    const char *fmt, ...) PRINTF(4, 5);

/* Like err_set, appending ": " and the text of errno value `eno`. The kind
 * is derived from eno (ENOENT: NOT_FOUND, ECONNREFUSED: UNAVAILABLE, ...). */
int err_sys(struct err *err, int eno, const char *fmt, ...) PRINTF(3, 4);

/* Prefixes "what: " to a set error and returns -1. Kind and code stay. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF(2, 3);

#ifdef __clang_analyzer__
/* What the analyzer cannot see from another file: they always return -1. */
#define err_set(...)  ((void)(err_set)(__VA_ARGS__), -1)
#define err_sys(...)  ((void)(err_sys)(__VA_ARGS__), -1)
#define err_wrap(...) ((void)(err_wrap)(__VA_ARGS__), -1)
#endif

void err_clear(struct err *err);

/* "invalid", "not_found", ... the default code of a kind. */
const char *err_kind_name(enum err_kind kind);

/* The HTTP status of a kind: 400, 404, 409, ... */
int err_http_status(enum err_kind kind);

#endif
