/* What the files of notify/ share among themselves. */
#ifndef NOTIFY_NOTIFY_INTERNAL_H
#define NOTIFY_NOTIFY_INTERNAL_H

#include <stdatomic.h>

#include "base/ctx.h"
#include "base/thread.h"
#include "notify/address.h"
#include "notify/notify.h"
#include "store/jobs.h"
#include "store/notices.h"
#include "store/webhook_queue.h"
#include "store/webhooks.h"

enum { BODY_MAX_BYTES = 64 * 1024 };

/* A webhook with its thread (target.c). */
struct target {
	struct notify *n;
	struct uuid id;
	char id_text[UUID_TEXT_LEN];
	pthread_t thread;
	struct cancel cancel;
	struct target *next;
	/* guarded by n->mtx */
	char *name, *events, *repository, *format;
	bool enabled;
	int failures;       /* one after another */
	bool probing;       /* the circuit is half open */
	int64_t open_until; /* mono ns, 0: the circuit is closed */
	char error[240];
};

struct notify {
	struct notify_config config;
	struct address_rules rules;
	struct ctx root;
	/* Held while targets are added and ended, also over the end of their
	 * threads: one who changes webhooks waits for the other. */
	struct mtx changing;
	struct mtx mtx;
	struct cond changed; /* something to feed, to deliver, or the end */
	/* guarded by mtx */
	struct target *targets; /* changed by who holds `changing`, too */
	bool stopping, woken;
	uint64_t reloads;
	uint64_t turns; /* how often targets had reason to look again */
	/* by who holds `changing` */
	pthread_t feeder;
	bool feeds;
	_Atomic uint64_t delivered, failed, retried, dropped;
};

/* -- what happened (render.c) ------------------------------------------- */
struct happening {
	char id[32];      /* "job-17" */
	const char *type; /* "job.failed"; borrowed */
	int64_t at;       /* wall ns */
	char *repository; /* or NULL */
	char *trace;      /* or NULL */
	char *data;       /* JSON object text */
	char *words;      /* for people, one line */
};
void happening_fini(struct happening *h);
static inline void happening_fini_guard(struct happening *h)
{
	happening_fini(h);
}
/* The type that an entry of the history is told as; NULL: not told. */
const char *happening_type(const struct job_event *e);
/* job NULL: it is not there any more. */
void happening_of_job(
    const struct job_event *e, const struct job *job, struct happening *ret);
void happening_of_notice(const struct notice *n, struct happening *ret);
void happening_of_test(struct happening *ret);
/* The body of a request, mem_free; NULL: too large to tell. */
char *render(const char *format, const char *hub_id, const struct happening *h);

/* -- which (pattern.c) --------------------------------------------------- */
bool pattern_matches(const char *csv, const char *type);
bool pattern_takes_repository(const char *wanted, const char *repository);

/* -- one attempt (send.c) ------------------------------------------------ */
struct parcel {
	const char *id, *event, *body;
};
void parcel_send(struct notify *n, const struct ctx *ctx,
    const struct webhook_door *door, const struct parcel *p,
    struct notify_sent *ret);

/* -- notify.c ------------------------------------------------------------ */
/* There is something to deliver, or another way to: without the mutex. */
void targets_wake(struct notify *n);

/* -- threads ------------------------------------------------------------- */
void *feed_main(void *notify);   /* feed.c */
void *target_main(void *target); /* target.c */

#endif
