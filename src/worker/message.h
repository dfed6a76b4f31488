/*
 * What the delegation of a job needs of its message: which job of which run
 * it is. The message's secrets are neither looked at nor copied. What is
 * missing or not understood stays empty.
 */
#ifndef WORKER_MESSAGE_H
#define WORKER_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

struct message {
	char job_id[80], job_name[160];
	char repository[204], run_id[32], attempt[16];
	char workflow[256], sha[128], ref[256], event_name[64], actor[128];
};

/* body: of a FRAME_JOB, UTF-16LE. */
void message_read(struct message *ret, const uint8_t *body, size_t len);

#endif
