/* What the files that carry a job share: carry*.c. */
#ifndef JOBS_CARRY_INTERNAL_H
#define JOBS_CARRY_INTERNAL_H

#include "jobs/hub_internal.h"
#include "jobs/outcome.h"
#include "jobs/progress.h"
#include "jobs/spec.h"

/* One job in hand. Owned by its carrier's thread. */
struct carry {
	struct hub *hub;
	struct ctx with_request; /* the request that brought the job */
	struct ctx ctx;          /* log fields, no deadline */
	struct ctx starting;     /* also cancelled with the job */
	char id_text[UUID_TEXT_LEN];
	char request_id[80];
	struct job job;
	struct spec spec;
	struct live live;
	struct schedule_grant *grant;
	const char *image;
	struct sandbox *sandbox; /* NULL before and after */
	struct spool_log *log;
	uint64_t agent_off; /* where the log says the agent's stream is */
	struct progress progress;
	size_t awaited; /* the step whose end is waited for */
	bool resumed;
	bool job_sent;       /* the agent has its WIRE_JOB */
	int64_t deadline_ns; /* mono: the job's time limit */
	bool disk_full;      /* output waits in the agent */
};

/* -- carry_start.c: until the job runs --------------------------------- */
/* 0: running, sandbox and log are there; -1: *ret says how it ended. */
int carry_start(struct carry *c, struct outcome *ret) MUST_CHECK;
/* The same for a job that an earlier hub left running. */
int carry_resume(struct carry *c, struct outcome *ret) MUST_CHECK;
/* A line of the hub in the job's log. */
void carry_note(struct carry *c, const char *text);

/* -- carry_channel.c: talking to the agent ----------------------------- */
/* Why carry_await came back. */
enum carry_news {
	CARRY_DONE,     /* until() is true */
	CARRY_DIED,     /* the container ended */
	CARRY_CANCEL,   /* somebody cancelled the job */
	CARRY_TIMEOUT,  /* deadline_ns passed */
	CARRY_STOPPING, /* the hub shuts down */
	CARRY_LOST,     /* the agent broke the protocol; *err */
};
/*
 * Pumps the channel into the log until `until(c)`, or one of the other
 * reasons. ignore: bits (1 << CARRY_CANCEL ...) that do not end the wait.
 */
enum carry_news carry_await(struct carry *c,
    bool (*until)(const struct carry *), int64_t deadline_ns, unsigned ignore,
    struct err *err);
/* Sends WIRE_JOB: user, variables, secrets, masks. */
int carry_send_job(struct carry *c, struct err *err) MUST_CHECK;
uint32_t carry_send_step(struct carry *c, size_t index);

/* -- carry_steps.c ----------------------------------------------------- */
struct outcome carry_steps(struct carry *c);
/* -- carry_session.c --------------------------------------------------- */
struct outcome carry_session(struct carry *c);
/* The container has ended by itself: why. */
struct outcome carry_died(struct carry *c);

#endif
