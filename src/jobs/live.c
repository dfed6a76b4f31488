/* The jobs in carriers' hands: see live.h. Any thread. */
#include "jobs/live.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "jobs/session.h"

struct live_set {
	struct mtx mtx;
	struct cond left;
	struct map jobs;
	bool stopping;
};

struct live_set *live_set_new(void)
{
	struct live_set *s = mem_zalloc(sizeof(*s));

	mtx_init(&s->mtx, "live");
	cond_init(&s->left);
	return s;
}

void live_set_free(struct live_set *s)
{
	if (s == NULL)
		return;
	ASSERT(s->jobs.n == 0);
	map_fini(&s->jobs);
	cond_fini(&s->left);
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
	ASSERT(l->calls == NULL);
	map_remove(&s->jobs, &l->node);
	cond_broadcast(&s->left);
	mtx_unlock(&s->mtx);
	cancel_fini(&l->cancel);
}

void live_set_sandbox(struct live_set *s, struct live *l, struct sandbox *sb)
{
	mtx_lock(&s->mtx);
	l->sandbox = sb;
	if (sb != NULL &&
	    (atomic_load(&l->cancel_requested) || atomic_load(&l->stopping) ||
		atomic_load(&l->session_end) != 0))
		sandbox_wake(sb);
	mtx_unlock(&s->mtx);
}

bool live_cancel(struct live_set *s, job_id id, const char *words)
{
	struct live *l;

	mtx_lock(&s->mtx);
	l = find_locked(s, id);
	if (l != NULL && !atomic_load(&l->cancel_requested)) {
		if (words != NULL)
			snprintf(l->cancel_words, sizeof(l->cancel_words), "%s",
			    words);
		atomic_store(&l->cancel_requested, true);
		cancel_now(&l->cancel);
		wake_locked(l);
	}
	mtx_unlock(&s->mtx);
	return l != NULL;
}

void live_cancel_words(struct live_set *s, const struct live *l,
    const char *otherwise, char *out, size_t size)
{
	mtx_lock(&s->mtx);
	snprintf(out, size, "%s",
	    *l->cancel_words != '\0' ? l->cancel_words : otherwise);
	mtx_unlock(&s->mtx);
}

bool live_renew(struct live_set *s, job_id id, int64_t lease_until,
    int64_t slack_ns, bool *ret_stale)
{
	struct live *l;
	bool first;

	*ret_stale = false;
	mtx_lock(&s->mtx);
	l = find_locked(s, id);
	if (l != NULL) {
		/* The first call ends the grace that it had for it. */
		first = !atomic_exchange(&l->driven, true);
		if (first || lease_until > atomic_load(&l->lease_until))
			atomic_store(&l->lease_until, lease_until);
		*ret_stale =
		    lease_until - atomic_load(&l->lease_kept) >= slack_ns;
		if (*ret_stale)
			atomic_store(&l->lease_kept, lease_until);
		/* The schedule is told once; a lease is looked at when it
		 * seems over. */
		if (first)
			wake_locked(l);
	}
	mtx_unlock(&s->mtx);
	return l != NULL;
}

static void end_locked(struct live *l, const struct live_end *end)
{
	if (atomic_load(&l->session_end) != 0)
		return;
	l->end = *end;
	atomic_store(&l->session_end, (int)end->status);
	if (l->sandbox == NULL) /* it starts: no call shall hold it up */
		cancel_now(&l->cancel);
	wake_locked(l);
}

bool live_end_session(struct live_set *s, job_id id, const struct live_end *end)
{
	struct live *l;
	bool ends;

	mtx_lock(&s->mtx);
	l = find_locked(s, id);
	ends = l != NULL && l->is_session;
	if (ends)
		end_locked(l, end);
	mtx_unlock(&s->mtx);
	return ends;
}

/* -- families ---------------------------------------------------------- */

void live_set_parent(struct live_set *s, struct live *l, const char *parent)
{
	mtx_lock(&s->mtx);
	snprintf(l->parent, sizeof(l->parent), "%s", parent);
	mtx_unlock(&s->mtx);
}

/* The next in hand behind `after` (NULL: the first). */
static struct live *next_locked(const struct live_set *s, struct live *after)
{
	size_t i = 0;
	struct map_node *node;

	if (after != NULL) {
		if (after->node.next != NULL)
			return CONTAINER_OF(
			    after->node.next, struct live, node);
		i = after->node.hash % s->jobs.nbuckets + 1;
	}
	for (; i < s->jobs.nbuckets; i++) {
		node = s->jobs.buckets[i];
		if (node != NULL)
			return CONTAINER_OF(node, struct live, node);
	}
	return NULL;
}

static struct live *child_locked(
    const struct live_set *s, struct live *after, const char *parent)
{
	do {
		after = next_locked(s, after);
	} while (after != NULL && strcmp(after->parent, parent) != 0);
	return after;
}

void live_end_children(
    struct live_set *s, const char *parent, const struct live_end *end)
{
	struct live *l = NULL;

	mtx_lock(&s->mtx);
	while ((l = child_locked(s, l, parent)) != NULL)
		end_locked(l, end);
	mtx_unlock(&s->mtx);
}

bool live_wait_children(
    struct live_set *s, const char *parent, int64_t deadline_ns)
{
	bool in_time = true;

	mtx_lock(&s->mtx);
	while (child_locked(s, NULL, parent) != NULL && in_time)
		in_time = cond_wait_until(&s->left, &s->mtx, deadline_ns);
	mtx_unlock(&s->mtx);
	return in_time;
}

/* -- mailboxes --------------------------------------------------------- */

static enum live_posted post_locked(struct live *l, struct session_call *call)
{
	size_t bytes = call->len + call->body_len;

	if (l == NULL || !l->is_session || l->door == LIVE_SHUT)
		return LIVE_ABSENT;
	if (l->door == LIVE_OVER)
		return LIVE_REFUSED_OVER;
	if (l->door == LIVE_LEFT)
		return LIVE_REFUSED_LEFT;
	if (l->ncalls >= LIVE_CALLS_MAX ||
	    (l->ncalls > 0 && l->call_bytes + bytes > LIVE_CALL_BYTES_MAX))
		return LIVE_FULL;
	call->next = NULL;
	*l->calls_end = call;
	l->calls_end = &call->next;
	l->ncalls++;
	l->call_bytes += bytes;
	atomic_store(&l->called, true);
	wake_locked(l);
	return LIVE_POSTED;
}

enum live_posted live_post(
    struct live_set *s, job_id id, struct session_call *call)
{
	enum live_posted r;

	mtx_lock(&s->mtx);
	r = post_locked(find_locked(s, id), call);
	mtx_unlock(&s->mtx);
	return r;
}

void live_open_door(struct live_set *s, struct live *l)
{
	mtx_lock(&s->mtx);
	if (l->door == LIVE_SHUT) {
		l->calls_end = &l->calls;
		l->door = LIVE_OPEN;
	}
	mtx_unlock(&s->mtx);
}

static struct session_call *take_locked(struct live *l)
{
	struct session_call *all = l->calls;

	l->calls = NULL;
	l->calls_end = &l->calls;
	l->ncalls = l->call_bytes = 0;
	atomic_store(&l->called, false);
	return all;
}

struct session_call *live_take_calls(struct live_set *s, struct live *l)
{
	struct session_call *all;

	mtx_lock(&s->mtx);
	all = take_locked(l);
	mtx_unlock(&s->mtx);
	return all;
}

struct session_call *live_shut_door(
    struct live_set *s, struct live *l, enum live_door door)
{
	struct session_call *all;

	mtx_lock(&s->mtx);
	all = take_locked(l);
	l->door = door;
	mtx_unlock(&s->mtx);
	return all;
}

/* -- all of them ------------------------------------------------------- */

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
	struct live *l = NULL;

	mtx_lock(&s->mtx);
	s->stopping = true;
	while ((l = next_locked(s, l)) != NULL) {
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
		empty = cond_wait_until(&s->left, &s->mtx, deadline_ns);
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

size_t live_sessions(struct live_set *s)
{
	struct live *l = NULL;
	size_t n = 0;

	mtx_lock(&s->mtx);
	while ((l = next_locked(s, l)) != NULL)
		n += l->door == LIVE_OPEN;
	mtx_unlock(&s->mtx);
	return n;
}
