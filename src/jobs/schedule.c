/*
 * The queue in memory and the choice of what runs next: see schedule.h. One
 * mutex guards all of it and is never held over I/O. Called by handlers
 * (add, remove), carriers (take, release) and the engine's watcher
 * (gates).
 */
#include "jobs/schedule.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "jobs/schedule_internal.h"

enum { OLDEST_EVERY = 8 };

/* -- order ------------------------------------------------------------- */

static struct entry *entry_of(const struct heap_node *node)
{
	return CONTAINER_OF(node, struct entry, in_heap);
}

bool schedule_earlier(const struct entry *a, const struct entry *b)
{
	if (a->job.since != b->job.since)
		return a->job.since < b->job.since;
	return memcmp(&a->job.id, &b->job.id, sizeof(a->job.id)) < 0;
}

bool schedule_more_urgent(const struct heap_node *x, const struct heap_node *y)
{
	const struct entry *a = entry_of(x), *b = entry_of(y);

	if (a->job.priority != b->job.priority)
		return a->job.priority > b->job.priority;
	return schedule_earlier(a, b);
}

static bool due_sooner(const struct heap_node *x, const struct heap_node *y)
{
	return entry_of(x)->due_ns < entry_of(y)->due_ns;
}

/* -- repositories ------------------------------------------------------ */

static bool repo_is(const struct map_node *node, const void *name)
{
	return strcmp(CONTAINER_OF(node, struct repo, by_name)->name, name) ==
	       0;
}

static struct repo *repo_get_locked(struct schedule *s, const char *name)
{
	uint64_t hash = map_hash(name, strlen(name));
	struct map_node *node = map_find(&s->repos, hash, repo_is, name);
	struct repo *r;

	if (node != NULL)
		return CONTAINER_OF(node, struct repo, by_name);
	r = mem_zalloc(sizeof(*r));
	r->name = mem_strdup(name);
	/* A newcomer, or one that comes back, stands at the end of the round.
	 */
	r->served = s->picks;
	heap_init(&r->jobs, schedule_more_urgent);
	heap_init(&r->sessions, schedule_more_urgent);
	map_insert(&s->repos, &r->by_name, hash);
	r->next = s->first_repo;
	if (r->next != NULL)
		r->next->prev = r;
	s->first_repo = r;
	return r;
}

static void repo_drop_if_idle_locked(struct schedule *s, struct repo *r)
{
	if (r->running > 0 || r->waiting > 0 || r->children > 0)
		return;
	map_remove(&s->repos, &r->by_name);
	if (r->prev != NULL)
		r->prev->next = r->next;
	else
		s->first_repo = r->next;
	if (r->next != NULL)
		r->next->prev = r->prev;
	heap_fini(&r->jobs);
	heap_fini(&r->sessions);
	mem_free(r->name);
	mem_free(r);
}

static struct heap *heap_of(struct schedule *s, const struct entry *e)
{
	if (e->delayed)
		return &s->delayed;
	if (e->job.child)
		return &s->children;
	return e->job.session ? &e->repo->sessions : &e->repo->jobs;
}

/* -- entries ----------------------------------------------------------- */

static bool entry_is(const struct map_node *node, const void *id)
{
	return memcmp(&CONTAINER_OF(node, struct entry, by_id)->job.id, id,
		   sizeof(job_id)) == 0;
}

struct entry *schedule_find_locked(const struct schedule *s, job_id id)
{
	struct map_node *node =
	    map_find(&s->entries, map_hash(&id, sizeof(id)), entry_is, &id);

	return node != NULL ? CONTAINER_OF(node, struct entry, by_id) : NULL;
}

/* Mostly the newest: the walk is short. */
static void link_by_age_locked(struct schedule *s, struct entry *e)
{
	struct entry *at = s->newest;

	while (at != NULL && schedule_earlier(e, at))
		at = at->older;
	e->older = at;
	e->newer = at != NULL ? at->newer : s->oldest;
	*(e->older != NULL ? &e->older->newer : &s->oldest) = e;
	*(e->newer != NULL ? &e->newer->older : &s->newest) = e;
}

static void entry_unlink_locked(struct schedule *s, struct entry *e)
{
	heap_remove(heap_of(s, e), &e->in_heap);
	map_remove(&s->entries, &e->by_id);
	*(e->older != NULL ? &e->older->newer : &s->oldest) = e->newer;
	*(e->newer != NULL ? &e->newer->older : &s->newest) = e->older;
	e->repo->waiting--;
	s->waiting--;
}

void schedule_wake_due_locked(struct schedule *s)
{
	int64_t now = clock_mono_ns();
	struct heap_node *top;
	struct entry *e;

	while ((top = heap_top(&s->delayed)) != NULL) {
		e = entry_of(top);
		if (e->due_ns > now)
			return;
		heap_remove(&s->delayed, top);
		e->delayed = false;
		heap_push(heap_of(s, e), &e->in_heap);
	}
}

/* -- the choice -------------------------------------------------------- */

bool schedule_may_lease(const struct schedule *s)
{
	return s->idle_sessions < s->config.sessions_idle_max;
}

/* The most urgent of one repository that is allowed to start. */
static struct entry *repo_best(const struct schedule *s, const struct repo *r)
{
	struct heap_node *job = heap_top(&r->jobs);
	struct heap_node *session =
	    schedule_may_lease(s) ? heap_top(&r->sessions) : NULL;

	if (job == NULL || session == NULL)
		job = job != NULL ? job : session;
	else if (schedule_more_urgent(session, job))
		job = session;
	return job != NULL ? entry_of(job) : NULL;
}

/* Fairness among equals: see schedule.h. */
static bool goes_before(const struct entry *a, const struct entry *b)
{
	if (a->job.priority != b->job.priority)
		return a->job.priority > b->job.priority;
	if (a->repo != b->repo && a->repo->running != b->repo->running)
		return a->repo->running < b->repo->running;
	if (a->repo != b->repo && a->repo->served != b->repo->served)
		return a->repo->served < b->repo->served;
	return schedule_earlier(a, b);
}

static struct entry *oldest_eligible(const struct schedule *s)
{
	struct entry *e = s->oldest;

	while (e != NULL && (e->delayed || e->job.child ||
				(e->job.session && !schedule_may_lease(s))))
		e = e->newer;
	return e;
}

struct entry *schedule_choose_locked(struct schedule *s)
{
	struct entry *best = NULL, *e;

	schedule_wake_due_locked(s);
	if ((s->picks + 1) % OLDEST_EVERY == 0)
		return oldest_eligible(s);
	for (const struct repo *r = s->first_repo; r != NULL; r = r->next) {
		e = repo_best(s, r);
		if (e != NULL && (best == NULL || goes_before(e, best)))
			best = e;
	}
	return best;
}

bool schedule_fits(const struct schedule *s, const struct schedule_job *job)
{
	/* Alone on the host every job fits: a request above the budget was
	 * refused at delegation, the budget may have shrunk since. */
	return s->running == 0 || s->config.memory_bytes == 0 ||
	       s->memory_used + job->memory_bytes <= s->config.memory_bytes;
}

static void hold_locked(struct schedule *s, const struct schedule_job *job,
    struct repo *repo, struct schedule_grant *ret)
{
	*ret = (struct schedule_grant){.job = *job, .repo = repo};
	if (job->child) {
		repo->children++;
		return;
	}
	ret->idle_session = job->session;
	repo->running++;
	repo->served = ++s->picks;
	s->running++;
	s->memory_used += job->memory_bytes;
	s->idle_sessions += job->session;
}

void schedule_grant_locked(
    struct schedule *s, struct entry *e, struct schedule_grant *ret)
{
	entry_unlink_locked(s, e);
	hold_locked(s, &e->job, e->repo, ret);
	mem_free(e);
}

static bool try_take_locked(struct schedule *s, struct schedule_grant *ret)
{
	struct entry *e;

	if (s->gates != 0 || s->running >= s->config.slots)
		return false;
	e = schedule_choose_locked(s);
	if (e == NULL || !schedule_fits(s, &e->job))
		return false;
	schedule_grant_locked(s, e, ret);
	return true;
}

int64_t schedule_next_due_locked(const struct schedule *s)
{
	struct heap_node *top = heap_top(&s->delayed);

	return top != NULL ? entry_of(top)->due_ns : CLOCK_NO_DEADLINE;
}

/* Each decision, for LOG_LEVEL=debug: which job goes before the others. */
static void tell_taken(
    const struct schedule_job *job, unsigned waiting, unsigned running)
{
	char id[UUID_TEXT_LEN];

	log_debug(NULL, "job chosen to run",
	    LOG_STR("job", uuid_text(job->id.u, id)),
	    LOG_INT("priority", job->priority),
	    LOG_MS("waited_ms", clock_wall_ns() - job->since),
	    LOG_INT("waiting", waiting), LOG_INT("running", running));
}

static void tell_gate(
    enum schedule_gate gate, bool closed, unsigned before, unsigned now)
{
	static const struct {
		enum schedule_gate gate;
		const char *name;
	} names[] = {{GATE_ENGINE_DOWN, "engine_down"},
	    {GATE_DISK_FULL, "disk_full"}, {GATE_DRAINING, "draining"},
	    {GATE_STARTING, "starting"}, {GATE_PAUSED, "paused"},
	    {GATE_EMPTYING, "emptying"}};
	const char *name = "?";

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].gate == gate)
			name = names[i].name;
	if (before != now)
		log_debug(NULL,
		    closed ? "nothing is started any more"
			   : "a reason to start nothing is gone",
		    LOG_STR("reason", name), LOG_INT("gates", now));
}

bool schedule_take(struct schedule *s, struct schedule_grant *ret)
{
	unsigned waiting, running;
	bool taken = false;

	mtx_lock(&s->mtx);
	while (!s->stopped && !(taken = try_take_locked(s, ret)))
		IGNORE(cond_wait_until(
		    &s->changed, &s->mtx, schedule_next_due_locked(s)));
	/* Only one taker knows of the next delayed job, and it leaves now:
	 * another one takes over the watch. */
	if (taken && s->waiting > 0)
		cond_signal(&s->changed);
	waiting = (unsigned)s->waiting;
	running = s->running;
	mtx_unlock(&s->mtx);
	if (taken)
		tell_taken(&ret->job, waiting, running);
	return taken;
}

void schedule_occupy(struct schedule *s, const struct schedule_job *job,
    const char *repository, struct schedule_grant *ret)
{
	mtx_lock(&s->mtx);
	if (job->child)
		schedule_join_family_locked(s, job->parent);
	hold_locked(s, job, repo_get_locked(s, repository), ret);
	mtx_unlock(&s->mtx);
}

static void driven_locked(struct schedule *s, struct schedule_grant *g)
{
	if (g->idle_session)
		s->idle_sessions--;
	g->idle_session = false;
}

void schedule_driven(struct schedule *s, struct schedule_grant *g)
{
	mtx_lock(&s->mtx);
	driven_locked(s, g);
	cond_broadcast(&s->changed);
	mtx_unlock(&s->mtx);
}

void schedule_release(struct schedule *s, struct schedule_grant *g)
{
	struct repo *r = g->repo;

	mtx_lock(&s->mtx);
	driven_locked(s, g);
	if (g->job.child) {
		schedule_leave_family_locked(s, g->job.parent);
		r->children--;
	} else {
		s->running--;
		s->memory_used -= g->job.memory_bytes;
		r->running--;
	}
	repo_drop_if_idle_locked(s, r);
	g->repo = NULL;
	cond_broadcast(&s->changed);
	mtx_unlock(&s->mtx);
}

/* -- the queue --------------------------------------------------------- */

int schedule_open(
    struct schedule **ret, const struct schedule_config *c, struct err *err)
{
	struct schedule *s = mem_zalloc(sizeof(*s));

	(void)err;
	s->config = *c;
	mtx_init(&s->mtx, "schedule");
	cond_init(&s->changed);
	cond_init(&s->child_changed);
	heap_init(&s->delayed, due_sooner);
	heap_init(&s->children, schedule_more_urgent);
	*ret = s;
	return 0;
}

/* It waits no more, and does not run. */
static void drop_locked(struct schedule *s, struct entry *e)
{
	if (e->job.child)
		schedule_leave_family_locked(s, e->job.parent);
	entry_unlink_locked(s, e);
	mem_free(e);
}

void schedule_close(struct schedule *s)
{
	struct entry *e;
	struct repo *r;

	if (s == NULL)
		return;
	while ((e = s->oldest) != NULL) {
		r = e->repo;
		drop_locked(s, e);
		repo_drop_if_idle_locked(s, r);
	}
	ASSERT(s->families == NULL);
	ASSERT(s->first_repo == NULL); /* every grant was released */
	map_fini(&s->entries);
	map_fini(&s->repos);
	heap_fini(&s->delayed);
	heap_fini(&s->children);
	cond_fini(&s->child_changed);
	cond_fini(&s->changed);
	mtx_fini(&s->mtx);
	mem_free(s);
}

void schedule_set_memory(struct schedule *s, int64_t memory_bytes)
{
	mtx_lock(&s->mtx);
	s->config.memory_bytes = memory_bytes;
	cond_broadcast(&s->changed);
	mtx_unlock(&s->mtx);
}

bool schedule_has_room(struct schedule *s)
{
	bool room;

	mtx_lock(&s->mtx);
	room = s->waiting < s->config.queue_max;
	mtx_unlock(&s->mtx);
	return room;
}

static void insert_locked(
    struct schedule *s, const struct schedule_job *job, const char *repository)
{
	struct entry *e = mem_zalloc(sizeof(*e));
	int64_t wait_ns = job->not_before - clock_wall_ns();

	e->job = *job;
	e->repo = repo_get_locked(s, repository);
	e->delayed = wait_ns > 0;
	if (e->delayed)
		e->due_ns =
		    clock_deadline_ms((wait_ns - 1) / CLOCK_NS_PER_MS + 1);
	heap_push(heap_of(s, e), &e->in_heap);
	map_insert(&s->entries, &e->by_id, map_hash(&job->id, sizeof(job->id)));
	link_by_age_locked(s, e);
	e->repo->waiting++;
	s->waiting++;
	if (job->child)
		schedule_join_family_locked(s, job->parent);
	cond_signal(job->child ? &s->child_changed : &s->changed);
}

int schedule_add(struct schedule *s, const struct schedule_job *job,
    const char *repository, struct err *err)
{
	bool known;

	mtx_lock(&s->mtx);
	known = schedule_find_locked(s, job->id) != NULL;
	if (!known)
		insert_locked(s, job, repository);
	mtx_unlock(&s->mtx);
	return known ? err_set(err, ERR_CONFLICT, NULL, "already queued") : 0;
}

bool schedule_remove(struct schedule *s, job_id id)
{
	struct entry *e;
	struct repo *r;

	mtx_lock(&s->mtx);
	e = schedule_find_locked(s, id);
	if (e != NULL) {
		r = e->repo;
		drop_locked(s, e);
		repo_drop_if_idle_locked(s, r);
		cond_broadcast(&s->changed);
	}
	mtx_unlock(&s->mtx);
	return e != NULL;
}

void schedule_close_gate(struct schedule *s, enum schedule_gate gate)
{
	unsigned before, now;

	mtx_lock(&s->mtx);
	before = s->gates;
	now = s->gates |= gate;
	mtx_unlock(&s->mtx);
	tell_gate(gate, true, before, now);
}

void schedule_open_gate(struct schedule *s, enum schedule_gate gate)
{
	unsigned before, now;

	mtx_lock(&s->mtx);
	before = s->gates;
	now = s->gates &= ~(unsigned)gate;
	cond_broadcast(&s->changed);
	cond_broadcast(&s->child_changed);
	mtx_unlock(&s->mtx);
	tell_gate(gate, false, before, now);
}

void schedule_stop(struct schedule *s)
{
	mtx_lock(&s->mtx);
	s->stopped = true;
	cond_broadcast(&s->changed);
	cond_broadcast(&s->child_changed);
	mtx_unlock(&s->mtx);
}

void schedule_stats(struct schedule *s, struct schedule_stats *ret)
{
	mtx_lock(&s->mtx);
	*ret = (struct schedule_stats){.slots = s->config.slots,
	    .running = s->running,
	    .idle_sessions = s->idle_sessions,
	    .waiting = s->waiting,
	    .memory_total = s->config.memory_bytes,
	    .memory_used = s->memory_used,
	    .oldest_since = s->oldest != NULL ? s->oldest->job.since : 0,
	    .gates = s->gates};
	mtx_unlock(&s->mtx);
}
