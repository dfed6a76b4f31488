/*
 * Words of a command line by the quoting rules of the POSIX shell (XCU 2.2,
 * 2.6.5): single quotes, double quotes with backslash escapes, backslash.
 * Nothing is expanded: "$HOME" stays as it is. Pure.
 */
#ifndef CONTAINERS_WORDS_H
#define CONTAINERS_WORDS_H

#include <stddef.h>

#include "base/err.h"

#define WORDS_MAX 8192

struct words {
	char **v; /* ends with NULL; owned */
	size_t n;
};

/* A quote that never closes: ERR_INVALID, code "unclosed_quote". An empty
 * quoted word is a word. */
int words_split(
    const char *text, struct words *ret, struct err *err) MUST_CHECK;
/* Joins the pieces with one space first: how the runner cuts a command at
 * spaces is undone before the quotes are read. pieces ends with NULL. */
int words_split_pieces(
    const char *const *pieces, struct words *ret, struct err *err) MUST_CHECK;
/* Takes word. */
void words_add(struct words *w, char *word);
void words_fini(struct words *w);
static inline void words_fini_guard(struct words *w)
{
	words_fini(w);
}

#endif
