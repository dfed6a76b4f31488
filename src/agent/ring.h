/*
 * The records that the hub has not acknowledged yet, as one run of bytes
 * with absolute offsets: [first, next). Whole frames only; a frame is
 * appended when it fits and dropped when an ACK passes it. Pure memory.
 */
#ifndef AGENT_RING_H
#define AGENT_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "agent/wire.h"

struct ring {
	uint8_t *data; /* WIRE_RING_BYTES, borrowed */
	uint64_t first, next;
};

void ring_init(struct ring *r, uint8_t data[WIRE_RING_BYTES]);
size_t ring_room(const struct ring *r);
/* Part of a frame; the caller has looked at ring_room for the whole. */
void ring_append(struct ring *r, const void *data, size_t len);
/* Everything before offset may go. -1: outside, or not at a frame. */
int ring_ack(struct ring *r, uint64_t offset);
/* The first frame boundary at or after offset, walking from `boundary`. */
uint64_t ring_boundary(
    const struct ring *r, uint64_t boundary, uint64_t offset);
/* The bytes [from, to) as one or two pieces; returns how many. */
int ring_pieces(
    const struct ring *r, uint64_t from, uint64_t to, struct iovec out[2]);

#endif
