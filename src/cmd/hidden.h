/*
 * A secret or a password as it comes in: from a file, a pipe, or a terminal
 * that does not show it; never from the command line, which everybody on the
 * machine can read.
 */
#ifndef CMD_HIDDEN_H
#define CMD_HIDDEN_H

#include <stddef.h>

#include "base/defs.h"
#include "base/err.h"

enum { HIDDEN_MAX = 32 * 1024 };

/* All that fit and one more, so that too much is seen. Never grows: no copy
 * is left behind. */
struct hidden {
	char bytes[HIDDEN_MAX + 2];
	size_t len;
};
void hidden_wipe(struct hidden *v);
static inline void hidden_wipe_guard(struct hidden *v)
{
	hidden_wipe(v);
}

/* what: for messages, "the secret's value"; prompt: for people. file: NULL or
 * "-": standard input. One newline at the end is taken off; not empty, no NUL.
 */
int hidden_take(const char *what, const char *prompt, const char *file,
    struct hidden *v, struct err *err) MUST_CHECK;

#endif
