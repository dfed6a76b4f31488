/*
 * The audit log: who did what, from where, and with what result. Rows are only
 * ever added; each carries a keyed hash over itself and the one before, so that
 * a row that was changed, taken out or put in shows (store_audit_verify), also
 * at the end: the last hash is kept sealed. What it cannot show is a whole
 * database put back from a copy: for that a head that was noted elsewhere is
 * given to the check. Any thread.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

enum { AUDIT_HASH_BYTES = 32, AUDIT_HASH_TEXT = 2 * AUDIT_HASH_BYTES + 1 };

struct audit_entry {
	int64_t seq;    /* given by the store, from 1 on without gaps */
	int64_t at;     /* wall ns, kept in milliseconds */
	char *actor;    /* "key", "local", "runner:<id>", "nobody" */
	char *address;  /* "192.0.2.7:4711", "unix" */
	char *action;   /* "job.delegate" */
	char *object;   /* what it was done to, or NULL */
	char *result;   /* "ok", "refused", "failed" */
	char *request;  /* id of the request, or NULL */
	char *detail;   /* JSON object, or NULL */
	int64_t status; /* of the answer, 0: none */
	char hash[AUDIT_HASH_TEXT];
};
/* Frees the strings. */
void audit_entry_fini(struct audit_entry *e);

/*
 * Adds a row; copies e, returns at once, and never refuses: callers are bounded
 * by what they do. When it cannot be written the row goes to the error log.
 */
void store_audit_add(struct store *s, const struct audit_entry *e);

struct audit_filter {
	bool ascending;   /* oldest first, else newest first */
	int64_t before;   /* descending: smaller numbers only; 0: all */
	int64_t after;    /* ascending: larger numbers only */
	int64_t from, to; /* wall ns, 0: open */
	const char *actor, *action, *object, *result; /* exactly; or NULL */
	int64_t limit;                                /* 1 to 1000 */
};
struct audit_list {
	struct audit_entry *items;
	size_t n;
	int64_t next; /* for `before` (`after`) of the next page; 0: the end.
			 A page looks at 100000 rows at most: one may be short
			 and yet not the last. */
};
void audit_list_free(struct audit_list *l);
static inline void audit_list_free_guard(struct audit_list *l)
{
	audit_list_free(l);
}
int store_audit_list(struct store *s, const struct audit_filter *filter,
    struct audit_list *ret, struct err *err) MUST_CHECK;

struct audit_report {
	int64_t n, first, last; /* rows looked at, their numbers */
	char head[AUDIT_HASH_TEXT];
	bool intact;
	int64_t broken_at; /* number of the first row that does not fit */
	char problem[200]; /* "": intact */
};
/* Reads the whole log, a page at a time. noted: "seq:hash" of an earlier
 * report, or NULL; it must still be in the chain unless it was purged.
 * ERR_INVALID: noted is none. */
int store_audit_verify(struct store *s, const char *noted,
    struct audit_report *ret, struct err *err) MUST_CHECK;
/* Deletes rows from before that moment, never the newest: how many. */
int store_audit_purge(
    struct store *s, int64_t before_wall_ns, struct err *err) MUST_CHECK;

#endif
