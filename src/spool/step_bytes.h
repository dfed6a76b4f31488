/* How much of a step's output a log has, without reading it. */
#ifndef SPOOL_STEP_BYTES_H
#define SPOOL_STEP_BYTES_H

#include "spool/spool.h"

/* ret: of stdout, of stderr. Reads the index once; any thread. */
int spool_step_bytes(struct spool *s, const char *id, uint16_t step,
    uint64_t ret[2], struct err *err) MUST_CHECK;

/* Of each stream of a step: the time of its last record, and how many bytes
 * the records of that very time hold. Zero: it has none. */
struct spool_stream_end {
	int64_t time_ns;
	uint64_t bytes;
};
int spool_step_end(struct spool *s, const char *id, uint16_t step,
    struct spool_stream_end ret[2], struct err *err) MUST_CHECK;

#endif
