/*
 * What the agent has to tell: records on their way to the hub. OUT records
 * go into the ring only, and only when they fit (their writers are held
 * back meanwhile). All other records are few and must not be lost: when the
 * ring is full they wait in memory, in order, and OUT waits behind them.
 */
#ifndef AGENT_OUTBOX_H
#define AGENT_OUTBOX_H

#include <stdbool.h>

#include "agent/ring.h"
#include "base/buf.h"

#define OUTBOX_OVERHEAD    (WIRE_HEADER_LEN + 8) /* header and time */
#define OUTBOX_PIECE_MAX   (WIRE_OUT_MAX - 8)
#define OUTBOX_WAITING_MAX (16 * 1024 * 1024)
/* Past this no new command is accepted: one step adds at most ~5 MiB. */
#define OUTBOX_WAITING_BUSY (4 * 1024 * 1024)

struct outbox {
	struct ring ring;
	struct buf waiting; /* whole frames, not in the ring yet */
};

void outbox_init(struct outbox *o);
/* Bytes of output that can be taken now, split as outbox_output does. */
size_t outbox_output_room(const struct outbox *o);
void outbox_output(struct outbox *o, uint16_t step, uint8_t stream,
    const char *data, size_t len);

/* Any other record; the time is prefixed here. */
#define OUTBOX_PAYLOAD_MAX (WIRE_RING_BYTES - OUTBOX_OVERHEAD)
void outbox_put(struct outbox *o, uint8_t type, uint16_t step,
    const void *payload, size_t len);
/* Moves waiting frames into the ring as far as they fit. */
void outbox_pump(struct outbox *o);
bool outbox_is_busy(const struct outbox *o);

#endif
