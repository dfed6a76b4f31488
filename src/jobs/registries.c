/* Credentials of sessions: see registries.h. A short list, newest first. */
#include "jobs/registries.h"

#include "base/mem.h"
#include "base/thread.h"

enum { ENTRIES_MAX = 10000 };
#define BYTES_MAX ((size_t)64 * 1024 * 1024)

struct entry {
	struct uuid job;
	struct secret *json;
	struct entry *next;
};

struct registries {
	struct mtx mtx;
	struct entry *newest; /* guarded by mtx, like all below */
	size_t n, bytes;
};

struct registries *registries_new(void)
{
	struct registries *r = mem_zalloc(sizeof(*r));

	mtx_init(&r->mtx, "registries");
	return r;
}

static size_t size_of(const struct entry *e)
{
	size_t len;

	secret_expose(e->json, &len);
	return len;
}

/* *at is taken out and freed. */
static void drop_locked(struct registries *r, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	r->n--;
	r->bytes -= size_of(e);
	secret_free(e->json);
	mem_free(e);
}

static struct entry **find_locked(struct registries *r, struct uuid job)
{
	struct entry **at = &r->newest;

	mtx_assert_held(&r->mtx);
	while (*at != NULL && !uuid_equal((*at)->job, job))
		at = &(*at)->next;
	return at;
}

void registries_free(struct registries *r)
{
	if (r == NULL)
		return;
	while (r->newest != NULL)
		drop_locked(r, &r->newest);
	mtx_fini(&r->mtx);
	mem_free(r);
}

static void make_room_locked(struct registries *r)
{
	struct entry **last = &r->newest;

	while (r->n > ENTRIES_MAX || r->bytes > BYTES_MAX) {
		while ((*last)->next != NULL)
			last = &(*last)->next;
		drop_locked(r, last);
		last = &r->newest;
	}
}

void registries_put(
    struct registries *r, struct uuid job, const struct secret *json)
{
	struct entry *e = mem_zalloc(sizeof(*e)), **old;

	e->job = job;
	e->json = secret_copy(json);
	mtx_lock(&r->mtx);
	old = find_locked(r, job);
	if (*old != NULL)
		drop_locked(r, old);
	e->next = r->newest;
	r->newest = e;
	r->n++;
	r->bytes += size_of(e);
	make_room_locked(r);
	mtx_unlock(&r->mtx);
}

struct secret *registries_get(struct registries *r, struct uuid job)
{
	struct secret *found = NULL;
	struct entry **at;

	mtx_lock(&r->mtx);
	at = find_locked(r, job);
	if (*at != NULL)
		found = secret_copy((*at)->json);
	mtx_unlock(&r->mtx);
	return found;
}

void registries_forget(struct registries *r, struct uuid job)
{
	struct entry **at;

	mtx_lock(&r->mtx);
	at = find_locked(r, job);
	if (*at != NULL)
		drop_locked(r, at);
	mtx_unlock(&r->mtx);
}

void registries_keep(struct registries *r,
    bool (*is_open)(void *arg, struct uuid job), void *arg)
{
	struct uuid *jobs;
	size_t n = 0;

	mtx_lock(&r->mtx);
	jobs = mem_calloc(r->n + 1, sizeof(*jobs));
	for (const struct entry *e = r->newest; e != NULL; e = e->next)
		jobs[n++] = e->job;
	mtx_unlock(&r->mtx);
	for (size_t i = 0; i < n; i++)
		if (!is_open(arg, jobs[i]))
			registries_forget(r, jobs[i]);
	mem_free(jobs);
}
