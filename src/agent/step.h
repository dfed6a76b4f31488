/*
 * Steps: one at a time. A step runs from RUN to the end of its main process;
 * then its output so far is drained and its files are read, then STEP_END
 * goes out. What it left in the background goes on, its pipes still read.
 */
#ifndef AGENT_STEP_H
#define AGENT_STEP_H

#include <poll.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "agent/cgroup.h"
#include "agent/input.h"
#include "agent/job.h"
#include "agent/stream.h"

/* Pipes kept open for background processes; beyond, the oldest is closed. */
#define STEP_STREAMS_MAX 32
/* How long a background process that holds the pipes delays STEP_END. */
#define STEP_DRAIN_MS 500

struct step {
	bool active;
	uint16_t number;
	struct job_plan plan;
	struct input input;
	pid_t pid; /* main process, also its group */
	int failure;
	bool exited;
	bool dismissed; /* a signal told it to end */
	int status;
	struct rusage usage;
	uint32_t flags; /* enum wire_end_flag, as far as decided */
	uint32_t grace_ms;
	int64_t timeout_at, kill_at, drain_until;
	struct cgroup_memory before;
};

struct steps {
	struct job job;
	struct stream_hub hub;
	struct step now;
	struct stream streams[STEP_STREAMS_MAX];
	size_t stream_count; /* oldest first */
};

void steps_init(struct steps *s, struct outbox *outbox);
/* A step that cannot start ends at once, with the reason. */
void steps_run(struct steps *s, uint16_t number, struct wire_reader *body);
void steps_cancel(struct steps *s, uint32_t grace_ms);
/* Both pass over what is not for the running step. -1: malformed. */
int steps_signal(
    struct steps *s, uint16_t number, struct wire_reader *body) MUST_CHECK;
int steps_input(
    struct steps *s, uint16_t number, struct wire_reader *body) MUST_CHECK;
/* Collects every process that has ended. */
void steps_reap(struct steps *s);
/* What is due by now: timeout, kill, end. Lowers *deadline_ns. */
void steps_tick(struct steps *s, int64_t *deadline_ns);

/* Entries for the input and each stream; returns how many. */
#define STEP_FDS (INPUT_FDS + STEP_STREAMS_MAX)
size_t steps_prepare(struct steps *s, struct pollfd fds[STEP_FDS]);
void steps_service(struct steps *s, const struct pollfd *fds, size_t n);

#endif
