/*
 * The event bus: the newest history rows in a ring, for live followers. Fed
 * by the store's writer after each commit; whoever follows keeps a sequence
 * number and reads from there. A slow follower loses nothing (it reads what
 * has left the ring from the store) and slows nobody.
 */
#ifndef JOBS_BUS_H
#define JOBS_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/jobs.h"

struct bus;

int bus_open(struct bus **ret, struct store *store, struct err *err) MUST_CHECK;
void bus_close(struct bus *b); /* after the store is closed */

struct bus_filter {
	bool has_job;
	job_id job;
	const char
	    *repository; /* NULL: all; borrowed for the life of a follower */
};

/* wake(arg) after each new event (of that job), on the writer's thread, under
 * the lock that bus_leave takes; must not block or call the bus. */
struct bus_follower {
	void (*wake)(void *arg);
	void *arg;
	bool has_job;
	job_id job;
	bool no_ticks; /* has no use for them: need not be made for it */
	struct bus_follower *next; /* internal */
};
void bus_follow(struct bus *b, struct bus_follower *f);
void bus_leave(struct bus *b, struct bus_follower *f);

/* Events after seq that match, at most `max`, as server-sent events:
 * "id: 7\nevent: job:status\ndata: {...}\n\n". Moves *seq on, also over what
 * did not match. *ret_more: call again at once. */
int bus_read(struct bus *b, int64_t *seq, const struct bus_filter *filter,
    int max, struct buf *out, bool *ret_more, struct err *err) MUST_CHECK;
int64_t bus_last_seq(struct bus *b);

/*
 * A tick: the hub's figures of the moment, `event: metrics`, sent to followers
 * of everything. Not stored, without a number; only the newest counts.
 */
void bus_tick(struct bus *b, const char *json);
/* Appends the newest tick unless *seen is it; moves *seen. */
void bus_read_tick(struct bus *b, uint64_t *seen, struct buf *out);
/* By somebody who wants ticks. */
bool bus_is_followed(struct bus *b);

/*
 * Notes: changes beside the history of jobs (store/notices.h), for now those
 * of runners, `event: runner:status`. Sent to followers of everything, without
 * a number; whoever comes back looks at the list of runners. *seen begins at
 * bus_last_note.
 */
uint64_t bus_last_note(struct bus *b);
/* Appends those behind *seen that are still kept (64); moves *seen. */
void bus_read_notes(struct bus *b, uint64_t *seen, struct buf *out);

/* One event as JSON: also the body of GET /api/jobs/:id/events. */
struct json;
void event_write(const struct job_event *e, struct json *j);

#endif
