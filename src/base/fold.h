/*
 * Case folding for searches: ASCII, and of the letters with two bytes in
 * UTF-8 those of Latin-1, Latin Extended-A, Greek and Cyrillic whose small
 * form is as long as the capital. Everything else stays: so the text keeps its
 * length and its positions. Source: Unicode's CaseFolding.txt, status C.
 */
#ifndef BASE_FOLD_H
#define BASE_FOLD_H

#include <stddef.h>

/* In place. Any bytes; those that are no UTF-8 stay as they are. */
void fold_case(char *text, size_t len);

#endif
