/*
 * Allocation that cannot fail: out of memory ends the process with a
 * message. Every length that comes from outside is bounded before it gets
 * here. Free with mem_free.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/defs.h"

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_calloc(size_t n, size_t size)
    __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));
/* NULL in, NULL out. */
char *mem_strdup_or_null(const char *s);
char *mem_strndup(const char *s, size_t n)
    __attribute__((malloc, returns_nonnull));
char *mem_printf(const char *fmt, ...) PRINTF(1, 2)
    __attribute__((malloc, returns_nonnull));
void mem_free(void *p);

static inline void mem_free_guard(void *p)
{
	void **pp = p;
	mem_free(*pp);
}

#endif
