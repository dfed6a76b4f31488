/*
 * Threads, mutexes, condition variables and a cancellation token. Results
 * of pthread calls are checked here: they fail only through bugs.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

struct mtx {
	pthread_mutex_t m;
	const char *name;
	_Atomic(pthread_t) owner; /* valid while held */
	atomic_bool held;
};

void mtx_init(struct mtx *mtx, const char *name);
void mtx_fini(struct mtx *mtx);
void mtx_lock(struct mtx *mtx);
void mtx_unlock(struct mtx *mtx);
void mtx_assert_held(const struct mtx *mtx);

struct cond {
	pthread_cond_t c; /* on the monotonic clock */
};

void cond_init(struct cond *cond);
void cond_fini(struct cond *cond);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);
void cond_wait(struct cond *cond, struct mtx *mtx);
/* false when deadline_ns (monotonic) passed first. */
bool cond_wait_until(struct cond *cond, struct mtx *mtx, int64_t deadline_ns);

/* Starts fn(arg) on a joinable thread with a small stack (256 KiB) and all
 * signals blocked. name: at most 15 characters, shown by ps -L. */
int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *),
    void *arg, struct err *err) MUST_CHECK;
void thread_join(pthread_t t);

/*
 * A cancellation token: any thread cancels, blocking calls poll its
 * descriptor beside their own. Once cancelled it stays cancelled.
 */
struct cancel {
	atomic_bool set;
	int fd; /* eventfd, readable once cancelled; -1 before cancel_init */
};

int cancel_init(struct cancel *c, struct err *err) MUST_CHECK;
void cancel_fini(struct cancel *c);
void cancel_now(struct cancel *c);
bool cancel_is_set(const struct cancel *c);

#endif
