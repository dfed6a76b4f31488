/* What schedule.c and schedule_explain.c share. All under the mutex. */
#ifndef JOBS_SCHEDULE_INTERNAL_H
#define JOBS_SCHEDULE_INTERNAL_H

#include "base/heap.h"
#include "base/map.h"
#include "base/thread.h"
#include "jobs/schedule.h"

struct repo {
	struct map_node by_name;
	char *name;
	struct heap jobs, sessions; /* what waits, by priority and age */
	unsigned running, waiting, children; /* children: that run */
	uint64_t served;                     /* the pick that served it last */
	struct repo *next, *prev;            /* all that wait or run */
};

struct entry {
	struct schedule_job job;
	struct map_node by_id;
	struct heap_node in_heap; /* of its repo, or of the delayed */
	bool delayed;
	int64_t due_ns; /* mono, of a delayed one: the wall clock may jump */
	struct repo *repo;
	struct entry *older, *newer; /* all that wait, by age */
};

/* A session with children, or places kept for them. */
struct family {
	job_id parent;
	unsigned open;
	struct family *next;
};

struct schedule {
	struct schedule_config config;
	struct mtx mtx;
	struct cond changed, child_changed;
	struct map entries, repos;
	struct repo *first_repo;
	struct heap delayed, children;
	struct family *families;
	unsigned child_takers; /* that wait */
	struct entry *oldest, *newest;
	int64_t waiting;
	unsigned running, idle_sessions, gates;
	int64_t memory_used;
	uint64_t picks;
	bool stopped;
};

/* NULL: it does not wait. */
struct entry *schedule_find_locked(const struct schedule *s, job_id id);
/* Whose turn it is, whether it fits or not; NULL: nobody may start. */
struct entry *schedule_choose_locked(struct schedule *s);
bool schedule_fits(const struct schedule *s, const struct schedule_job *job);
/* May one more session be leased that nobody drives yet? */
bool schedule_may_lease(const struct schedule *s);
/* More urgent: by priority and age. */
bool schedule_more_urgent(const struct heap_node *x, const struct heap_node *y);
/* Jobs whose retry is due join those that may run. */
void schedule_wake_due_locked(struct schedule *s);
/* When the next delayed job is due. */
int64_t schedule_next_due_locked(const struct schedule *s);
/* Takes it out of the queue into a grant; frees it. */
void schedule_grant_locked(
    struct schedule *s, struct entry *e, struct schedule_grant *ret);
/* -- schedule_child.c -------------------------------------------------- */
void schedule_join_family_locked(struct schedule *s, job_id parent);
void schedule_leave_family_locked(struct schedule *s, job_id parent);
/* Waits longer. */
bool schedule_earlier(const struct entry *a, const struct entry *b);

#endif
