/* What the files that carry a job share: carry*.c. */
#ifndef JOBS_CARRY_INTERNAL_H
#define JOBS_CARRY_INTERNAL_H

#include "jobs/hub_internal.h"
#include "jobs/outcome.h"
#include "jobs/progress.h"
#include "jobs/spec.h"

struct session_call;
struct side;

/* What runs in a session now. Carrier's thread. */
struct session_run {
	int step;             /* -1: none */
	struct side *side;    /* it is a container of its own, else NULL */
	struct side *leaving; /* of a step that has ended; NULL: none */
	uint32_t last_seq;    /* the last command sent for it */
	/* Its input: calls whose bytes it has not taken yet, in order. */
	struct session_call *input, **input_end;
	size_t input_calls;
	uint64_t have; /* bytes up to here were received from the proxy, */
	uint64_t sent; /* sent to the agent */
	bool have_end, sent_end;
	uint64_t confirm_off, last_off; /* when taken: commands up to _seq */
	uint32_t confirm_seq;           /* are confirmed; 0: none is awaited */
};

/* One job in hand. Owned by its carrier's thread. */
struct carry {
	struct hub *hub;
	struct ctx with_trace, with_request; /* what brought the job */
	struct ctx ctx;                      /* log fields, no deadline */
	struct ctx starting;                 /* also cancelled with the job */
	char id_text[UUID_TEXT_LEN];
	char request_id[80];
	struct trace trace;
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
	bool job_sent;        /* the agent has its WIRE_JOB */
	struct json_t *named; /* named secrets: variable to value; NULL: none,
				 or not taken yet */
	int64_t deadline_ns;  /* mono: the job's time limit */
	bool disk_full;       /* output waits in the agent */
	struct session_run now;
	/* Held over what is appended to the log and folded: the thread of a
	 * step in a container of its own does both, too. */
	struct mtx log_mtx;
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
enum carry_news carry_await(struct carry *c, bool (*until)(struct carry *),
    int64_t deadline_ns, unsigned ignore, struct err *err);
/* Sends WIRE_JOB: user, variables, secrets, masks. */
int carry_send_job(struct carry *c, struct err *err) MUST_CHECK;
uint32_t carry_send_step(struct carry *c, size_t index);
/* The same for a session's step, as session_step_parse made it, in two: the
 * payload of its RUN (ERR_LIMIT: too large for one frame), which the caller
 * wipes also on failure, and the sending. */
int carry_pack_given(const struct carry *c, const struct json_t *given,
    struct buf *b, struct err *err) MUST_CHECK;
uint32_t carry_send_packed(struct carry *c, size_t index, const struct buf *b);
/* Has it ended? Any thread of the job. */
bool carry_step_ended(struct carry *c, size_t index);

/* -- carry_steps.c ----------------------------------------------------- */
struct outcome carry_steps(struct carry *c);
/* -- carry_session.c --------------------------------------------------- */
struct outcome carry_session(struct carry *c);
/* The carrier lets go of a session: calls are answered, what waits for a
 * step's end gets it. Also for one that never ran. */
void carry_session_over(struct carry *c, const struct outcome *o);
/* As whoever ended it said; live.session_end is set. */
struct outcome carry_session_ended(const struct carry *c);
/* Sessions opened inside of this one, which has ended in the store, end, too;
 * waits for it. */
void carry_end_children(struct carry *c);
/* A session that was opened in one that runs no more. */
bool carry_is_orphan(struct carry *c, struct outcome *ret);

/* -- carry_calls.c: what the API asks of a session --------------------- */
void carry_serve(struct carry *c);
/* A step that an earlier hub left running goes on. */
int carry_calls_resume(struct carry *c, struct err *err) MUST_CHECK;
/* Something to do for carry_serve? */
bool carry_is_called(struct carry *c);
void session_call_answer(
    struct session_call *call, const struct session_answer *a);
void session_call_refuse(struct session_call *call, enum err_kind kind,
    const char *code, const char *fmt, ...) PRINTF(4, 5);

/* -- carry_input.c: a step's input ------------------------------------- */
void carry_input_begin(struct carry *c); /* of the step c->now.step */
/* Takes the call over. */
void carry_input_call(struct carry *c, struct session_call *call);
/* Sends what the agent has room for, answers calls whose bytes are taken. */
void carry_input_serve(struct carry *c);
bool carry_input_is_due(const struct carry *c);

/* The container has ended by itself: why. */
struct outcome carry_died(struct carry *c);
/* Asks the agent to end what runs; the engine does if it does not. */
void carry_end_step(struct carry *c);
/* The longest run of the job: its own limit, else the hub's for its kind. */
int64_t carry_timeout_ms(const struct carry *c);

#endif
