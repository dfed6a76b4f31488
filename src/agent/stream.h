/*
 * An output pipe of a step: read as far as the outbox has room, masked, and
 * handed on as OUT records. It may outlive its step, when something in the
 * background still writes. `::add-mask::VALUE` lines add to the masks.
 */
#ifndef AGENT_STREAM_H
#define AGENT_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/outbox.h"
#include "base/mask.h"

#define STREAM_SECRET_MAX (64 * 1024) /* of one ::add-mask:: value */

enum stream_scan {
	SCAN_LINE_START, /* the line may become a command: `matched` so far */
	SCAN_TEXT,       /* the rest of the line is ordinary */
	SCAN_VALUE,      /* behind ::add-mask::, collected in `value` */
};

struct stream {
	int fd; /* -1: closed */
	uint16_t step;
	uint8_t number; /* 1 stdout, 2 stderr */
	struct mask_stream mask;
	enum stream_scan scan;
	size_t matched;
	struct buf value;
	size_t owed; /* bytes in the pipe when the step ended, not read yet */
};

/* What all streams share. */
struct stream_hub {
	struct outbox *outbox;
	struct mask_set *masks;
	unsigned mask_count;
};

void stream_open(struct stream *s, struct stream_hub *hub, int fd,
    uint16_t step, uint8_t number);
/* Room for at least something to read now. */
bool stream_has_room(const struct stream *s, const struct stream_hub *hub);
/* Reads once; closes at the end of the pipe. Needs stream_has_room. */
void stream_read(struct stream *s, struct stream_hub *hub);
/* The step's process has ended: notes how much is still owed. */
void stream_note_owed(struct stream *s);
/* Nothing is held back any longer; the pipe stays open. */
void stream_flush(struct stream *s, struct stream_hub *hub);
void stream_close(struct stream *s, struct stream_hub *hub);
/* A value to mask from now on, from the job or a step. */
void stream_hub_mask(
    struct stream_hub *hub, uint16_t step, const char *value, size_t len);
/* A WIRE_NOTE, masked. */
void stream_hub_note(
    struct stream_hub *hub, uint16_t step, const char *fmt, ...) PRINTF(3, 4);

#endif
