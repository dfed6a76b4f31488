/*
 * Which job runs next. In memory, rebuilt from the store at start-up.
 *
 * Order: higher priority first. Among equals the repository with the fewest
 * running jobs, then the one served longest ago, then its oldest job. So
 * that nothing starves, every 8th pick goes to the job that has waited
 * longest of all, whatever its priority.
 *
 * A job starts when a slot is free and its memory fits into the budget; one
 * that does not fit yet keeps its turn (smaller ones do not overtake it for
 * ever: the budget drains towards it). Cost of a pick: one step per
 * repository that waits. Memory: about 200 bytes per waiting job.
 *
 * A child, a session that was opened in another one, starts at once beside
 * its parent, which cannot go on without it: it takes no slot and no memory
 * of the budget. How many a parent may have is bounded instead.
 */
#ifndef JOBS_SCHEDULE_H
#define JOBS_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/jobs.h"

struct schedule;

struct schedule_config {
	unsigned slots;             /* jobs at once */
	int64_t memory_bytes;       /* budget, 0: unbounded */
	unsigned sessions_idle_max; /* undriven sessions at once */
	int64_t queue_max;
};
int schedule_open(struct schedule **ret, const struct schedule_config *c,
    struct err *err) MUST_CHECK;
void schedule_close(struct schedule *s); /* after every taker has left */
/* The engine told its size: budget in force from now on. */
void schedule_set_memory(struct schedule *s, int64_t memory_bytes);

struct schedule_job {
	job_id id;
	int priority;
	int64_t memory_bytes;
	int64_t not_before; /* wall ns, 0: now */
	int64_t since;      /* wall ns: waits since */
	bool session;
	bool child; /* opened in the session `parent` */
	job_id parent;
};
/* Queues a job of a repository, whatever queue_max says: it is stored already.
 * -1 ERR_CONFLICT: it waits already. */
int schedule_add(struct schedule *s, const struct schedule_job *job,
    const char *repository, struct err *err) MUST_CHECK;
/* Is there room for one more? For a refusal before anything is stored. */
bool schedule_has_room(struct schedule *s);
/* Takes a job out of the queue; false when it is not there (any more). */
bool schedule_remove(struct schedule *s, job_id id);

/* A job that holds a slot and its memory. */
struct schedule_grant {
	struct schedule_job job;
	void *repo;        /* internal */
	bool idle_session; /* counts against sessions_idle_max */
};
/* Blocks until a job may start; false when the schedule stops. */
bool schedule_take(struct schedule *s, struct schedule_grant *ret);
/* The same for children, which schedule_take never gives. */
bool schedule_take_child(struct schedule *s, struct schedule_grant *ret);
/* Do more children wait than there are takers that wait for one? */
bool schedule_lacks_taker(struct schedule *s);
enum { SCHEDULE_CHILDREN_MAX = 4 }; /* that wait or run, of one parent */
/* Keeps a place for a child that is about to be stored; false: none is left.
 * To be given back, also when it was queued: then it has its own. */
bool schedule_reserve_child(struct schedule *s, job_id parent);
void schedule_unreserve_child(struct schedule *s, job_id parent);
/* One that waits of this parent; it stays in the queue. False: none. */
bool schedule_next_child(struct schedule *s, job_id parent, job_id *ret);
/* A job that already runs (adopted) occupies its slot without waiting. */
void schedule_occupy(struct schedule *s, const struct schedule_job *job,
    const char *repository, struct schedule_grant *ret);
void schedule_release(struct schedule *s, struct schedule_grant *g);
/* The session of this grant is driven now. */
void schedule_driven(struct schedule *s, struct schedule_grant *g);

/* Gates: while one is closed nothing is handed out; takers wait. */
enum schedule_gate {
	GATE_ENGINE_DOWN = 1,
	GATE_DISK_FULL = 2,
	GATE_DRAINING = 4,
	GATE_STARTING = 8,
	/* As an administrator said. Children pass: what runs shall come to
	 * its end, and it may need them for that. */
	GATE_PAUSED = 16,
	GATE_EMPTYING = 32, /* paused, and nothing new is accepted */
};
void schedule_close_gate(struct schedule *s, enum schedule_gate gate);
void schedule_open_gate(struct schedule *s, enum schedule_gate gate);
/* Takers return false from now on. */
void schedule_stop(struct schedule *s);

/* Why a job waits: code and words; false when it is not in the queue. */
bool schedule_explain(
    struct schedule *s, job_id id, char code[32], char *words, size_t size);

/* What a repository has of the queue and of the slots. */
struct schedule_share {
	char repository[208];
	unsigned waiting, running; /* running: children as well */
};
/* Those with the most waiting, then running; how many there are of them. */
size_t schedule_shares(
    struct schedule *s, struct schedule_share *out, size_t max);

struct schedule_stats {
	unsigned slots, running, idle_sessions;
	int64_t waiting, memory_total, memory_used;
	int64_t oldest_since; /* wall ns of the longest waiting, 0: none */
	unsigned gates;
};
void schedule_stats(struct schedule *s, struct schedule_stats *ret);

#endif
