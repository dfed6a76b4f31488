/*
 * Encodes and decodes the index: see layout.h. Pure functions; the bytes may
 * come from a damaged disk, so every field is checked before it is believed.
 */
#include "spool/layout.h"

#include <endian.h>
#include <string.h>

#include "spool/spool.h"

static const char magic[8] = {'R', 'H', 'S', 'P', 'O', 'O', 'L', '\n'};

#define CHECK_AT      56
#define BEGIN_MAX     (UINT64_C(1) << 56) /* 64 times that is an offset */
#define HEADER_NUMBER UINT64_MAX /* what the header's check counts as */

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

/* Finds torn, zeroed and misplaced blocks; no defence against an attacker,
 * who could not write here anyway. */
static uint64_t check_of(const uint8_t *block, uint64_t number)
{
	uint64_t h = number ^ UINT64_C(0x8b1a6f5c3d2e4907);

	for (size_t i = 0; i < CHECK_AT; i += 8) {
		h = (h ^ get64(block + i)) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return h;
}

void layout_entry_put(uint8_t out[LAYOUT_ENTRY_LEN],
    const struct layout_entry *entry, uint64_t number)
{
	memset(out, 0, LAYOUT_ENTRY_LEN);
	put64(out, entry->text_end);
	put64(out + 8, entry->note_end);
	put64(out + 16, (uint64_t)entry->time_ns);
	put64(out + 24, entry->agent_off);
	put32(out + 32, (uint32_t)entry->code);
	out[36] = (uint8_t)(entry->step & 0xff);
	out[37] = (uint8_t)(entry->step >> 8);
	out[38] = entry->kind;
	out[39] = entry->stream;
	put64(out + CHECK_AT, check_of(out, number));
}

static bool kind_is_known(uint8_t kind)
{
	return (kind >= SPOOL_OUT && kind <= SPOOL_TAKEN) ||
	       kind == LAYOUT_KIND_PROGRESS;
}

int layout_entry_get(
    const uint8_t in[LAYOUT_ENTRY_LEN], struct layout_entry *ret)
{
	struct layout_entry e = {
	    .text_end = get64(in),
	    .note_end = get64(in + 8),
	    .time_ns = (int64_t)get64(in + 16),
	    .agent_off = get64(in + 24),
	    .code = (int32_t)get32(in + 32),
	    .step = (uint16_t)(in[36] | in[37] << 8),
	    .kind = in[38],
	    .stream = in[39],
	};

	if (!kind_is_known(e.kind) || e.stream > SPOOL_STDERR)
		return -1;
	*ret = e;
	return 0;
}

bool layout_entry_follows(
    const struct layout_entry *prev, const struct layout_entry *e)
{
	return e->text_end >= prev->text_end && e->note_end >= prev->note_end &&
	       e->note_end - prev->note_end <= LAYOUT_NOTE_MAX &&
	       e->agent_off >= prev->agent_off;
}

bool layout_entry_is_whole(const uint8_t in[LAYOUT_ENTRY_LEN], uint64_t number)
{
	return get64(in + CHECK_AT) == check_of(in, number);
}

void layout_header_put(
    uint8_t out[LAYOUT_HEADER_LEN], const struct layout_header *header)
{
	memset(out, 0, LAYOUT_HEADER_LEN);
	memcpy(out, magic, sizeof(magic));
	put32(out + 8, header->first > 0 ? LAYOUT_RING : LAYOUT_VERSION);
	put32(out + 12, LAYOUT_ENTRY_LEN);
	put64(out + 16, (uint64_t)header->ended_ns);
	put32(out + 24, header->ended ? 1 : 0);
	put64(out + 32, header->first);
	put64(out + 40, header->text_begin);
	put64(out + 48, header->note_begin);
	put64(out + CHECK_AT, check_of(out, HEADER_NUMBER));
}

enum layout_header_state layout_header_get(
    const uint8_t in[LAYOUT_HEADER_LEN], struct layout_header *ret)
{
	static const uint8_t zero[LAYOUT_HEADER_LEN];
	uint32_t version = get32(in + 8);

	*ret = (struct layout_header){0};
	if (memcmp(in, zero, LAYOUT_HEADER_LEN) == 0)
		return LAYOUT_HEADER_EMPTY;
	if (memcmp(in, magic, sizeof(magic)) != 0 ||
	    (version != LAYOUT_VERSION && version != LAYOUT_RING) ||
	    get32(in + 12) != LAYOUT_ENTRY_LEN)
		return LAYOUT_HEADER_FOREIGN;
	/* A header that fails its check still says whose file this is; only
	 * its mark of the end is not believed. */
	if (get64(in + CHECK_AT) != check_of(in, HEADER_NUMBER))
		return version == LAYOUT_RING ? LAYOUT_HEADER_FOREIGN
					      : LAYOUT_HEADER_OK;
	ret->ended = get32(in + 24) == 1;
	ret->ended_ns = (int64_t)get64(in + 16);
	ret->first = get64(in + 32);
	ret->text_begin = get64(in + 40);
	ret->note_begin = get64(in + 48);
	if (ret->first > BEGIN_MAX || ret->text_begin > BEGIN_MAX ||
	    ret->note_begin > BEGIN_MAX)
		return LAYOUT_HEADER_FOREIGN;
	return LAYOUT_HEADER_OK;
}
