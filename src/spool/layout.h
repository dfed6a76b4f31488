/*
 * What stands on the disk. Three files per log, in `<dir>/<aa>/` where aa
 * are the last two hex digits of the id (a UUIDv7 begins with the time: its
 * first digits would put all logs of a decade into one directory):
 *
 *   <id>.log   text, exactly as shown to people
 *   <id>.note  the data of marks and notes, one after the other
 *   <id>.idx   a header, then one entry per record
 *
 * Header and entries are 64 bytes each and begin at multiples of 64, so none
 * ever lies across a page: rewriting one in place is all or nothing for
 * everything short of a failing disk. Integers are little endian.
 *
 *   header                              entry
 *    0  8  magic "RHSPOOL\n"             0  u64 text_end
 *    8  u32 version (1 or 2)             8  u64 note_end
 *   12  u32 length of an entry (64)     16  i64 time_ns
 *   16  i64 ended_ns                    24  u64 agent_off
 *   24  u32 1: the log has ended        32  i32 code
 *   28  four zero bytes                 36  u16 step
 *   32  u64 first                       38  u8 kind, 39 u8 stream
 *   40  u64 text_begin                  40  16 zero bytes
 *   48  u64 note_begin                  56  u64 check
 *   56  u64 check
 *
 * text_end and note_end are the sizes of the two other files after the
 * record: it owns the bytes between the previous entry's ends and its own.
 * agent_off is the largest so far. So the last whole entry alone says where
 * all three files end.
 *
 * A ring (spool_log_ring) forgets its oldest records: those before number
 * `first`, whose text and notes end at text_begin and note_begin. Nothing is
 * moved: what is forgotten becomes a hole in its file (fallocate), so that
 * offsets and numbers stay what they were for ever. The header says so, on the
 * disk, before any hole is made; what a crash left to be punched is punched
 * by the next writer. Version 1 has all three 0; the first record that is
 * forgotten makes it 2, which an older hub refuses instead of taking holes for
 * damage.
 */
#ifndef SPOOL_LAYOUT_H
#define SPOOL_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/defs.h"

#define LAYOUT_VERSION    1
#define LAYOUT_RING       2 /* a version that has forgotten something */
#define LAYOUT_HEADER_LEN 64
#define LAYOUT_ENTRY_LEN  64
#define LAYOUT_NOTE_MAX   (1024 * 1024)

/*
 * Internal kind, beside enum spool_kind; never renumber. Past the cap output
 * is dropped, but the agent's offset must still be kept: one such entry,
 * rewritten in place while it is the last.
 */
#define LAYOUT_KIND_PROGRESS 128

struct layout_entry {
	uint64_t text_end;
	uint64_t note_end;
	int64_t time_ns;
	uint64_t agent_off;
	int32_t code;
	uint16_t step;
	uint8_t kind;
	uint8_t stream;
};

struct layout_header {
	bool ended;
	int64_t ended_ns;
	uint64_t first; /* number of the oldest record kept */
	uint64_t text_begin, note_begin;
};

/* `number` is the position of the entry, from 0; the check covers it, so an
 * entry is whole only in its own place. */
void layout_entry_put(uint8_t out[LAYOUT_ENTRY_LEN],
    const struct layout_entry *entry, uint64_t number);
/* Decodes without the check. -1: kind or stream out of range. */
int layout_entry_get(
    const uint8_t in[LAYOUT_ENTRY_LEN], struct layout_entry *ret) MUST_CHECK;
/* May `e` stand right behind `prev` (all zero: e is the first)? */
bool layout_entry_follows(
    const struct layout_entry *prev, const struct layout_entry *e);
bool layout_entry_is_whole(const uint8_t in[LAYOUT_ENTRY_LEN], uint64_t number);

enum layout_header_state {
	LAYOUT_HEADER_OK,
	LAYOUT_HEADER_EMPTY,   /* all zero: never written */
	LAYOUT_HEADER_FOREIGN, /* another format or a newer version, or a ring
				  whose begin is not known for certain */
};
void layout_header_put(
    uint8_t out[LAYOUT_HEADER_LEN], const struct layout_header *header);
enum layout_header_state layout_header_get(
    const uint8_t in[LAYOUT_HEADER_LEN], struct layout_header *ret);

/* Byte position of entry `number` in the index, and back: whole entries in
 * an index of `bytes`. */
static inline uint64_t layout_entry_at(uint64_t number)
{
	return LAYOUT_HEADER_LEN + number * LAYOUT_ENTRY_LEN;
}

static inline uint64_t layout_entries(uint64_t bytes)
{
	if (bytes < LAYOUT_HEADER_LEN)
		return 0;
	return (bytes - LAYOUT_HEADER_LEN) / LAYOUT_ENTRY_LEN;
}

#endif
