/* The jobs in carriers' hands: see live.h. Any thread. */
#include "jobs/live.h"

#include <string.h>

#include "base/mem.h"

struct live_set {
	struct mtx mtx;
	struct cond emptied;
	struct map jobs;
	bool stopping;
};

struct live_set *live_set_new(void)
{
	struct live_set *s = mem_zalloc(sizeof(*s));

	mtx_init(&s->mtx, "live");
	cond_init(&s->emptied);
	return s;
}

void live_set_free(struct live_set *s)
{
	if (s == NULL)
		return;
	ASSERT(s->jobs.n == 0);
	map_fini(&s->jobs);
	cond_fini(&s->emptied);
	mtx_fini(&s->mtx);
	mem_free(s);
}

static bool is_job(const struct map_node *node, const void *id)
{
	return memcmp(&CONTAINER_OF(node, struct live, node)->id, id,
		   sizeof(job_id)) == 0;
}

static struct live *find_locked(struct live_set *s, job_id id)
{
	struct map_node *node =
	    map_find(&s->jobs, map_hash(&id, sizeof(id)), is_job, &id);

	return node != NULL ? CONTAINER_OF(node, struct live, node) : NULL;
}

static void wake_locked(struct live *l)
{
	if (l->sandbox != NULL)
		sandbox_wake(l->sandbox);
}

int live_enter(struct live_set *s, struct live *l, struct err *err)
{
	bool twice;

	TRY(cancel_init(&l->cancel, err));
	mtx_lock(&s->mtx);
	twice = find_locked(s, l->id) != NULL;
	if (s->stopping) {
		atomic_store(&l->stopping, true);
		cancel_now(&l->cancel);
	}
	if (!twice)
		map_insert(&s->jobs, &l->node, map_hash(&l->id, sizeof(l->id)));
	mtx_unlock(&s->mtx);
	if (!twice)
		return 0;
	cancel_fini(&l->cancel);
	return err_set(err, ERR_CONFLICT, "job_in_hand",
	    "another carrier has the job in hand");
}

void live_leave(struct live_set *s, struct live *l)
{
	mtx_lock(&s->mtx);
	map_remove(&s->jobs, &l->node);
	if (s->jobs.n == 0)
		cond_broadcast(&s->emptied);
	mtx_unlock(&s->mtx);
	cancel_fini(&l->cancel);
}

void live_set_sandbox(struct live_set *s, struct live *l, struct sandbox *sb)
{
	mtx_lock(&s->mtx);
	l->sandbox = sb;
	if (sb != NULL &&
	    (atomic_load(&l->cancel_requested) || atomic_load(&l->stopping)))
		sandbox_wake(sb);
	mtx_unlock(&s->mtx);
}

bool live_cancel(struct live_set *s, job_id id)
{
	struct live *l;

	mtx_lock(&s->mtx);
	l = find_locked(s, id);
	if (l != NULL && !atomic_load(&l->cancel_requested)) {
		atomic_store(&l->cancel_requested, true);
		cancel_now(&l->cancel);
		wake_locked(l);
	}
	mtx_unlock(&s->mtx);
	return l != NULL;
}

bool live_renew(struct live_set *s, job_id id, int64_t lease_until)
{
	struct live *l;

	mtx_lock(&s->mtx);
	l = find_locked(s, id);
	if (l != NULL) {
		if (lease_until > atomic_load(&l->lease_until))
			atomic_store(&l->lease_until, lease_until);
		atomic_store(&l->driven, true);
		wake_locked(l);
	}
	mtx_unlock(&s->mtx);
	return l != NULL;
}

bool live_end_session(struct live_set *s, job_id id, enum job_status status)
{
	struct live *l;
	bool ends;

	mtx_lock(&s->mtx);
	l = find_locked(s, id);
	ends = l != NULL && l->is_session;
	if (ends) {
		atomic_store(&l->session_end, (int)status);
		wake_locked(l);
	}
	mtx_unlock(&s->mtx);
	return ends;
}

bool live_is_in_hand(struct live_set *s, job_id id)
{
	bool found;

	mtx_lock(&s->mtx);
	found = find_locked(s, id) != NULL;
	mtx_unlock(&s->mtx);
	return found;
}

void live_stop_all(struct live_set *s)
{
	struct map_node *node;

	mtx_lock(&s->mtx);
	s->stopping = true;
	for (size_t i = 0; i < s->jobs.nbuckets; i++)
		for (node = s->jobs.buckets[i]; node != NULL;
		     node = node->next) {
			struct live *l = CONTAINER_OF(node, struct live, node);

			atomic_store(&l->stopping, true);
			cancel_now(&l->cancel);
			wake_locked(l);
		}
	mtx_unlock(&s->mtx);
}

bool live_wait_empty(struct live_set *s, int64_t deadline_ns)
{
	bool empty = true;

	mtx_lock(&s->mtx);
	while (s->jobs.n > 0 && empty)
		empty = cond_wait_until(&s->emptied, &s->mtx, deadline_ns);
	mtx_unlock(&s->mtx);
	return empty;
}

size_t live_count(struct live_set *s)
{
	size_t n;

	mtx_lock(&s->mtx);
	n = s->jobs.n;
	mtx_unlock(&s->mtx);
	return n;
}
