/*
 * Who gets a place among the instances of components, and who has to leave it:
 * see instances.h. One transaction of the writer thread.
 */
#include "store/instances.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"

struct admission {
	struct write write; /* first */
	const struct instance_admission *wanted;
	char id[UUID_TEXT_LEN];
	char now[CLOCK_ISO_LEN];
};

static int refuse_same(
    struct db *db, const struct admission *a, struct err *err)
{
	static const char sql[] =
	    "SELECT status FROM instances WHERE " INSTANCE_ACTIVE
	    " AND component_ref = ? LIMIT 1";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, a->wanted->component_ref);
	rc = db_step(st, err);
	TRY(rc);
	if (rc == 0)
		return 0;
	return err_set(err, ERR_CONFLICT, "component_running",
	    "%.200s is already %s. Stop it first.", a->wanted->component_ref,
	    db_col_text(st));
}

static int refuse_full(
    struct db *db, const struct admission *a, struct err *err)
{
	static const char sql[] =
	    "SELECT component_ref, status FROM instances WHERE " INSTANCE_ACTIVE
	    " ORDER BY seq";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char first[256] = "", status[16] = "";
	int64_t n = 0;
	int rc;

	TRY(db_use(db, sql, &st, err));
	while ((rc = db_step(st, err)) == 1 && n++ == 0) {
		snprintf(first, sizeof(first), "%s", db_col_text(st));
		snprintf(status, sizeof(status), "%s", db_col_text(st));
	}
	TRY(rc);
	if (n < a->wanted->max)
		return 0;
	if (a->wanted->max == 1)
		return err_set(err, ERR_CONFLICT, "component_running",
		    "Another component is already running: %s is %s. Stop it "
		    "first.",
		    first, status);
	return err_set(err, ERR_CONFLICT, "component_running",
	    "%lld components are running already, that is the maximum "
	    "(components.max); the oldest is %s. Stop one first.",
	    (long long)n, first);
}

/* -- the replacing one ------------------------------------------------- */

struct rival {
	char id[UUID_TEXT_LEN];
	char *component_ref, *owner;
	bool same;  /* another of its component */
	bool stays; /* the caller may not send it away */
};

struct rivals {
	struct rival *items;
	size_t n;
};

static void rivals_free_guard(struct rivals *l)
{
	for (size_t i = 0; i < l->n; i++) {
		mem_free(l->items[i].component_ref);
		mem_free(l->items[i].owner);
	}
	mem_free(l->items);
}

/* Those that hold a place and are not on their way out, the oldest first. */
static int list_rivals(
    struct db *db, const struct admission *a, struct rivals *l, struct err *err)
{
	static const char sql[] =
	    "SELECT id, component_ref, owner FROM instances WHERE"
	    " status IN ('starting', 'running')"
	    " ORDER BY seq";
	const struct instance_admission *w = a->wanted;
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	TRY(db_use(db, sql, &st, err));
	while ((rc = db_step(st, err)) == 1) {
		struct rival *r;

		l->items =
		    mem_realloc(l->items, (l->n + 1) * sizeof(*l->items));
		r = &l->items[l->n++];
		snprintf(r->id, sizeof(r->id), "%s", db_col_text(st));
		r->component_ref = db_col_strdup(st);
		r->owner = db_col_strdup(st);
		r->same = strcmp(r->component_ref, w->component_ref) == 0;
		r->stays =
		    w->may_replace != NULL && !w->may_replace(w->arg, r->owner);
	}
	return rc;
}

static int send_away(
    struct db *db, const struct admission *a, const char *id, struct err *err)
{
	static const char sql[] = "UPDATE instances SET status = 'stopping',"
				  " stop_requested = 1, updated_at = ?"
				  " WHERE id = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, a->now);
	db_bind_text(st, id);
	return db_run(st, err);
}

static int refuse_to_replace(const struct rival *r, struct err *err)
{
	return err_set(err, ERR_CONFLICT, "component_running",
	    "%.200s is already running and belongs to %.200s, who alone may "
	    "stop or replace it.",
	    r->component_ref, r->owner != NULL ? r->owner : "nobody");
}

/* Of the component itself all, of the others as many as are too many. */
static int make_room_among(struct db *db, const struct admission *a,
    const struct rivals *l, struct err *err)
{
	const struct rival *in_the_way = NULL;
	int64_t stay = 0;

	for (size_t i = 0; i < l->n; i++)
		stay += !l->items[i].same;
	for (size_t i = 0; i < l->n; i++) {
		const struct rival *r = &l->items[i];

		if (!r->same && stay < a->wanted->max)
			continue;
		if (r->stays && r->same)
			return refuse_to_replace(r, err);
		if (r->stays) {
			in_the_way = in_the_way != NULL ? in_the_way : r;
			continue;
		}
		stay -= !r->same;
		TRY(send_away(db, a, r->id, err));
	}
	if (stay < a->wanted->max)
		return 0;
	ASSERT(in_the_way != NULL);
	return refuse_to_replace(in_the_way, err);
}

static int make_room(struct db *db, const struct admission *a, struct err *err)
{
	CLEANUP(rivals_free) struct rivals l = {0};

	TRY(list_rivals(db, a, &l, err));
	return make_room_among(db, a, &l, err);
}

static int run_admission(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO instances (id, component_ref, status, ports,"
	    " progress, plan, started_at, updated_at, owner, started_by)"
	    " VALUES (?, ?, 'starting', '[]', ?, ?, ?, ?, ?, ?)";
	struct admission *a = (struct admission *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;

	if (a->wanted->replace) {
		TRY(make_room(tx->db, a, err));
	} else {
		TRY(refuse_same(tx->db, a, err));
		TRY(refuse_full(tx->db, a, err));
	}
	TRY(db_use(tx->db, sql, &st, err));
	db_bind_text(st, a->id);
	db_bind_text(st, a->wanted->component_ref);
	db_bind_text(st, a->wanted->progress);
	db_bind_text(st, a->wanted->plan);
	db_bind_text(st, a->now);
	db_bind_text(st, a->now);
	db_bind_text(st, a->wanted->owner);
	db_bind_text(st, a->wanted->started_by);
	return db_run(st, err);
}

int store_instance_admit(struct store *s,
    const struct instance_admission *wanted, instance_id *ret, struct err *err)
{
	struct admission a = {
	    .write = {.run = run_admission}, .wanted = wanted};
	instance_id id;

	MAGIC_CHECK(s, STORE_MAGIC);
	ASSERT(wanted->max >= 1);
	id = wanted->id != NULL ? *wanted->id : (instance_id){uuid_v4()};
	uuid_text(id.u, a.id);
	clock_iso(clock_wall_ns(), a.now);
	TRY(writer_run(s, &a.write, err));
	*ret = id;
	return 0;
}
