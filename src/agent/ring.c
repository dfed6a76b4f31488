/*
 * The ring of unacknowledged records: see ring.h. Called by the outbox and
 * the link of the agent; the memory belongs to the caller.
 */
#include "agent/ring.h"

#include <string.h>

#include "base/defs.h"

_Static_assert((WIRE_RING_BYTES & (WIRE_RING_BYTES - 1)) == 0,
    "positions in the ring are offsets modulo its size");

void ring_init(struct ring *r, uint8_t data[WIRE_RING_BYTES])
{
	*r = (struct ring){.data = data};
}

size_t ring_room(const struct ring *r)
{
	return WIRE_RING_BYTES - (size_t)(r->next - r->first);
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

void ring_append(struct ring *r, const void *data, size_t len)
{
	size_t at = (size_t)(r->next % WIRE_RING_BYTES);
	size_t head = min_size(len, WIRE_RING_BYTES - at);

	ASSERT(len <= ring_room(r));
	memcpy(r->data + at, data, head);
	memcpy(r->data, (const uint8_t *)data + head, len - head);
	r->next += len;
}

/* The length of the frame (header included) that starts at offset. */
static uint64_t frame_length(const struct ring *r, uint64_t offset)
{
	uint8_t raw[WIRE_HEADER_LEN];
	struct wire_header h;

	ASSERT(r->next - offset >= WIRE_HEADER_LEN);
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = r->data[(offset + i) % WIRE_RING_BYTES];
	if (wire_header_get(raw, &h) < 0)
		WRONG("a frame in the ring is too long");
	return WIRE_HEADER_LEN + (uint64_t)h.len;
}

uint64_t ring_boundary(const struct ring *r, uint64_t boundary, uint64_t offset)
{
	while (boundary < offset)
		boundary += frame_length(r, boundary);
	return boundary;
}

int ring_ack(struct ring *r, uint64_t offset)
{
	if (offset < r->first || offset > r->next)
		return -1;
	if (ring_boundary(r, r->first, offset) != offset)
		return -1;
	r->first = offset;
	return 0;
}

int ring_pieces(
    const struct ring *r, uint64_t from, uint64_t to, struct iovec out[2])
{
	size_t at = (size_t)(from % WIRE_RING_BYTES);
	size_t len = (size_t)(to - from);
	size_t head = min_size(len, WIRE_RING_BYTES - at);

	out[0] = (struct iovec){r->data + at, head};
	out[1] = (struct iovec){r->data, len - head};
	return len > head ? 2 : 1;
}
