/* The event bus: see bus.h. One mutex; rendering happens once, at publishing.
 */
#include "jobs/bus.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "store/notices.h"

enum { RING = 4096, EVENT_MAX = 64 * 1024, NOTES = 64 };

struct slot {
	int64_t seq;
	job_id job;
	char *repository;
	char *text; /* as a server-sent event */
};

struct bus {
	struct store *store;
	struct mtx mtx;
	struct slot
	    ring[RING];      /* by seq modulo RING; guarded, like all below */
	int64_t first, last; /* seq of the oldest and newest in the ring */
	struct bus_follower *followers;
	uint64_t ticks;     /* so far */
	char *tick;         /* the newest, as a server-sent event */
	uint64_t nnotes;    /* so far */
	char *notes[NOTES]; /* the newest, by number modulo NOTES */
};

/* -- rendering --------------------------------------------------------- */

void event_write(const struct job_event *e, struct json *j)
{
	char id[UUID_TEXT_LEN];

	json_obj(j);
	json_kint(j, "id", e->seq);
	json_kstr(j, "type", e->type);
	json_kstr(j, "jobId", uuid_text(e->job.u, id));
	json_kstr(j, "repository", e->repository);
	json_ktime(j, "at", e->at);
	json_kstr(j, "from", e->from);
	json_kstr(j, "status", e->to);
	json_kstr(j, "code", e->reason_code);
	json_kstr(j, "reason", e->reason);
	json_kraw(j, "data", e->data);
	json_end(j);
}

/* The names that followers know (jobs-api §2). */
static const char *public_name(const char *type)
{
	if (strcmp(type, "delegated") == 0)
		return "job:delegated";
	if (strcmp(type, "status") == 0)
		return "job:status";
	if (strcmp(type, "cancel_requested") == 0)
		return "job:cancel_requested";
	return type;
}

static void render(const struct job_event *e, struct buf *out)
{
	struct json j;

	IGNORE(buf_printf(out, "id: %" PRId64 "\nevent: %s\ndata: ", e->seq,
	    public_name(e->type))); /* a cut event is still an event */
	json_init(&j, out);
	event_write(e, &j);
	IGNORE(buf_append_str(out, "\n\n"));
}

/* -- publishing -------------------------------------------------------- */

static void slot_clear(struct slot *s)
{
	mem_free(s->repository);
	mem_free(s->text);
	*s = (struct slot){0};
}

/* Each change of a job, for LOG_LEVEL=debug. */
static void tell(const struct job_event *e)
{
	char id[UUID_TEXT_LEN];

	log_debug(NULL, "job changed", LOG_STR("job", uuid_text(e->job.u, id)),
	    LOG_STR("type", e->type), LOG_STR("from", e->from),
	    LOG_STR("to", e->to), LOG_STR("code", e->reason_code),
	    LOG_STR("reason", e->reason), LOG_INT("event", e->seq));
}

/* The store's writer thread, after the commit. */
static void publish(void *arg, const struct job_event *e)
{
	struct bus *b = arg;
	struct buf text;
	struct slot *s = &b->ring[e->seq % RING];

	tell(e);
	buf_init(&text, EVENT_MAX);
	render(e, &text);
	mtx_lock(&b->mtx);
	slot_clear(s);
	*s = (struct slot){.seq = e->seq,
	    .job = e->job,
	    .repository = mem_strdup(e->repository),
	    .text = buf_steal(&text, NULL)};
	b->last = e->seq;
	if (b->first == 0)
		b->first = e->seq;
	if (b->first <= e->seq - RING)
		b->first = e->seq - RING + 1;
	for (struct bus_follower *f = b->followers; f != NULL; f = f->next)
		if (!f->has_job || uuid_equal(f->job.u, e->job.u))
			f->wake(f->arg);
	mtx_unlock(&b->mtx);
}

/* The store's writer thread, after the commit. Followers of all are woken also
 * by notices that they do not see: webhooks read those from the store. */
static void note(void *arg, const struct notice *n)
{
	struct bus *b = arg;
	char **place;

	mtx_lock(&b->mtx);
	if (strncmp(n->type, "runner.", 7) == 0) {
		place = &b->notes[b->nnotes++ % NOTES];
		mem_free(*place);
		*place =
		    mem_printf("event: runner:status\ndata: %s\n\n", n->data);
	}
	for (struct bus_follower *f = b->followers; f != NULL; f = f->next)
		if (!f->has_job)
			f->wake(f->arg);
	mtx_unlock(&b->mtx);
}

int bus_open(struct bus **ret, struct store *store, struct err *err)
{
	struct bus *b = mem_zalloc(sizeof(*b));

	(void)err;
	b->store = store;
	b->last = store_last_event_seq(store);
	mtx_init(&b->mtx, "bus");
	store_on_event(store, publish, b);
	store_on_notice(store, note, b);
	*ret = b;
	return 0;
}

void bus_close(struct bus *b)
{
	if (b == NULL)
		return;
	ASSERT(b->followers == NULL);
	for (size_t i = 0; i < RING; i++)
		slot_clear(&b->ring[i]);
	for (size_t i = 0; i < NOTES; i++)
		mem_free(b->notes[i]);
	mem_free(b->tick);
	mtx_fini(&b->mtx);
	mem_free(b);
}

/* -- following --------------------------------------------------------- */

void bus_follow(struct bus *b, struct bus_follower *f)
{
	mtx_lock(&b->mtx);
	f->next = b->followers;
	b->followers = f;
	mtx_unlock(&b->mtx);
}

void bus_leave(struct bus *b, struct bus_follower *f)
{
	mtx_lock(&b->mtx);
	for (struct bus_follower **p = &b->followers; *p != NULL;
	     p = &(*p)->next)
		if (*p == f) {
			*p = f->next;
			break;
		}
	mtx_unlock(&b->mtx);
}

int64_t bus_last_seq(struct bus *b)
{
	int64_t seq;

	mtx_lock(&b->mtx);
	seq = b->last;
	mtx_unlock(&b->mtx);
	return seq;
}

bool bus_is_followed(struct bus *b)
{
	bool followed = false;

	mtx_lock(&b->mtx);
	for (struct bus_follower *f = b->followers; f != NULL; f = f->next)
		followed = followed || !f->no_ticks;
	mtx_unlock(&b->mtx);
	return followed;
}

void bus_tick(struct bus *b, const char *json)
{
	char *text = mem_printf("event: metrics\ndata: %s\n\n", json);

	mtx_lock(&b->mtx);
	mem_free(b->tick);
	b->tick = text;
	b->ticks++;
	for (struct bus_follower *f = b->followers; f != NULL; f = f->next)
		if (!f->has_job)
			f->wake(f->arg);
	mtx_unlock(&b->mtx);
}

void bus_read_tick(struct bus *b, uint64_t *seen, struct buf *out)
{
	mtx_lock(&b->mtx);
	if (*seen != b->ticks && b->tick != NULL)
		IGNORE(buf_append_str(out, b->tick)); /* the next one comes */
	*seen = b->ticks;
	mtx_unlock(&b->mtx);
}

uint64_t bus_last_note(struct bus *b)
{
	uint64_t n;

	mtx_lock(&b->mtx);
	n = b->nnotes;
	mtx_unlock(&b->mtx);
	return n;
}

void bus_read_notes(struct bus *b, uint64_t *seen, struct buf *out)
{
	mtx_lock(&b->mtx);
	if (b->nnotes - *seen > NOTES)
		*seen = b->nnotes - NOTES;
	for (; *seen < b->nnotes; ++*seen)
		if (buf_append_str(out, b->notes[*seen % NOTES]) < 0)
			break; /* no room: the rest comes next time */
	mtx_unlock(&b->mtx);
}

static bool matches(const struct slot *s, const struct bus_filter *f)
{
	if (f->has_job && !uuid_equal(s->job.u, f->job.u))
		return false;
	return f->repository == NULL ||
	       strcmp(f->repository, s->repository) == 0;
}

/* False: what follows seq has left the ring. */
static bool read_ring(struct bus *b, int64_t *seq, const struct bus_filter *f,
    int max, struct buf *out, bool *ret_more)
{
	bool held;

	mtx_lock(&b->mtx);
	held = *seq >= b->last || (b->first > 0 && *seq + 1 >= b->first);
	while (held && *seq < b->last && max > 0) {
		const struct slot *s = &b->ring[(*seq + 1) % RING];

		if (s->seq == *seq + 1 && matches(s, f)) {
			if (buf_append_str(out, s->text) < 0)
				break;
			max--;
		}
		++*seq; /* a number that was rolled back has no slot */
	}
	*ret_more = held && *seq < b->last;
	mtx_unlock(&b->mtx);
	return held;
}

static int read_store(struct bus *b, int64_t *seq, const struct bus_filter *f,
    int max, struct buf *out, struct err *err)
{
	CLEANUP(job_event_list_free) struct job_event_list l = {0};
	int64_t upto = bus_last_seq(b);

	TRY(store_events_after(b->store, *seq, f->has_job ? &f->job : NULL,
	    f->repository, max, &l, err));
	for (size_t i = 0; i < l.n; i++) {
		CLEANUP(buf_fini) struct buf text = {0};

		buf_init(&text, EVENT_MAX);
		render(&l.items[i], &text);
		if (buf_append(out, buf_str(&text), text.len) < 0)
			return 0; /* no room: the rest comes next time */
		*seq = l.items[i].seq;
	}
	if ((int)l.n < max && upto > *seq)
		*seq = upto; /* nothing that matches up to there */
	return 0;
}

int bus_read(struct bus *b, int64_t *seq, const struct bus_filter *filter,
    int max, struct buf *out, bool *ret_more, struct err *err)
{
	if (read_ring(b, seq, filter, max, out, ret_more))
		return 0;
	*ret_more = true;
	return read_store(b, seq, filter, max, out, err);
}
