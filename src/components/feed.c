/* Who follows instances, and what changed lately: see feed.h. */
#include "components/feed.h"

void feed_init(struct feed *f)
{
	*f = (struct feed){0};
	mtx_init(&f->mtx, "feed");
}

void feed_fini(struct feed *f)
{
	ASSERT(f->followers == NULL);
	mtx_fini(&f->mtx);
}

void feed_changed(struct feed *f, instance_id id)
{
	mtx_lock(&f->mtx);
	f->ring[f->n++ % FEED_KEPT] = id;
	for (struct feed_follower *w = f->followers; w != NULL; w = w->next)
		w->wake(w->arg);
	mtx_unlock(&f->mtx);
}

void feed_follow(struct feed *f, struct feed_follower *follower)
{
	mtx_lock(&f->mtx);
	follower->next = f->followers;
	f->followers = follower;
	mtx_unlock(&f->mtx);
}

void feed_leave(struct feed *f, struct feed_follower *follower)
{
	struct feed_follower **at = &f->followers;

	mtx_lock(&f->mtx);
	while (*at != NULL && *at != follower)
		at = &(*at)->next;
	if (*at != NULL)
		*at = follower->next;
	mtx_unlock(&f->mtx);
}

static bool has(const instance_id *v, size_t n, instance_id id)
{
	for (size_t i = 0; i < n; i++)
		if (uuid_equal(v[i].u, id.u))
			return true;
	return false;
}

size_t feed_read(
    struct feed *f, uint64_t *seen, instance_id *ret, size_t max, bool *ret_all)
{
	size_t n = 0;

	mtx_lock(&f->mtx);
	*ret_all = *seen > f->n || f->n - *seen > FEED_KEPT;
	for (; !*ret_all && *seen < f->n; (*seen)++) {
		instance_id id = f->ring[*seen % FEED_KEPT];

		if (has(ret, n, id))
			continue;
		if (n == max)
			break;
		ret[n++] = id;
	}
	if (*ret_all)
		*seen = f->n;
	mtx_unlock(&f->mtx);
	return n;
}

uint64_t feed_position(struct feed *f)
{
	uint64_t n;

	mtx_lock(&f->mtx);
	n = f->n;
	mtx_unlock(&f->mtx);
	return n;
}
