/*
 * What an instance uses, in figures: between two measurements of the engine,
 * for programs (real bytes and percents) and in the words of `docker stats`,
 * which is what portals read. Pure.
 */
#ifndef COMPONENTS_FIGURES_H
#define COMPONENTS_FIGURES_H

#include "base/json_out.h"
#include "engine/run.h"

struct figure {
	int64_t at;         /* wall ns */
	double cpu_percent; /* of one processor: 200 is two of them */
	struct engine_container_stats s;
};
/* before: an earlier one of the same container, or NULL: percent 0, as for
 * one that was started again meanwhile. */
void figure_make(struct figure *ret, const struct engine_container_stats *s,
    const struct figure *before, int64_t now);
/* Of its bound; 0 when it has none. */
double figure_memory_percent(const struct figure *f);

/* An element of GET .../metrics. */
void figure_write(
    const struct figure *f, const char *container, struct json *j);
/* The object of GET .../stats. */
void figure_write_words(const struct figure *f, const char *container,
    const char *name, struct json *j);

/* "1.23MiB", "668B": four digits of 1024, or three of 1000 as in "1.4kB". */
enum { FIGURE_WORD = 32 };
const char *figure_bytes(int64_t n, int base, char out[FIGURE_WORD]);

#endif
