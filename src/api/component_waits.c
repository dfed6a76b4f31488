/*
 * Answers that wait for a start, at most so long: whichever comes first, the
 * news or the time, answers. The thread that knows the time is started by the
 * first that has one.
 */
#include "api/components.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

struct component_wait {
	struct component_waits *owner;
	void (*answer)(void *arg, bool in_time);
	void *arg;
	struct component_wait *next;
	int64_t due; /* mono */
	/* guarded by owner->mtx */
	bool listed;   /* the time has not come */
	bool awaited;  /* done was not called */
	bool answered; /* by one of both */
};
struct component_waits {
	struct mtx mtx;
	struct cond changed;
	pthread_t thread; /* when runs */
	/* guarded by mtx */
	struct component_wait *list;
	bool runs, stopping;
};

struct component_waits *component_waits_open(void)
{
	struct component_waits *w = mem_zalloc(sizeof(*w));

	mtx_init(&w->mtx, "component_waits");
	cond_init(&w->changed);
	return w;
}

/* The next whose time has come, out of the list. */
static struct component_wait *take_due_locked(
    struct component_waits *w, int64_t *ret_next)
{
	int64_t now = clock_mono_ns();
	struct component_wait **at, *found = NULL;

	mtx_assert_held(&w->mtx);
	*ret_next = CLOCK_NO_DEADLINE;
	for (at = &w->list; *at != NULL && found == NULL;) {
		if (w->stopping || (*at)->due <= now) {
			found = *at;
			*at = found->next;
		} else {
			if ((*at)->due < *ret_next)
				*ret_next = (*at)->due;
			at = &(*at)->next;
		}
	}
	return found;
}

/* One of its two ends has come. Unlocks. */
static void settle_unlock(struct component_wait *x, bool in_time)
{
	struct component_waits *w = x->owner;
	bool mine = !x->answered, over = !x->listed && !x->awaited;
	void (*answer)(void *, bool) = x->answer;
	void *arg = x->arg;

	x->answered = true;
	mtx_unlock(&w->mtx);
	if (over)
		mem_free(x);
	if (mine)
		answer(arg, in_time);
}

static void *waits_main(void *arg)
{
	struct component_waits *w = arg;
	struct component_wait *x;
	int64_t next;

	mtx_lock(&w->mtx);
	while ((x = take_due_locked(w, &next)) != NULL || !w->stopping) {
		if (x == NULL) {
			cond_wait_until(&w->changed, &w->mtx, next);
			continue;
		}
		x->listed = false;
		settle_unlock(x, false);
		mtx_lock(&w->mtx);
	}
	mtx_unlock(&w->mtx);
	return NULL;
}

struct component_wait *component_wait_new(struct component_waits *w,
    int64_t timeout_ms, void (*answer)(void *arg, bool in_time), void *arg)
{
	struct component_wait *x = mem_zalloc(sizeof(*x));
	struct err err = ERR_INIT;

	*x = (struct component_wait){
	    .owner = w, .answer = answer, .arg = arg, .awaited = true};
	if (timeout_ms == 0)
		return x;
	x->due = clock_deadline_ms(timeout_ms);
	mtx_lock(&w->mtx);
	if (!w->runs && !w->stopping)
		w->runs =
		    thread_start(&w->thread, "waits", waits_main, w, &err) == 0;
	if (w->runs && !w->stopping) { /* else as if without a time */
		x->listed = true;
		x->next = w->list;
		w->list = x;
		cond_broadcast(&w->changed);
	}
	mtx_unlock(&w->mtx);
	return x;
}

void component_wait_done(void *wait)
{
	struct component_wait *x = wait;

	mtx_lock(&x->owner->mtx);
	x->awaited = false;
	settle_unlock(x, true);
}

void component_waits_stop(struct component_waits *w)
{
	bool runs;

	mtx_lock(&w->mtx);
	w->stopping = true;
	runs = w->runs;
	cond_broadcast(&w->changed);
	mtx_unlock(&w->mtx);
	if (runs)
		thread_join(w->thread);
}

void component_waits_close(struct component_waits *w)
{
	if (w == NULL)
		return;
	ASSERT(w->list == NULL);
	cond_fini(&w->changed);
	mtx_fini(&w->mtx);
	mem_free(w);
}
