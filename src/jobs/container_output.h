/*
 * The output of a container on its way into a log, exactly once: it is read
 * from the engine's log of the container and not from an attachment, always
 * from its first byte; masked, it is the same bytes each time, so that a hub
 * that comes back (or an engine) goes on exactly behind what the log has.
 * For a step in a container of its own (side_output.c) and for instances of
 * components. One thread at a time.
 */
#ifndef JOBS_CONTAINER_OUTPUT_H
#define JOBS_CONTAINER_OUTPUT_H

#include "base/buf.h"
#include "base/ctx.h"
#include "base/mask.h"
#include "engine/engine.h"
#include "spool/spool.h"
#include "spool/step_bytes.h"

/* One stream of the container: what it has said since its begin, and how
 * much of that the log has. By time: both of the message of last_ns alone. */
struct container_stream {
	struct mask_stream mask;
	uint64_t seen, have;
	int64_t last_ns; /* time of what came last */
	bool line_ended; /* that was the end of its line */
	bool inside;     /* of a message */
};

/* Pieces on their way into the log, one write for all that came together. */
enum { CONTAINER_OUTPUT_BATCH = 64 };

struct container_output {
	struct engine *engine;
	const struct ctx *ctx;
	uint16_t step; /* of the records */
	const struct mask_set *masks;
	/* Appends to the log; ERR_UNAVAILABLE (a full disk) is tried again. */
	int (*append)(void *arg, const struct spool_record *recs, size_t n,
	    struct err *err);
	void *arg;
	bool engine_went; /* set when the engine was away in between */
	/* of this module */
	struct container_stream streams[2]; /* stdout, stderr */
	struct buf text;
	struct spool_record recs[CONTAINER_OUTPUT_BATCH];
	size_t n;
	bool last_is_plain; /* the newest record: whole lines */
};

/* The fields above are set. have: bytes of each stream that the log holds. */
void container_output_open(struct container_output *o, const uint64_t have[2]);
void container_output_close(struct container_output *o); /* also if zeroed */
/* Records of the caller's own; waits out a full disk. */
int container_output_append(struct container_output *o,
    const struct spool_record *recs, size_t n, struct err *err) MUST_CHECK;
/* The same for container_output_follow_since: where the log ends. */
void container_output_resume(
    struct container_output *o, const struct spool_stream_end end[2]);
/* Hands over what the container says, from its first byte on, until it has
 * ended; begins again when the engine was away. */
int container_output_follow(struct container_output *o, const char *container,
    struct err *err) MUST_CHECK;
/*
 * The same from where the log ends, by the times of the engine's messages: for
 * containers that live long, of whose log the engine keeps the end alone. What
 * it has dropped meanwhile is missing; nothing is there twice. Records bear
 * the engine's times; masks do not reach over the end of a line.
 */
int container_output_follow_since(struct container_output *o,
    const char *container, struct err *err) MUST_CHECK;

#endif
