/*
 * How many follow which instance: a bound on what readers that never read,
 * or left behind a proxy that does not say so, can hold; and the gauge. Any
 * thread.
 */
#include "api/components.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

enum { LOOK_MS = 60000 };

struct followed { /* an instance with followers */
	enum follower_kind kind;
	instance_id id;
	int64_t n;
	struct followed *next;
};
struct followers {
	int64_t max;
	struct mtx mtx;
	/* guarded by mtx */
	struct followed *list;
	int64_t total[FOLLOWER_KINDS];
};

struct followers *followers_open(int64_t max)
{
	struct followers *f = mem_zalloc(sizeof(*f));

	f->max = max;
	mtx_init(&f->mtx, "followers");
	return f;
}

void followers_close(struct followers *f)
{
	if (f == NULL)
		return;
	ASSERT(f->list == NULL);
	mtx_fini(&f->mtx);
	mem_free(f);
}

static struct followed **find_locked(
    struct followers *f, enum follower_kind kind, instance_id id)
{
	struct followed **at = &f->list;

	mtx_assert_held(&f->mtx);
	while (*at != NULL &&
	       ((*at)->kind != kind || !uuid_equal((*at)->id.u, id.u)))
		at = &(*at)->next;
	return at;
}

int followers_enter(struct followers *f, enum follower_kind kind,
    instance_id id, struct err *err)
{
	struct followed **at, *new;
	int r = 0;

	mtx_lock(&f->mtx);
	at = find_locked(f, kind, id);
	if (*at == NULL) {
		new = mem_zalloc(sizeof(*new));
		*new = (struct followed){.kind = kind, .id = id};
		*at = new;
	}
	if ((*at)->n >= f->max) {
		r = err_set(err, ERR_UNAVAILABLE, "too_many_followers",
		    "%lld follow this already, as many as may "
		    "(components.followers): close one, or try again later",
		    (long long)f->max);
	} else {
		(*at)->n++;
		f->total[kind]++;
	}
	mtx_unlock(&f->mtx);
	return r;
}

void followers_leave(
    struct followers *f, enum follower_kind kind, instance_id id)
{
	struct followed **at, *gone;

	mtx_lock(&f->mtx);
	at = find_locked(f, kind, id);
	ASSERT(*at != NULL && (*at)->n > 0);
	f->total[kind]--;
	if (--(*at)->n == 0) {
		gone = *at;
		*at = gone->next;
		mem_free(gone);
	}
	mtx_unlock(&f->mtx);
}

int64_t followers_count(struct followers *f, enum follower_kind kind)
{
	int64_t n;

	mtx_lock(&f->mtx);
	n = f->total[kind];
	mtx_unlock(&f->mtx);
	return n;
}

int64_t follower_deadline(const struct call *c)
{
	return clock_deadline_ms(hub_options(c->hub)->follow_ms);
}

int64_t follower_look_ms(const struct call *c)
{
	int64_t ms = hub_options(c->hub)->follow_ms;

	return ms < LOOK_MS ? ms : LOOK_MS;
}
