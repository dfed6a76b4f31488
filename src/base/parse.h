/*
 * Bounded parsing of numbers, sizes and durations from text that comes
 * from outside. The whole text must match; overflow is refused.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal integer in [min, max], optional '-'. 0 or -1. */
int parse_int(const char *text, int64_t min, int64_t max, int64_t *ret);
/* Finite decimal number in [min, max]. 0 or -1. */
int parse_num(const char *text, double min, double max, double *ret);
/* true/false, 1/0, yes/no, on/off in any case. 0 or -1. */
int parse_bool(const char *text, bool *ret);
/* "1048576", "512k", "512m", "4g", "1t", also "512MiB"; powers of 1024. */
int parse_size(const char *text, int64_t *ret_bytes);
/* "250ms", "30s", "5m", "2h", "7d"; a bare number is in `unit_ms`. */
int parse_duration(const char *text, int64_t unit_ms, int64_t *ret_ms);

/* Edit distance (Damerau, adjacent swap = 1), capped at 8: "did you mean". */
unsigned parse_distance(const char *a, const char *b);

/* JSON text of at most so many levels of [] and {}? 0 or -1. Looks no
 * further: for readers that recurse. */
int parse_json_depth(const char *text, size_t len, unsigned max);

#endif
