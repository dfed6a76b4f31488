/*
 * Where lines begin: for each log that somebody looks at by line numbers, a
 * mark for every 64 KiB of text (or 4096 entries) that was walked. A jump
 * walks from the nearest mark on. Nothing of it is on the disk: the first look
 * walks the log once, each later one what came since; the log of an earlier
 * release is no other case. The marks of a log of 256 MiB have 205 kB at
 * most, and those of the INDEXED_LOGS last used are kept.
 */
#ifndef SPOOL_LINE_INDEX_H
#define SPOOL_LINE_INDEX_H

#include "spool/line_walk.h"

#define INDEXED_LOGS 8
/* What one call walks at most; the next goes on there. */
#define INDEX_WALK_MAX (UINT64_C(512) << 20)

struct line_indexes;
struct line_indexes *line_indexes_new(void);
void line_indexes_free(struct line_indexes *all);

/*
 * The nearest mark from which a walk meets the begin of `line` (of a line that
 * is not there yet: the last one), how many lines there are, and what may be
 * read. One call at a time looks at a log, others of that log wait for it.
 * ERR_UNAVAILABLE "log_indexing": the log is long, ask again.
 */
int line_index_find(struct line_indexes *all, struct spool_shared *shared,
    uint64_t line, struct line_mark *ret, uint64_t *ret_total,
    struct log_view *ret_view, struct err *err) MUST_CHECK;

#endif
