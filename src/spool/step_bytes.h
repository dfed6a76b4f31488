/* How much of a step's output a log has, without reading it. */
#ifndef SPOOL_STEP_BYTES_H
#define SPOOL_STEP_BYTES_H

#include "spool/spool.h"

/* ret: of stdout, of stderr. Reads the index once; any thread. */
int spool_step_bytes(struct spool *s, const char *id, uint16_t step,
    uint64_t ret[2], struct err *err) MUST_CHECK;

#endif
