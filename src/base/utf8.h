/* UTF-8 validation (RFC 3629): shortest form, no surrogates, <= U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length (1-4) of the valid sequence at s, 0 when there is none. */
size_t utf8_sequence(const char *s, size_t len);
bool utf8_valid(const char *s, size_t len);
/* text for one line of a terminal or log: bytes that drive terminals and bad
 * sequences become '?', newlines blanks; at most max bytes with the NUL.
 * Returns out. */
const char *utf8_clean(const char *text, char *out, size_t max);

#endif
