/*
 * Children, sessions that were opened in another one: they start beside their
 * parent whatever is in use, on takers of their own, and each parent may have
 * a few of them. Same threads and mutex as schedule.c.
 */
#include <string.h>

#include "base/mem.h"
#include "jobs/schedule_internal.h"

/* -- families ---------------------------------------------------------- */

static struct family **find_locked(struct schedule *s, job_id parent)
{
	struct family **at = &s->families;

	while (*at != NULL && !uuid_equal((*at)->parent.u, parent.u))
		at = &(*at)->next;
	return at;
}

void schedule_join_family_locked(struct schedule *s, job_id parent)
{
	struct family **at = find_locked(s, parent);

	if (*at == NULL) {
		*at = mem_zalloc(sizeof(**at));
		(*at)->parent = parent;
	}
	(*at)->open++;
}

void schedule_leave_family_locked(struct schedule *s, job_id parent)
{
	struct family **at = find_locked(s, parent), *f = *at;

	ASSERT(f != NULL && f->open > 0);
	if (--f->open > 0)
		return;
	*at = f->next;
	mem_free(f);
}

bool schedule_reserve_child(struct schedule *s, job_id parent)
{
	struct family *f;
	bool room;

	mtx_lock(&s->mtx);
	f = *find_locked(s, parent);
	room = f == NULL || f->open < SCHEDULE_CHILDREN_MAX;
	if (room)
		schedule_join_family_locked(s, parent);
	mtx_unlock(&s->mtx);
	return room;
}

void schedule_unreserve_child(struct schedule *s, job_id parent)
{
	mtx_lock(&s->mtx);
	schedule_leave_family_locked(s, parent);
	mtx_unlock(&s->mtx);
}

bool schedule_next_child(struct schedule *s, job_id parent, job_id *ret)
{
	const struct entry *e;

	mtx_lock(&s->mtx);
	for (e = s->oldest; e != NULL; e = e->newer)
		if (e->job.child && uuid_equal(e->job.parent.u, parent.u))
			break;
	if (e != NULL)
		*ret = e->job.id;
	mtx_unlock(&s->mtx);
	return e != NULL;
}

/* -- taking ------------------------------------------------------------ */

static bool try_take_locked(struct schedule *s, struct schedule_grant *ret)
{
	struct heap_node *top;

	if ((s->gates & ~(unsigned)(GATE_PAUSED | GATE_EMPTYING)) != 0)
		return false;
	schedule_wake_due_locked(s);
	top = heap_top(&s->children);
	if (top == NULL)
		return false;
	schedule_grant_locked(s, CONTAINER_OF(top, struct entry, in_heap), ret);
	return true;
}

bool schedule_take_child(struct schedule *s, struct schedule_grant *ret)
{
	bool taken = false;

	mtx_lock(&s->mtx);
	while (!s->stopped && !(taken = try_take_locked(s, ret))) {
		s->child_takers++;
		IGNORE(cond_wait_until(
		    &s->child_changed, &s->mtx, schedule_next_due_locked(s)));
		s->child_takers--;
	}
	/* As schedule_take: the watch over what is delayed is passed on. */
	if (taken && s->waiting > 0)
		cond_signal(&s->child_changed);
	mtx_unlock(&s->mtx);
	return taken;
}

static unsigned waiting_children(const struct schedule *s)
{
	unsigned n = 0;

	for (const struct entry *e = s->oldest; e != NULL; e = e->newer)
		n += e->job.child;
	return n;
}

bool schedule_lacks_taker(struct schedule *s)
{
	bool lacks;

	mtx_lock(&s->mtx);
	lacks = waiting_children(s) > s->child_takers;
	mtx_unlock(&s->mtx);
	return lacks;
}
