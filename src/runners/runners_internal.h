/* What the files of runners/ share among themselves. */
#ifndef RUNNERS_RUNNERS_INTERNAL_H
#define RUNNERS_RUNNERS_INTERNAL_H

#include <jansson.h>
#include <pthread.h>

#include "base/thread.h"
#include "runners/roots.h"
#include "runners/runners.h"

#define RUNNER_MISSED_BEATS 3

struct challenge;
struct ward;

struct runners {
	struct runners_config config;
	struct github *github;
	char *api_dir;        /* mounted into proxies that we make */
	const char *api_name; /* the socket's name in there */
	int64_t started_ns;   /* wall: nobody could beat before */

	/* Serialises decisions about a runner's status and name: held over
	 * the store's writes, never over the engine or GitHub. */
	struct mtx life;

	struct mtx mtx;      /* guards all below */
	struct cond changed; /* for both threads */
	bool jobs_changed, proxies_changed, stopping;
	struct challenge *challenges;
	struct ward *wards;

	struct cancel cancel;
	pthread_t clock, keeper;
	bool clock_runs, keeper_runs;
};

struct roots_secret runners_secrets(const struct runners *r);
/* The work directories of a container, as JSON text into out. */
int runners_roots_of(struct runners *r, const struct ctx *ctx,
    const char *container_id, struct buf *out, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND as an error, for those who need it to be there. */
int runner_need(struct runners *r, runner_id id, struct runner *ret,
    struct err *err) MUST_CHECK;
/* Each row; cb: not 0 ends it with that. Pages of the store. */
int runner_each(struct runners *r,
    int (*cb)(void *arg, const struct runner *row, struct err *err), void *arg,
    struct err *err) MUST_CHECK;
static inline bool runner_is(const struct runner *row, const char *status)
{
	return strcmp(row->status, status) == 0;
}

/* -- clock.c ----------------------------------------------------------- */
void *runners_clock(void *arg);
/* The newest open job that it opened; "" none. */
int runner_open_job(struct runners *r, runner_id id, char ret[UUID_TEXT_LEN],
    struct err *err) MUST_CHECK;

/* -- github.c ---------------------------------------------------------- */
/* Takes its registration back; what: in note why not. busy: CONFLICT. */
int runners_deregister(struct runners *r, const struct ctx *ctx,
    const struct runner *row, char note[300], struct err *err) MUST_CHECK;

/* -- enrol.c ----------------------------------------------------------- */
void runners_forget_challenges(struct runners *r);

/* -- made.c: how the hub makes a proxy, kept in its row ---------------- */
struct made {
	char image[256];
	bool ephemeral;
};
int made_read(const char *text, struct made *ret, struct err *err) MUST_CHECK;

/* -- proxy.c: one proxy's container ------------------------------------ */
#define PROXY_LABEL_TYPE   "runnerhub.type"
#define PROXY_LABEL_HUB    "runnerhub.hub"
#define PROXY_LABEL_RUNNER "runnerhub.runner.id"
/* A new one, started; its token and roots are in the store then. */
int proxy_start(struct runners *r, const struct ctx *ctx,
    const struct runner *row, struct err *err) MUST_CHECK;
/* Container and volumes of its own; gone is fine. */
int proxy_remove(struct runners *r, const struct ctx *ctx,
    const char *container_id, runner_id id, struct err *err) MUST_CHECK;

/* -- keeper.c ---------------------------------------------------------- */
void *runners_keeper(void *arg);
void runners_forget_wards(struct runners *r);
/* There is something for it to do. */
void runners_wake_keeper(struct runners *r);

#endif
