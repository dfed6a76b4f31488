/*
 * The end of what a program printed, for a message to people: on one line,
 * without anything that steers a terminal. What has no room is left out at
 * its beginning, for the reason of a failure stands at the end.
 */
#ifndef COMPONENTS_LAST_WORDS_H
#define COMPONENTS_LAST_WORDS_H

#include <stddef.h>

/* At most size bytes of UTF-8, the NUL included; size > 4. */
void last_words(const char *text, size_t len, char *out, size_t size);

#endif
