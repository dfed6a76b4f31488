/*
 * An instance in hand: one thread (flow.c) that starts it step by step and
 * then waits for its end, and one (logs.c) that reads its container's log.
 * Internal to components/.
 *
 *   components.c  begin and end of it all
 *   flows.c       who is in hand, and who waits for them
 *   start.c       a start is asked for
 *   lookup.c      of what entity
 *   stop.c        an end is
 *   questions.c   what the API asks of instances
 *   listing.c     and of the catalogs
 *   flow.c        the steps of a start, and its life, top to bottom
 *   workplace.c   the directory that its source is unpacked into
 *   pack.c        what is sent to the builder
 *   bases.c       what it may be built from (dockerfile.c)
 *   build.c       its image
 *   layers.c      what a build has made so far
 *   build_guard.c what it may take
 *   images.c      which image was made from what, and when it goes
 *                 (images_tidy.c, images_left.c)
 *   run.c         its container
 *   spare.c       the network of the next one
 *   ports.c       which ports, and are they free (procnet.c)
 *   secrets.c     what no repository may hold
 *   watch.c       is it well, is it used, is its time over (probe.c, use.c)
 *   restart.c     once more
 *   ending.c      its end
 *   logs.c        what it says
 *   monitor.c     what it uses
 *   feed.c        who is told of changes
 *   recover.c     what an earlier hub left
 */
#ifndef COMPONENTS_FLOW_H
#define COMPONENTS_FLOW_H

#include <pthread.h>

#include "base/ctx.h"
#include "components/catalog.h"
#include "components/components.h"
#include "components/deployment.h"
#include "components/descriptor.h"
#include "components/faults.h"
#include "components/images.h"
#include "components/lifeplan.h"
#include "components/monitor.h"
#include "components/origin.h"
#include "components/source.h"
#include "components/spare.h"
#include "components/use.h"
#include "spool/step_bytes.h"

/* Steps of the log: what the build says, what the component says. */
enum { LOG_BUILD = 0, LOG_COMPONENT = 1 };

enum { CHECKS_KEPT = 100, FLOW_PORTS_MAX = 64 };
struct check {
	int64_t at, took_ns;
	bool success;
	char error[200];
};

struct waiter {
	component_done done;
	void *arg;
	bool until_over; /* else until it is not starting */
	struct waiter *next;
};

struct flow {
	struct components *owner;
	struct flow *next; /* of owner->flows */
	instance_id id;
	int64_t seq; /* the order of admission */
	char id_text[UUID_TEXT_LEN];
	char *component_ref;
	enum instance_status found; /* what recovery saw; STARTING for new */
	pthread_t thread, reader;
	bool reads; /* reader was started */

	/* root < life < start: a stop cancels start, leaving both. */
	struct ctx root, life, start;
	struct cancel stop_cancel, leave_cancel;

	char dir[512]; /* its workplace */
	struct origin origin;
	int64_t retry_at; /* wall ns: its GitHub is not asked before; 0 */
	struct source source;
	struct descriptor d;
	char key[IMAGES_KEY]; /* of what its image is made from, "": not known
			       */
	bool cached;          /* that was built before */
	char image[160];      /* set under owner->mtx */
	char container[ENGINE_ID_LEN];
	char ip[64];
	struct spool_log *log;
	struct spool_stream_end log_end[2]; /* of the component's streams */
	int pid; /* of its first process, as the engine sees it */
	char run[LIFEPLAN_RUN]; /* when the engine started that; "": unknown */
	int restarts; /* so far; written under the mutex, by its thread */
	int in_a_row; /* of those, since it ran for long */
	int64_t running_since, used_at; /* mono; 0: it does not run */
	uint64_t run_begins;            /* where the log of this run does */
	struct use_count use;
	bool use_unknown;

	/* guarded by owner->mtx, like all below */
	struct deployment progress;
	bool stop_wanted, leaving;
	bool built; /* or given up: no build goes on */
	bool ended; /* the container has, and its log is read */
	bool over;  /* nobody can ask it for anything any more */
	bool gone;  /* its thread returns */
	struct waiter *waiters;
	struct check checks[CHECKS_KEPT];
	uint64_t nchecks;
	int host_ports[FLOW_PORTS_MAX]; /* written by its thread alone */
	bool chosen_udp[FLOW_PORTS_MAX];
	size_t nchosen;
	struct lifeplan plan; /* written under the mutex, by its thread */
	bool healthy;         /* it was, and not too many checks failed since */
	int failures;         /* in a row */
	const char *stop_reason; /* why the hub stops it; NULL: by a wish */
};

/* How an instance ended. */
struct ending {
	bool known; /* else it has to be found out */
	enum instance_status to;
	struct err err; /* why, when to is ERROR */
	bool has_code, oom_killed;
	int code;
};

struct components {
	struct components_config config;
	struct ctx ctx;
	struct faults faults;
	struct feed feed;
	struct monitor monitor;
	struct sources *sources;
	struct catalog *catalog; /* the hub's own */
	struct portal_lists *portal_lists;
	/* Bounds of every component. */
	int64_t build_ms, memory_max;
	double cpus_max;
	struct mtx mtx;
	struct cond changed;
	struct cancel cancel; /* ends recovery */
	pthread_t recovery;
	bool recovery_runs;
	/* guarded by mtx */
	struct flow *flows;
	int64_t asking_portal; /* calls that wait for it */
	bool recovered, stopping;
	uint64_t ends;                /* of instances, so far */
	bool tidying;                 /* images_tidy is at work */
	int64_t tidy_at;              /* mono: when it is to be again */
	struct image_absence *absent; /* that of images_tidy alone */
	size_t nabsent;
	char removing[IMAGES_TAG]; /* the image that it removes, "": none */
	bool unnaming; /* it removes those without a name: no build begins */
	int building;  /* builds whose image has no name yet */
	struct spare spare;
};

/* -- flows.c ----------------------------------------------------------- */
/* A thread that carries it; takes nothing when it fails. */
int flow_launch(
    struct components *c, const struct instance *i, struct err *err) MUST_CHECK;
bool flow_is_in_hand(struct components *c, instance_id id);
/* The waiters whose moment has come are called; over: all of them. */
void flow_tell(struct flow *f, bool over);
/* NULL: nobody carries it. */
struct flow *flow_find_locked(struct components *c, instance_id id);
/* Leave it to the next hub, or end it. */
void flow_ask_locked(struct flow *f, bool leave);
/* Its thread has been joined. */
void flow_free(struct flow *f);
enum attached { NOBODY_HAS_IT, NOT_YET, ATTACHED };
/* done is called when it is over (end: which is asked for), or else when it
 * is not starting any more. */
enum attached flow_attach(struct components *c, instance_id id, bool end,
    component_done done, void *arg);

/* -- stop.c ------------------------------------------------------------ */
/* What an earlier hub left is taken in hand before anything new. */
int components_await_recovery(struct components *c, struct err *err) MUST_CHECK;
/* By somebody's wish. */
int instance_move(struct components *c, const struct instance *i,
    enum instance_status to, struct err *err) MUST_CHECK;

/* -- flow.c ------------------------------------------------------------ */
void *flow_main(void *arg);
int flow_change(struct flow *f, const struct instance_change *change,
    struct err *err) MUST_CHECK;

/* -- watch.c ----------------------------------------------------------- */
/* Until the moment, or the end of the container, or a stop. */
void watch_pause(struct flow *f, int64_t deadline);
bool watch_has_ended(struct flow *f);
/* Its end is told by whoever looks after us: 0. */
int watch_until_ready(struct flow *f, struct err *err) MUST_CHECK;
/* Until it ends, or is to end. */
void watch_until_end(struct flow *f);
/* Is its time to live over? Then it is to end. */
bool watch_time_is_over(struct flow *f);
/* The moment, or the end of its time to live, if that is sooner. */
int64_t watch_deadline(const struct flow *f, int64_t moment);

/* -- restart.c --------------------------------------------------------- */
/* e: how it ended. True: its container runs again; false: e is its end. */
bool restart(struct flow *f, struct ending *e);

/* -- ending.c ---------------------------------------------------------- */
/* Is the start still on its way? */
bool ending_is_of_start(struct flow *f);
/* It ended by itself: how? */
void ending_judge(struct flow *f, struct ending *e);
/* Its container does not run any more after this. */
void ending_halt(struct flow *f, int64_t grace_ms);
void ending_wishes(struct flow *f, bool *ret_stop, bool *ret_leave);
/* e->err: why it could not start; else, unless e is known, it is found out.
 * False: it was left to the next hub. */
bool ending_complete(struct flow *f, struct ending *e);
void ending_remove_network(struct flow *f);
/* Forgets the oldest that ended, with their logs. */
void ending_prune(struct components *c);

/* -- workplace.c ------------------------------------------------------- */
int workplace_make(struct flow *f, struct err *err) MUST_CHECK;
/* f->source of f->origin, and its content into <dir>/source, unless its
 * image is there already. */
int workplace_fill(struct flow *f, struct err *err) MUST_CHECK;
/* f->d from its configuration. */
int workplace_read(struct flow *f, struct err *err) MUST_CHECK;
/* Open directory of the component's source. */
int workplace_source(const struct flow *f, struct err *err);
void workplace_remove(struct flow *f);
/* Those that an earlier hub left and nobody goes on with. */
void workplaces_collect(
    struct components *c, const struct instance_list *active);

/* -- ports.c ----------------------------------------------------------- */
int ports_choose(struct flow *f, struct err *err) MUST_CHECK;

/* -- pack.c ------------------------------------------------------------ */
/* The build context as a tar in a file that has no name, at its beginning.
 * *ret_dockerfile: where in it that is; as long as f->d. */
int pack_context(struct flow *f, const struct ctx *ctx,
    const char **ret_dockerfile, int *ret, struct err *err) MUST_CHECK;

/* Reads f's Dockerfile. ERR_LIMIT: it is larger than any may be. */
int pack_dockerfile(const struct flow *f, int source, struct buf *out,
    struct err *err) MUST_CHECK;

/* -- build.c ----------------------------------------------------------- */
int build_image(struct flow *f, struct err *err) MUST_CHECK;

/* -- run.c ------------------------------------------------------------- */
int run_container(struct flow *f, struct err *err) MUST_CHECK;
/* Starts it once more. */
int run_again(struct flow *f, struct err *err) MUST_CHECK;
/* Where it is: its address, its process, which run of its container. */
int run_look(struct flow *f, struct err *err) MUST_CHECK;
/* What a hub after this one needs of it. */
void run_write_plan(const struct flow *f, struct buf *out);
/* By its name, whether known or not. */
int run_remove(struct flow *f, const struct ctx *ctx, struct err *err);
/* Of its own, for its build as for its life; there already is fine. */
enum { RUN_NETWORK = 40 };
int run_make_network(
    struct flow *f, char name[RUN_NETWORK], struct err *err) MUST_CHECK;
/* Once its container is gone. Gone itself is fine. */
int run_remove_network(struct flow *f, const struct ctx *ctx, struct err *err);
void run_name(const struct flow *f, char out[64]);

/* -- logs.c ------------------------------------------------------------ */
int logs_open(struct flow *f, bool resumed, struct err *err) MUST_CHECK;
/* A line of ours, or output of the build. */
int logs_say(struct flow *f, const char *text, size_t len, struct err *err);
int logs_follow(struct flow *f, struct err *err) MUST_CHECK;
/* Waits for the reader; it must be ending. */
void logs_join(struct flow *f);
/* What it said so far was said by an earlier run of its container. */
void logs_begin_run(struct flow *f);
/* The last lines of the component, on one line, for people. */
void logs_last(struct flow *f, char *out, size_t size);

/* -- recover.c --------------------------------------------------------- */
void *recover_main(void *arg);
/* Containers and networks of instances that are over; now and then, for the
 * engine may finish a call of a hub that has died after its next one looked. */
void recover_leftovers(struct components *c, const struct ctx *ctx);

#endif
