/* What the files of jobs/ share among themselves. */
#ifndef JOBS_HUB_INTERNAL_H
#define JOBS_HUB_INTERNAL_H

#include <pthread.h>

#include "base/thread.h"
#include "jobs/hub.h"
#include "jobs/live.h"

struct adopted { /* a running job of an earlier hub, waiting for a carrier */
	job_id id;
	struct sandbox *sandbox;
	struct schedule_grant grant;
	struct adopted *next;
};

struct image_pull;
struct registries;

struct hub {
	const struct options *options;
	char id[40]; /* kept in the state directory */
	char *state_dir;
	int lock_fd; /* one hub a state directory */
	int64_t started_at;
	struct store *store;
	struct secrets *secrets;
	struct spool *spool;
	struct engine *engine;
	struct bus *bus;
	struct schedule *schedule;
	struct sandboxes *sandboxes;
	struct pool *pool;
	struct live_set *live;
	struct registries *registries; /* credentials of sessions */
	struct job_meters meters;

	struct mtx mtx;
	struct cond changed;
	struct hub_engine_state
	    engine_state; /* guarded by mtx, like all below */
	struct hub_disk disk;
	struct adopted *adopted;
	struct image_pull *pulls;
	bool engine_away; /* since it was last up it did not answer */
	bool recovered, stopping;
	enum queue_mode queue_mode;
	int64_t queue_since; /* wall ns, 0: never changed */
	bool queue_changes;  /* somebody is about to change it */

	struct cancel cancel; /* ends the chores */
	pthread_t *carriers, *adopters, *child_carriers;
	unsigned ncarriers, nadopters, nchild_carriers;
	pthread_t watcher, events, chores;
	bool watcher_runs, events_run, chores_run;
	struct pool_target *pool_targets;
	char *api_socket; /* guarded by mtx; NULL: not yet */
};

/* -- limits.c ---------------------------------------------------------- */
/* Resources of a job, defaults filled in, bounded by the host. */
struct spec;
struct sandbox_limits hub_limits_of(struct hub *h, const struct spec *spec);
unsigned hub_slots(const struct options *o);
/* The image for a job: its own, by its labels, or the default. */
const char *hub_image_for(
    const struct options *o, const struct spec *spec, const char *labels);
int hub_schedule_job(struct hub *h, const struct job *job, int64_t not_before,
    struct err *err) MUST_CHECK;
void hub_schedule_entry(
    struct hub *h, const struct job *job, struct schedule_job *ret);

/* -- images.c ---------------------------------------------------------- */
/* Makes sure that the image is there, pulling as the policy says; one pull
 * an image at a time, others wait for it. say: progress, may be NULL. */
int hub_image_ensure(struct hub *h, const struct ctx *ctx, const char *image,
    void (*say)(void *arg, const char *line), void *arg,
    struct err *err) MUST_CHECK;

/* The same for a session: three attempts, with the credentials of its
 * registry, asked for (base64url or NULL) only when it must be pulled. */
int hub_image_ensure_as(struct hub *h, const struct ctx *ctx, const char *image,
    int (*auth)(void *arg, char **ret, struct err *err),
    void (*say)(void *arg, const char *line), void *arg,
    struct err *err) MUST_CHECK;

/* -- queue_mode.c ------------------------------------------------------ */
/* As the hub before us left it. */
int hub_queue_mode_load(struct hub *h, struct err *err) MUST_CHECK;

/* -- delegate.c -------------------------------------------------------- */
/* The end of a job that was taken out of the queue. */
int hub_end_waiting(struct hub *h, job_id id, const struct job_change *change,
    struct err *err) MUST_CHECK;

/* -- session_end.c ----------------------------------------------------- */
/* A runner runs one job at a time: the sessions of those before it end. */
int hub_replace_older(
    struct hub *h, const struct request *r, struct err *err) MUST_CHECK;
/* What waits or runs of the sessions opened inside of this one ends. */
void hub_end_children(
    struct hub *h, const char *parent, const struct live_end *end);

/* -- session_calls.c --------------------------------------------------- */
/* runner_id: who drives it, NULL: as it was. */
int hub_renew_lease(struct hub *h, job_id id, const char *runner_id,
    struct err *err) MUST_CHECK;

/* -- carry.c ----------------------------------------------------------- */
/* Carries one job from its grant to its end. sandbox: NULL, or that of an
 * adopted job. Releases the grant. */
void carry_job(
    struct hub *h, struct schedule_grant *grant, struct sandbox *sandbox);

/* -- hub.c ------------------------------------------------------------- */
/* A thread that carries one job of the list `adopted`. */
int hub_start_adopter(struct hub *h, struct err *err) MUST_CHECK;
/* schedule_add, with a carrier for a child. */
int hub_queue(struct hub *h, const struct schedule_job *job,
    const char *repository, struct err *err) MUST_CHECK;
/* Recovery may be faster than the HTTP server's start. Borrowed for the life
 * of the hub; NULL: there is none. */
const char *hub_await_api_socket(struct hub *h);
/* Off that list; NULL: it is empty. */
struct adopted *hub_take_adopted(struct hub *h);

/* -- recover.c --------------------------------------------------------- */
/* Queues what waits, adopts what runs, ends what cannot go on, removes what
 * nobody owns. Needs the engine. */
int hub_recover(
    struct hub *h, const struct ctx *ctx, struct err *err) MUST_CHECK;
/* Without the engine: only what waits, so that it can be seen and cancelled. */
int hub_recover_queue(struct hub *h, struct err *err) MUST_CHECK;
/* Removes containers and directories that no open job owns. */
int hub_collect(struct hub *h, const struct ctx *ctx, struct err *err);

/* -- watch.c ----------------------------------------------------------- */
int hub_watch_start(struct hub *h, struct err *err) MUST_CHECK;
void hub_watch_stop(struct hub *h);
/* Is this machine about to run out of memory? Then no warm sandboxes. */
bool hub_memory_is_low(void);
/* An engine call failed because the engine is away: look at once. */
void hub_engine_suspect(struct hub *h);

#endif
