/*
 * What is wrong in a file that a person wrote: all of it, each with its
 * place. Errors and warnings stand in one list, in the order of the file.
 */
#ifndef COMPONENTS_PROBLEMS_H
#define COMPONENTS_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* More of them help nobody: the rest is only counted. */
#define PROBLEMS_MAX 100

struct place {
	int line, column; /* from 1; 0: the whole file */
};
struct problem {
	int line, column; /* the same */
	bool warning;
	char *text; /* "runner.ports[1]: \"80:\" is no port: ..." */
};
struct problems {
	struct problem *v;
	size_t n;
	size_t errors, warnings; /* also those that found no room in v */
};
void problems_fini(struct problems *p);
static inline void problems_fini_guard(struct problems *p)
{
	problems_fini(p);
}

void problems_error(struct problems *p, struct place at, const char *fmt, ...)
    PRINTF(3, 4);
void problems_warn(struct problems *p, struct place at, const char *fmt, ...)
    PRINTF(3, 4);
/* Into the order of the file. */
void problems_sort(struct problems *p);
/* 0: no errors. -1: err (kind INVALID) names the first and how many more. */
int problems_judge(const struct problems *p, const char *file, const char *code,
    struct err *err) MUST_CHECK;

/* What stands in the file, for a message: short, on one line, in quotes. */
const char *problem_quote(const char *text, char out[64]);

#endif
