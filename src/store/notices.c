/*
 * Notices: see notices.h. Added on the writer thread by the change that they
 * tell of; read on the caller's thread.
 */
#include "store/notices.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"

enum { LIST_LIMIT_MAX = 1000 };

static void notice_fini(struct notice *n)
{
	mem_free(n->type);
	mem_free(n->repository);
	mem_free(n->data);
}

void notice_free(struct notice *n)
{
	if (n == NULL)
		return;
	notice_fini(n);
	mem_free(n);
}

void notice_list_free(struct notice_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		notice_fini(&l->items[i]);
	mem_free(l->items);
	*l = (struct notice_list){0};
}

void store_on_notice(
    struct store *s, void (*fn)(void *arg, const struct notice *n), void *arg)
{
	MAGIC_CHECK(s, STORE_MAGIC);
	s->on_notice = fn;
	s->on_notice_arg = arg;
}

/* -- adding ------------------------------------------------------------ */

int notice_add(
    struct tx *tx, struct write *w, struct notice n, bool keep, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO notices (at_ns, type, repository, data)"
	    " SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM webhooks)";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	notice_free(w->notice);
	w->notice = mem_zalloc(sizeof(*w->notice));
	w->notice->at = clock_wall_ns();
	w->notice->type = mem_strdup(n.type);
	w->notice->repository = mem_strdup_or_null(n.repository);
	w->notice->data = mem_strdup(n.data);
	if (!keep)
		return 0;
	TRY(db_use(tx->db, sql, &st, err));
	db_bind_int(st, w->notice->at);
	db_bind_text(st, n.type);
	db_bind_text(st, n.repository);
	db_bind_text(st, n.data);
	return db_run(st, err);
}

struct own {
	struct write write; /* first */
	char *type, *data;
};

static int run_own(struct tx *tx, struct write *w, struct err *err)
{
	struct own *o = (struct own *)w;
	struct notice n = {.type = o->type, .data = o->data};

	return notice_add(tx, w, n, true, err);
}

static void finish_own(struct write *w)
{
	struct own *o = (struct own *)w;

	mem_free(o->type);
	mem_free(o->data);
	mem_free(o);
}

void store_notice(struct store *s, const char *type, const char *data)
{
	struct own *o = mem_zalloc(sizeof(*o));

	MAGIC_CHECK(s, STORE_MAGIC);
	o->write.run = run_own;
	o->write.finish = finish_own;
	o->write.size_bytes = sizeof(*o) + strlen(data);
	o->type = mem_strdup(type);
	o->data = mem_strdup(data);
	writer_add(s, &o->write); /* the engine and the disk change seldom */
}

/* -- reading ----------------------------------------------------------- */

int store_notices_after(struct store *s, int64_t after, int64_t limit,
    struct notice_list *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT seq, at_ns, type, repository, data FROM notices"
	    " WHERE seq > ? ORDER BY seq LIMIT ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(notice_list_free) struct notice_list l = {0};
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	ASSERT(limit >= 1 && limit <= LIST_LIMIT_MAX);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_int(st, after);
	db_bind_int(st, limit);
	l.items = mem_calloc((size_t)limit, sizeof(l.items[0]));
	while ((rc = db_step(st, err)) == 1) {
		struct notice *n = &l.items[l.n++];

		n->seq = db_col_int(st);
		n->at = db_col_int(st);
		n->type = db_col_strdup(st);
		n->repository = db_col_strdup(st);
		n->data = db_col_strdup(st);
	}
	TRY(rc);
	*ret = l;
	l = (struct notice_list){0};
	return 0;
}
