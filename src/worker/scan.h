/*
 * Reads JSON in UTF-16LE where it lies, without a copy of it: for messages
 * full of secrets of which a few words are wanted. Strict where it matters
 * (never past the end, bounded work), lenient else: what is no JSON is an
 * error only where it is looked at.
 */
#ifndef WORKER_SCAN_H
#define WORKER_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"

struct scan {
	const uint8_t *at, *end;
	unsigned depth; /* of scan_members and scan_items */
};

struct scan scan_begin(const uint8_t *utf16le, size_t len);
/* The next code unit that is no white space, left there; -1 at the end. */
int scan_peek(struct scan *s);
/*
 * A string, as UTF-8 with NUL: what does not fit cap is cut off between two
 * characters. Control characters become blanks, halves of pairs U+FFFD. 0 or
 * -1 (then ""). out may be NULL: passed over.
 */
int scan_string(struct scan *s, char *out, size_t cap) MUST_CHECK;
/* A string, number, true, false as text; objects, arrays and null: "". */
int scan_text(struct scan *s, char *out, size_t cap) MUST_CHECK;
/* Any value, passed over. */
int scan_skip(struct scan *s) MUST_CHECK;
/* Members of an object; fn reads the value, whatever it is. Names are cut at
 * 127 bytes. Anything else than an object is passed over. */
int scan_members(struct scan *s,
    int (*fn)(void *arg, struct scan *s, const char *name),
    void *arg) MUST_CHECK;
/* The same for the elements of an array. */
int scan_items(
    struct scan *s, int (*fn)(void *arg, struct scan *s), void *arg) MUST_CHECK;

#endif
