/*
 * The table of component instances: see instances.h; how one gets into it is
 * instance_admission.c's. Changes pass through the writer thread, reads use a
 * borrowed connection.
 */
#include "store/instances.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "store/store_internal.h"

#define INSTANCE_COLUMNS                                                       \
	"seq, id, component_ref, status, stop_requested, container_id, "       \
	"image, commit_sha, ports, progress, error_code, error, plan, "        \
	"exit_code, oom_killed, log_offset, started_at, stopped_at, "          \
	"updated_at, owner, started_by, restarts"

enum { TOLD_MAX = 64 * 1024 };

static const char *const status_names[] = {
    [INSTANCE_STARTING] = "starting",
    [INSTANCE_RUNNING] = "running",
    [INSTANCE_STOPPING] = "stopping",
    [INSTANCE_STOPPED] = "stopped",
    [INSTANCE_ERROR] = "error",
};

const char *instance_status_name(enum instance_status status)
{
	ASSERT(status > 0 && status < ARRAY_LEN(status_names));
	return status_names[status];
}

const char *instance_signal(int exit_code)
{
	return exit_code > 128 ? sigabbrev_np(exit_code - 128) : NULL;
}

bool instance_is_active(enum instance_status status)
{
	return status != INSTANCE_STOPPED && status != INSTANCE_ERROR;
}

void instance_fini(struct instance *i)
{
	char *const owned[] = {i->component_ref, i->container_id, i->image,
	    i->commit, i->ports, i->progress, i->error_code, i->error, i->plan,
	    i->owner, i->started_by};

	for (size_t n = 0; n < ARRAY_LEN(owned); n++)
		mem_free(owned[n]);
	memset(i, 0, sizeof(*i));
}

void instance_list_free(struct instance_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		instance_fini(&l->items[i]);
	mem_free(l->items);
	memset(l, 0, sizeof(*l));
}

static bool parse_status(const char *text, enum instance_status *ret)
{
	for (size_t i = INSTANCE_STARTING; i < ARRAY_LEN(status_names); i++)
		if (text != NULL && strcmp(text, status_names[i]) == 0) {
			*ret = (enum instance_status)i;
			return true;
		}
	return false;
}

/* -- change ------------------------------------------------------------ */

struct change {
	struct write write; /* first */
	const struct instance_change *wanted;
	char id[UUID_TEXT_LEN];
	char now[CLOCK_ISO_LEN];
	/* set by check_from */
	bool changes; /* its status */
	char *component_ref, *owner;
};

static int check_from(struct db *db, struct change *c, struct err *err)
{
	static const char sql[] = "SELECT status, component_ref, owner"
				  " FROM instances WHERE id = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	const enum instance_status *from = c->wanted->from;
	const char *status;
	int rc;

	TRY(db_use(db, sql, &st, err));
	db_bind_text(st, c->id);
	rc = db_step(st, err);
	TRY(rc);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "instance_not_found",
		    "Instance %s not found", c->id);
	status = db_col_text(st);
	c->changes = c->wanted->to != 0 &&
		     strcmp(status, status_names[c->wanted->to]) != 0;
	mem_free(c->component_ref);
	mem_free(c->owner);
	c->component_ref = db_col_strdup(st);
	c->owner = db_col_strdup(st);
	for (size_t i = 0; i < 4 && from[i] != 0; i++)
		if (strcmp(status, status_names[from[i]]) == 0)
			return 0;
	if (from[0] == 0)
		return 0;
	return err_set(err, ERR_CONFLICT, "instance_state",
	    "instance %s is %s by now", c->id, status);
}

static const char CHANGE[] =
    "UPDATE instances SET status = COALESCE(?, status),"
    " stop_requested = CASE WHEN ? = 1 THEN 1 ELSE stop_requested END,"
    " container_id = COALESCE(?,"
    "  CASE WHEN ? = 1 THEN NULL ELSE container_id END),"
    " image = COALESCE(?, image), commit_sha = COALESCE(?, commit_sha),"
    " ports = COALESCE(?, ports), progress = COALESCE(?, progress),"
    " error_code = COALESCE(?, error_code), error = COALESCE(?, error),"
    " plan = COALESCE(?, plan), exit_code = COALESCE(?, exit_code),"
    " oom_killed = CASE WHEN ? = 1 THEN 1 ELSE oom_killed END,"
    " log_offset = COALESCE(?, log_offset),"
    " restarts = COALESCE(?, restarts),"
    " stopped_at = COALESCE(stopped_at, ?), updated_at = ? WHERE id = ?";

static void bind_optional(struct db_stmt *st, bool has, int64_t value)
{
	if (has)
		db_bind_int(st, value);
	else
		db_bind_null(st);
}

static void bind_change(struct db_stmt *st, const struct change *c)
{
	const struct instance_change *w = c->wanted;
	bool ends = w->to != 0 && !instance_is_active(w->to);

	db_bind_text(st, w->to != 0 ? status_names[w->to] : NULL);
	db_bind_int(st, w->stop_requested);
	db_bind_text(st, w->container_id);
	db_bind_int(st, w->clear_container);
	db_bind_text(st, w->image);
	db_bind_text(st, w->commit);
	db_bind_text(st, w->ports);
	db_bind_text(st, w->progress);
	db_bind_text(st, w->error_code);
	db_bind_text(st, w->error);
	db_bind_text(st, w->plan);
	bind_optional(st, w->set_exit_code, w->exit_code);
	db_bind_int(st, w->oom_killed);
	bind_optional(st, w->set_log_offset, w->log_offset);
	bind_optional(st, w->restarts != 0, w->restarts);
	db_bind_text(st, ends ? c->now : NULL);
	db_bind_text(st, c->now);
	db_bind_text(st, c->id);
}

/* Ready and over are told to webhooks (notices.h). */
static int tell_status(
    struct tx *tx, struct write *w, const struct change *c, struct err *err)
{
	static const char *const types[] = {
	    [INSTANCE_RUNNING] = "component.ready",
	    [INSTANCE_STOPPED] = "component.stopped",
	    [INSTANCE_ERROR] = "component.error",
	};
	CLEANUP(buf_fini) struct buf text = {0};
	const char *type = types[c->wanted->to];
	struct notice n = {.type = (char *)type};
	struct json j;

	if (!c->changes || type == NULL)
		return 0;
	buf_init(&text, TOLD_MAX);
	json_init(&j, &text);
	json_obj(&j);
	json_kstr(&j, "id", c->id);
	json_kstr(&j, "componentRef", c->component_ref);
	json_kstr(&j, "owner", c->owner);
	json_kstr(&j, "status", status_names[c->wanted->to]);
	json_kstr(&j, "code", c->wanted->error_code);
	json_kstr(&j, "error", c->wanted->error);
	json_end(&j);
	if (text.overflow)
		return 0; /* larger than any that is admitted */
	n.data = text.data;
	return notice_add(tx, w, n, true, err);
}

static int run_change(struct tx *tx, struct write *w, struct err *err)
{
	struct change *c = (struct change *)w;
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(check_from(tx->db, c, err));
	TRY(db_use(tx->db, CHANGE, &st, err));
	bind_change(st, c);
	TRY(db_run(st, err));
	return tell_status(tx, w, c, err);
}

int store_instance_change(struct store *s, instance_id id,
    const struct instance_change *change, struct err *err)
{
	struct change c = {.write = {.run = run_change}, .wanted = change};
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	uuid_text(id.u, c.id);
	clock_iso(clock_wall_ns(), c.now);
	rc = writer_run(s, &c.write, err);
	mem_free(c.component_ref);
	mem_free(c.owner);
	return rc;
}

/* -- history ----------------------------------------------------------- */

struct prune {
	struct write write; /* first */
	int64_t keep;
	instance_id *ids;
	size_t max, n;
};

static int list_old(struct db *db, struct prune *p, struct err *err)
{
	static const char sql[] =
	    "SELECT id FROM instances i WHERE status IN ('stopped', 'error')"
	    " AND seq <= (SELECT seq FROM instances WHERE"
	    "  status IN ('stopped', 'error') ORDER BY seq DESC"
	    "  LIMIT 1 OFFSET ?)"
	    " AND EXISTS (SELECT 1 FROM instances n WHERE n.seq > i.seq"
	    "  AND n.component_ref = i.component_ref"
	    "  AND n.status IN ('stopped', 'error'))"
	    " ORDER BY seq LIMIT ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	TRY(db_use(db, sql, &st, err));
	db_bind_int(st, p->keep);
	db_bind_int(st, (int64_t)p->max);
	while ((rc = db_step(st, err)) == 1)
		if (uuid_parse(db_col_text(st), &p->ids[p->n].u) == 0)
			p->n++;
	return rc;
}

static int run_prune(struct tx *tx, struct write *w, struct err *err)
{
	static const char sql[] = "DELETE FROM instances WHERE id = ?";
	struct prune *p = (struct prune *)w;
	char id[UUID_TEXT_LEN];

	p->n = 0;
	TRY(list_old(tx->db, p, err));
	for (size_t i = 0; i < p->n; i++) {
		CLEANUP(db_done) struct db_stmt *st = NULL;

		TRY(db_use(tx->db, sql, &st, err));
		db_bind_text(st, uuid_text(p->ids[i].u, id));
		TRY(db_run(st, err));
	}
	return 0;
}

int store_instance_prune(struct store *s, int64_t keep, instance_id *ret,
    size_t max, struct err *err)
{
	struct prune p = {
	    .write = {.run = run_prune}, .keep = keep, .ids = ret, .max = max};

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(writer_run(s, &p.write, err));
	return (int)p.n;
}

/* -- reads ------------------------------------------------------------- */

static bool read_time(struct db_stmt *st, int64_t *ret)
{
	const char *text = db_col_text(st);

	*ret = 0;
	return text == NULL || clock_parse_iso(text, ret) == 0;
}

static int read_row(struct db_stmt *st, struct instance *i, struct err *err)
{
	bool good;

	i->seq = db_col_int(st);
	good = uuid_parse(db_col_text(st), &i->id.u) == 0;
	i->component_ref = db_col_strdup(st);
	good &= parse_status(db_col_text(st), &i->status);
	i->stop_requested = db_col_int(st) != 0;
	i->container_id = db_col_strdup(st);
	i->image = db_col_strdup(st);
	i->commit = db_col_strdup(st);
	i->ports = db_col_strdup(st);
	i->progress = db_col_strdup(st);
	i->error_code = db_col_strdup(st);
	i->error = db_col_strdup(st);
	i->plan = db_col_strdup(st);
	i->exit_code = (int)db_col_int_null(st, &i->has_exit_code);
	i->oom_killed = db_col_int(st) != 0;
	i->log_offset = db_col_int_null(st, &i->has_log_offset);
	good &= read_time(st, &i->started_at);
	good &= read_time(st, &i->stopped_at);
	good &= read_time(st, &i->updated_at);
	i->owner = db_col_strdup(st);
	i->started_by = db_col_strdup(st);
	i->restarts = (int)db_col_int(st);
	if (good)
		return 0;
	return err_set(err, ERR_INTERNAL, "store_corrupt",
	    "the stored instance of %.100s has an unreadable id, status or "
	    "time",
	    i->component_ref);
}

int store_instance_get(
    struct store *s, instance_id id, struct instance *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " INSTANCE_COLUMNS " FROM instances WHERE id = ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(instance_fini) struct instance found = {0};
	char key[UUID_TEXT_LEN];
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_text(st, uuid_text(id.u, key));
	rc = db_step(st, err);
	if (rc <= 0)
		return rc;
	TRY(read_row(st, &found, err));
	*ret = found;
	found = (struct instance){0};
	return 1;
}

static void reverse(struct instance_list *l)
{
	for (size_t i = 0, k = l->n; i + 1 < k; i++) {
		struct instance t = l->items[i];

		l->items[i] = l->items[--k];
		l->items[k] = t;
	}
}

int store_instance_list(struct store *s, bool active_only, int64_t limit,
    struct instance_list *ret, struct err *err)
{
	static const char all[] = "SELECT " INSTANCE_COLUMNS
				  " FROM instances ORDER BY seq DESC LIMIT ?";
	static const char active[] =
	    "SELECT " INSTANCE_COLUMNS " FROM instances WHERE " INSTANCE_ACTIVE
	    " ORDER BY seq DESC LIMIT ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	CLEANUP(instance_list_free) struct instance_list l = {0};
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	ASSERT(limit >= 1 && limit <= INSTANCE_LIST_MAX);
	TRY(reader_take(s, &r, err));
	TRY(db_use(r.db, active_only ? active : all, &st, err));
	db_bind_int(st, limit);
	l.items = mem_calloc((size_t)limit, sizeof(l.items[0]));
	while ((rc = db_step(st, err)) == 1)
		TRY(read_row(st, &l.items[l.n++], err));
	TRY(rc);
	reverse(&l);
	*ret = l;
	l = (struct instance_list){0};
	return 0;
}
