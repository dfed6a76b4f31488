/*
 * A growing byte buffer with a maximum fixed at init. Appending past the
 * maximum fails and marks the buffer `overflow`; nothing is truncated
 * silently. The content is always followed by a NUL that is not counted.
 * Not thread safe.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"

struct buf {
	char *data; /* NULL until the first append */
	size_t len;
	size_t cap;
	size_t max;
	bool overflow;
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_fini(struct buf *b);  /* frees; b may be reused after buf_init */
void buf_clear(struct buf *b); /* len = 0, keeps the memory and the maximum */

/* 0, or -1 when the maximum would be passed (b->overflow is then true). */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_append_str(struct buf *b, const char *s);
int buf_append_char(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
int buf_vprintf(struct buf *b, const char *fmt, va_list ap);

/* Room for `len` more bytes at the end: write there, then buf_commit. NULL
 * when the maximum would be passed. */
char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);

/* Drops n bytes from the front. */
void buf_consume(struct buf *b, size_t n);

/* The content as a C string ("" when empty); valid until the next change. */
const char *buf_str(const struct buf *b);

/* Hands the memory to the caller (mem_free), leaving b empty. */
char *buf_steal(struct buf *b, size_t *ret_len);

static inline void buf_fini_guard(struct buf *b)
{
	buf_fini(b);
}

#endif
