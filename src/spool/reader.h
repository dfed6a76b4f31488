/*
 * Reads the index forward, some entries at a time, checking that they follow
 * one another: the file may have been damaged on the disk. Lives on the
 * stack of one call; between calls only the position is worth keeping.
 */
#ifndef SPOOL_READER_H
#define SPOOL_READER_H

#include "spool/spool_internal.h"

#define READER_ENTRIES 64

struct reader_entry {
	struct layout_entry entry;
	uint64_t text_begin;
	uint64_t note_begin;
};

struct reader {
	struct spool_shared *shared;
	struct log_view view;
	uint64_t number; /* of the entry that comes next */
	struct layout_entry prev;
	uint64_t block_at; /* entries held: [block_at, block_at + len) */
	size_t block_len;
	uint8_t block[READER_ENTRIES * LAYOUT_ENTRY_LEN];
};

/* At the first entry. */
void reader_init(
    struct reader *r, struct spool_shared *shared, const struct log_view *view);
/* At entry `number`, whose predecessor is `prev` (a position kept). */
void reader_init_at(struct reader *r, struct spool_shared *shared,
    const struct log_view *view, uint64_t number,
    const struct layout_entry *prev);
/* At the first record that has anything to say at text offset `off` or
 * behind it: marks that stand exactly there are included. */
int reader_seek(struct reader *r, uint64_t off, struct err *err) MUST_CHECK;
/* 1 an entry, 0 none yet, -1. */
int reader_next(
    struct reader *r, struct reader_entry *ret, struct err *err) MUST_CHECK;

#endif
