/*
 * Records on their way to the hub: see outbox.h. Called by the agent's loop
 * and its steps; owns the ring's memory, which costs nothing until used.
 */
#include "agent/outbox.h"

#include "base/clock.h"

static uint8_t ring_memory[WIRE_RING_BYTES];

void outbox_init(struct outbox *o)
{
	ring_init(&o->ring, ring_memory);
	buf_init(&o->waiting, OUTBOX_WAITING_MAX);
}

size_t outbox_output_room(const struct outbox *o)
{
	size_t room = ring_room(&o->ring);
	size_t frames = room / (OUTBOX_OVERHEAD + OUTBOX_PIECE_MAX) + 1;

	if (o->waiting.len > 0 || room <= frames * OUTBOX_OVERHEAD)
		return 0;
	return room - frames * OUTBOX_OVERHEAD;
}

static void put_prefix(uint8_t out[OUTBOX_OVERHEAD], uint8_t type,
    uint8_t stream, uint16_t step, size_t len)
{
	struct wire_header h = {.len = (uint32_t)(len + 8),
	    .type = type,
	    .stream = stream,
	    .step = step};
	uint64_t now = (uint64_t)clock_wall_ns();

	wire_header_put(out, h);
	for (int i = 0; i < 8; i++)
		out[WIRE_HEADER_LEN + i] = (uint8_t)(now >> (8 * i));
}

void outbox_output(struct outbox *o, uint16_t step, uint8_t stream,
    const char *data, size_t len)
{
	uint8_t prefix[OUTBOX_OVERHEAD];
	size_t n;

	ASSERT(len <= outbox_output_room(o));
	for (; len > 0; data += n, len -= n) {
		n = len < OUTBOX_PIECE_MAX ? len : OUTBOX_PIECE_MAX;
		put_prefix(prefix, WIRE_OUT, stream, step, n);
		ring_append(&o->ring, prefix, sizeof(prefix));
		ring_append(&o->ring, data, n);
	}
}

void outbox_put(struct outbox *o, uint8_t type, uint16_t step,
    const void *payload, size_t len)
{
	uint8_t prefix[OUTBOX_OVERHEAD];

	ASSERT(len <= OUTBOX_PAYLOAD_MAX);
	put_prefix(prefix, type, 0, step, len);
	IGNORE(buf_append(&o->waiting, prefix, sizeof(prefix)));
	IGNORE(buf_append(&o->waiting, payload, len));
	ASSERT(!o->waiting.overflow); /* commands are refused long before */
	outbox_pump(o);
}

void outbox_pump(struct outbox *o)
{
	const uint8_t *at = (const uint8_t *)o->waiting.data;
	struct wire_header h;
	size_t done = 0, frame;

	while (done < o->waiting.len) {
		if (wire_header_get(at + done, &h) < 0)
			WRONG("a waiting frame is too long");
		frame = WIRE_HEADER_LEN + h.len;
		if (ring_room(&o->ring) < frame)
			break;
		ring_append(&o->ring, at + done, frame);
		done += frame;
	}
	buf_consume(&o->waiting, done);
	if (o->waiting.len == 0 && o->waiting.cap > 4096)
		buf_fini(&o->waiting);
}

bool outbox_is_busy(const struct outbox *o)
{
	return o->waiting.len > OUTBOX_WAITING_BUSY;
}
