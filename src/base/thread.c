/* Threads and locks: see thread.h. */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define THREAD_STACK_BYTES (256 * 1024)

/* pthread functions return their error; any but `ok` here is our bug. */
static void must(int code, const char *what)
{
	if (code != 0)
		WRONG(what);
}

void mtx_init(struct mtx *mtx, const char *name)
{
	must(pthread_mutex_init(&mtx->m, NULL), "pthread_mutex_init");
	mtx->name = name;
	atomic_store(&mtx->held, false);
}

void mtx_fini(struct mtx *mtx)
{
	must(pthread_mutex_destroy(&mtx->m), "pthread_mutex_destroy");
}

void mtx_lock(struct mtx *mtx)
{
	must(pthread_mutex_lock(&mtx->m), "pthread_mutex_lock");
	atomic_store_explicit(
	    &mtx->owner, pthread_self(), memory_order_relaxed);
	atomic_store_explicit(&mtx->held, true, memory_order_relaxed);
}

void mtx_unlock(struct mtx *mtx)
{
	atomic_store_explicit(&mtx->held, false, memory_order_relaxed);
	must(pthread_mutex_unlock(&mtx->m), "pthread_mutex_unlock");
}

void mtx_assert_held(const struct mtx *mtx)
{
	ASSERT(atomic_load_explicit(&mtx->held, memory_order_relaxed));
	ASSERT(pthread_equal(
	    atomic_load_explicit(&mtx->owner, memory_order_relaxed),
	    pthread_self()));
}

void cond_init(struct cond *cond)
{
	pthread_condattr_t attr;

	must(pthread_condattr_init(&attr), "pthread_condattr_init");
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC),
	    "pthread_condattr_setclock");
	must(pthread_cond_init(&cond->c, &attr), "pthread_cond_init");
	pthread_condattr_destroy(&attr);
}

void cond_fini(struct cond *cond)
{
	must(pthread_cond_destroy(&cond->c), "pthread_cond_destroy");
}

void cond_signal(struct cond *cond)
{
	must(pthread_cond_signal(&cond->c), "pthread_cond_signal");
}

void cond_broadcast(struct cond *cond)
{
	must(pthread_cond_broadcast(&cond->c), "pthread_cond_broadcast");
}

/* pthread_cond_wait releases the mutex: our owner record must follow. */
static void mark_held(struct mtx *mtx, bool held)
{
	if (held)
		atomic_store_explicit(
		    &mtx->owner, pthread_self(), memory_order_relaxed);
	atomic_store_explicit(&mtx->held, held, memory_order_relaxed);
}

void cond_wait(struct cond *cond, struct mtx *mtx)
{
	mtx_assert_held(mtx);
	mark_held(mtx, false);
	must(pthread_cond_wait(&cond->c, &mtx->m), "pthread_cond_wait");
	mark_held(mtx, true);
}

bool cond_wait_until(struct cond *cond, struct mtx *mtx, int64_t deadline_ns)
{
	struct timespec ts;
	int code;

	if (deadline_ns == CLOCK_NO_DEADLINE) {
		cond_wait(cond, mtx);
		return true;
	}
	ts.tv_sec = (time_t)(deadline_ns / CLOCK_NS_PER_S);
	ts.tv_nsec = (long)(deadline_ns % CLOCK_NS_PER_S);
	mtx_assert_held(mtx);
	mark_held(mtx, false);
	code = pthread_cond_timedwait(&cond->c, &mtx->m, &ts);
	mark_held(mtx, true);
	if (code == ETIMEDOUT)
		return false;
	must(code, "pthread_cond_timedwait");
	return true;
}

int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *),
    void *arg, struct err *err)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t t;
	int code;

	must(pthread_attr_init(&attr), "pthread_attr_init");
	must(pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES),
	    "pthread_attr_setstacksize");
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&t, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (code != 0)
		return err_sys(err, code, "start thread %s", name);
	pthread_setname_np(t, name);
	*ret = t;
	return 0;
}

void thread_join(pthread_t t)
{
	must(pthread_join(t, NULL), "pthread_join");
}

int cancel_init(struct cancel *c, struct err *err)
{
	atomic_store(&c->set, false);
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->fd < 0)
		return err_sys(err, errno, "create a cancel descriptor");
	return 0;
}

void cancel_fini(struct cancel *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void cancel_now(struct cancel *c)
{
	uint64_t one = 1;

	atomic_store(&c->set, true);
	IGNORE(write(c->fd, &one, sizeof(one)) < 0); /* full means set */
}

bool cancel_is_set(const struct cancel *c)
{
	return c != NULL && atomic_load(&c->set);
}
