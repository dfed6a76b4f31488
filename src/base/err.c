/* The error value: see err.h. Called from everywhere, on any thread. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __clang_analyzer__
#undef err_set
#undef err_sys
#undef err_wrap
#endif

static const struct {
	const char *name;
	int http_status;
} kinds[] = {
    [ERR_NONE] = {"none", 200},
    [ERR_INVALID] = {"invalid", 400},
    [ERR_NOT_FOUND] = {"not_found", 404},
    [ERR_CONFLICT] = {"conflict", 409},
    [ERR_AUTH] = {"unauthorized", 401},
    [ERR_FORBIDDEN] = {"forbidden", 403},
    [ERR_LIMIT] = {"limit", 413},
    [ERR_TIMEOUT] = {"timeout", 504},
    [ERR_CANCELED] = {"canceled", 503},
    [ERR_UNAVAILABLE] = {"unavailable", 503},
    [ERR_UNCERTAIN] = {"uncertain", 503},
    [ERR_INTERNAL] = {"internal", 500},
};

const char *err_kind_name(enum err_kind kind)
{
	ASSERT((size_t)kind < ARRAY_LEN(kinds));
	return kinds[kind].name;
}

int err_http_status(enum err_kind kind)
{
	ASSERT((size_t)kind < ARRAY_LEN(kinds));
	return kinds[kind].http_status;
}

int err_set(
    struct err *err, enum err_kind kind, const char *code, const char *fmt, ...)
{
	char msg[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	err->kind = kind;
	snprintf(err->code, sizeof(err->code), "%s",
	    code != NULL ? code : err_kind_name(kind));
	memcpy(err->msg, msg, sizeof(msg));
	return -1;
}

static enum err_kind kind_of_errno(int eno)
{
	switch (eno) {
	case ENOENT:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_CONFLICT;
	case EACCES:
	case EPERM:
		return ERR_FORBIDDEN;
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
		return ERR_UNAVAILABLE;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case ECANCELED:
		return ERR_CANCELED;
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return ERR_UNAVAILABLE;
	default:
		return ERR_INTERNAL;
	}
}

int err_sys(struct err *err, int eno, const char *fmt, ...)
{
	char msg[sizeof(err->msg)];
	char text[96];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
#ifdef __GLIBC__
	const char *say = strerror_r(eno, text, sizeof(text));
#else
	const char *say = text;
	if (strerror_r(eno, text, sizeof(text)) != 0)
		snprintf(text, sizeof(text), "error %d", eno);
#endif
	return err_set(err, kind_of_errno(eno),
	    eno == ENOSPC ? "disk_full" : NULL, "%.360s: %s", msg, say);
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char msg[sizeof(err->msg)];
	char out[sizeof(err->msg)];
	va_list ap;
	size_t used;

	ASSERT(err->kind != ERR_NONE);
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	snprintf(out, sizeof(out), "%s", msg);
	used = strlen(out);
	snprintf(out + used, sizeof(out) - used, ": %s", err->msg);
	memcpy(err->msg, out, sizeof(out));
	return -1;
}

void err_clear(struct err *err)
{
	err->kind = ERR_NONE;
	err->code[0] = '\0';
	err->msg[0] = '\0';
}

void base_panic(const char *file, int line, const char *func, const char *what)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
	    "runnerhub: panic at %s:%d %s(): %s\n", file, line, func, what);

	if (n > 0)
		IGNORE(write(2, text, (size_t)n) < 0); /* dying anyway */
	abort();
}
