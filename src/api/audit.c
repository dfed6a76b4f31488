/*
 * The audit log of the API: what a request did is noted while it is handled
 * and written when it has been answered, once, with the answer's status. Every
 * request that was refused for who asked is written as well; a flood of those
 * is counted instead. Then: reading it.
 */
#include "api/audit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/audit.h"

/* -- what is noted ----------------------------------------------------- */

struct audit_note {
	char actor[96];
	const char *action; /* a route's */
	char object[320];
	char *detail; /* JSON, or NULL */
};

static void name_actor(const struct principal *p, char *out, size_t size)
{
	static const char *const names[] = {
	    [PRINCIPAL_NOBODY] = "nobody",
	    [PRINCIPAL_LOCAL] = "local",
	    [PRINCIPAL_KEY] = "key",
	    [PRINCIPAL_RUNNER] = "runner",
	    [PRINCIPAL_SESSION] = "session",
	    [PRINCIPAL_ENROLMENT] = "enrolment",
	    [PRINCIPAL_USER] = "user",
	    [PRINCIPAL_PROGRAM] = "token",
	};
	const char *which = p->name[0] != '\0' ? p->name : p->id_text;

	snprintf(out, size, "%s%s%s", names[p->kind], *which != '\0' ? ":" : "",
	    which);
}

const char *audit_actor_of(const struct call *c, char *out, size_t size)
{
	name_actor(&c->who, out, size);
	return out;
}

static struct audit_note *note_of(struct call *c)
{
	struct audit_note *n = http_user(c->x);

	if (n == NULL) {
		n = mem_zalloc(sizeof(*n));
		http_set_user(c->x, n);
	}
	return n;
}

static void note_free(struct audit_note *n)
{
	mem_free(n->detail);
	mem_free(n);
}

void audit_begin(struct call *c, const char *action)
{
	struct audit_note *n = note_of(c);

	n->action = action;
	name_actor(&c->who, n->actor, sizeof(n->actor));
	if (n->object[0] == '\0')
		snprintf(n->object, sizeof(n->object), "%s", c->id);
}

void audit_actor(struct call *c, const char *actor)
{
	struct audit_note *n = note_of(c);

	snprintf(n->actor, sizeof(n->actor), "%s", actor);
}

void audit_object(struct call *c, const char *object)
{
	struct audit_note *n = note_of(c);

	snprintf(n->object, sizeof(n->object), "%s", object);
}

void audit_detail(struct call *c, const char *key, const char *value)
{
	CLEANUP(buf_fini) struct buf text = {.max = 4096};
	struct audit_note *n = note_of(c);
	struct json j;

	json_init(&j, &text);
	json_obj(&j);
	json_kstr(&j, key, value);
	json_end(&j);
	mem_free(n->detail);
	n->detail = text.overflow ? NULL : mem_strdup(buf_str(&text));
}

/* -- what is written --------------------------------------------------- */

/* Refusals of the moment: so many at once, so many each second; the others
 * are counted and told with the next. */
enum { REFUSALS_AT_ONCE = 50, REFUSALS_PER_SECOND = 5 };

void audit_throttle_init(struct audit_throttle *t)
{
	*t = (struct audit_throttle){.left = REFUSALS_AT_ONCE};
	mtx_init(&t->mtx, "audit");
}

void audit_throttle_fini(struct audit_throttle *t)
{
	mtx_fini(&t->mtx);
}

/* May this one be written? *ret_suppressed: how many were not before it. */
static bool may_write(
    struct audit_throttle *t, int64_t now, uint64_t *ret_suppressed)
{
	double seconds;
	bool may;

	mtx_lock(&t->mtx);
	seconds = t->at != 0 ? (double)(now - t->at) / 1e9 : 0;
	t->at = now;
	t->left += seconds * REFUSALS_PER_SECOND;
	if (t->left > REFUSALS_AT_ONCE)
		t->left = REFUSALS_AT_ONCE;
	may = t->left >= 1;
	if (may) {
		t->left -= 1;
		*ret_suppressed = t->suppressed;
		t->suppressed = 0;
	} else {
		t->suppressed++;
	}
	mtx_unlock(&t->mtx);
	return may;
}

static const char *result_of(int status)
{
	if (status >= 200 && status < 400)
		return "ok";
	return status == 401 || status == 403 || status == 429 ? "refused"
							       : "failed";
}

static void write_note(struct api *a, const struct http_done *d,
    const struct audit_note *n, const char *detail)
{
	char action[96];
	struct audit_entry e = {.at = clock_wall_ns(),
	    .actor = (char *)(n != NULL ? n->actor : "nobody"),
	    .address = (char *)d->peer,
	    .action = action,
	    .object =
		(char *)(n != NULL && n->object[0] != '\0' ? n->object : NULL),
	    .result = (char *)result_of(d->status),
	    .request = (char *)d->request_id,
	    .detail = (char *)detail,
	    .status = d->status};

	if (n != NULL && n->action != NULL)
		snprintf(action, sizeof(action), "%s", n->action);
	else
		snprintf(action, sizeof(action), "%s %s", d->method,
		    *d->route != '\0' ? d->route : "-");
	store_audit_add(hub_store(a->hub), &e);
}

void audit_done(struct api *a, const struct http_done *d)
{
	struct audit_note *n = d->user;
	bool refused = d->status == 401 || d->status == 403;
	uint64_t suppressed = 0;
	char counted[48];

	if (refused && may_write(&a->refusals, clock_mono_ns(), &suppressed)) {
		snprintf(counted, sizeof(counted), "{\"suppressed\":%llu}",
		    (unsigned long long)suppressed);
		write_note(a, d, n, suppressed > 0 ? counted : NULL);
	} else if (!refused && n != NULL && n->action != NULL) {
		write_note(a, d, n, n->detail);
	}
	if (n != NULL)
		note_free(n);
}

/* -- reading it -------------------------------------------------------- */

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000 };

static void write_entry(const struct audit_entry *e, struct json *j)
{
	json_obj(j);
	json_kint(j, "seq", e->seq);
	json_ktime(j, "at", e->at);
	json_kstr(j, "actor", e->actor);
	json_kstr(j, "address", e->address);
	json_kstr(j, "action", e->action);
	json_kstr(j, "object", e->object);
	json_kstr(j, "result", e->result);
	json_kint(j, "status", e->status);
	json_kstr(j, "requestId", e->request);
	json_key(j, "detail");
	json_raw(j, e->detail != NULL ? e->detail : "null");
	json_kstr(j, "hash", e->hash);
	json_end(j);
}

static int read_filter(struct call *c, struct audit_filter *f, struct err *err)
{
	f->actor = http_query(c->x, "actor");
	f->action = http_query(c->x, "action");
	f->object = http_query(c->x, "object");
	f->result = http_query(c->x, "result");
	TRY(param_time(c, "startDate", false, &f->from, err));
	return param_time(c, "endDate", true, &f->to, err);
}

struct answer audit_list_show(struct call *c)
{
	CLEANUP(audit_list_free) struct audit_list l = {0};
	struct audit_filter f = {.limit = PAGE_DEFAULT};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	f.ascending = http_query(c->x, "after") != NULL;
	if (read_filter(c, &f, &err) < 0 ||
	    param_int(c, "limit", 1, PAGE_MAX, &f.limit, &err) < 0 ||
	    param_int(c, "before", 1, INT64_MAX, &f.before, &err) < 0 ||
	    param_int(c, "after", 0, INT64_MAX, &f.after, &err) < 0 ||
	    store_audit_list(hub_store(c->hub), &f, &l, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_arr(&j);
	for (size_t i = 0; i < l.n; i++)
		write_entry(&l.items[i], &j);
	json_end(&j);
	json_key(&j, "next");
	if (l.next > 0)
		json_int(&j, l.next);
	else
		json_none(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

struct answer audit_verify_show(struct call *c)
{
	struct audit_report r;
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (store_audit_verify(
		hub_store(c->hub), http_query(c->x, "noted"), &r, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kbool(&j, "intact", r.intact);
	json_kint(&j, "rows", r.n);
	json_kint(&j, "first", r.first);
	json_kint(&j, "last", r.last);
	json_kstr(&j, "head", r.head[0] != '\0' ? r.head : NULL);
	json_key(&j, "brokenAt");
	if (r.intact)
		json_none(&j);
	else
		json_int(&j, r.broken_at);
	json_kstr(&j, "problem", r.intact ? NULL : r.problem);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

/* -- exporting it ------------------------------------------------------ */

struct export
{
	struct store *store;
	struct audit_filter filter; /* its texts are owned */
	bool csv, begun;
};

static void export_closed(void *arg)
{
	struct export *x = arg;

	mem_free((char *)x->filter.actor);
	mem_free((char *)x->filter.action);
	mem_free((char *)x->filter.object);
	mem_free((char *)x->filter.result);
	mem_free(x);
}

/* RFC 4180; what a spreadsheet would take for a formula is made a text. */
static void csv_cell(struct buf *out, const char *text, bool last)
{
	IGNORE(buf_append_char(out, '"'));
	if (text != NULL && strchr("=+-@\t\r", *text) != NULL && *text != '\0')
		IGNORE(buf_append_char(out, '\''));
	for (; text != NULL && *text != '\0'; text++) {
		if (*text == '"')
			IGNORE(buf_append_char(out, '"'));
		IGNORE(buf_append_char(out, *text));
	}
	IGNORE(buf_append_str(out, last ? "\"\r\n" : "\","));
}

static void csv_row(struct buf *out, const struct audit_entry *e)
{
	char at[CLOCK_ISO_LEN];

	IGNORE(buf_printf(out, "%lld,", (long long)e->seq));
	csv_cell(out, clock_iso(e->at, at), false);
	csv_cell(out, e->actor, false);
	csv_cell(out, e->address, false);
	csv_cell(out, e->action, false);
	csv_cell(out, e->object, false);
	csv_cell(out, e->result, false);
	IGNORE(buf_printf(out, "%lld,", (long long)e->status));
	csv_cell(out, e->request, false);
	csv_cell(out, e->detail, false);
	csv_cell(out, e->hash, true);
}

static void export_row(
    struct export *x, struct buf *out, const struct audit_entry *e)
{
	struct json j;

	if (x->csv) {
		csv_row(out, e);
		return;
	}
	json_init(&j, out);
	write_entry(e, &j);
	IGNORE(buf_append_char(out, '\n'));
}

static enum http_produce export_produce(void *arg, struct buf *out)
{
	CLEANUP(audit_list_free) struct audit_list l = {0};
	struct export *x = arg;
	struct err err = ERR_INIT;

	if (x->csv && !x->begun)
		IGNORE(buf_append_str(out,
		    "seq,at,actor,address,action,object,result,status,"
		    "requestId,detail,hash\r\n"));
	x->begun = true;
	if (store_audit_list(x->store, &x->filter, &l, &err) < 0)
		return HTTP_ABORT;
	for (size_t i = 0; i < l.n; i++)
		export_row(x, out, &l.items[i]);
	x->filter.after = l.next;
	return l.next > 0 ? HTTP_MORE : HTTP_END;
}

static const struct http_stream_ops export_ops = {
    .produce = export_produce, .closed = export_closed};

struct answer audit_export(struct call *c)
{
	const char *format = http_query(c->x, "format");
	bool csv = format != NULL && strcmp(format, "csv") == 0;
	struct audit_filter f = {.limit = PAGE_DEFAULT, .ascending = true};
	struct err err = ERR_INIT;
	struct export *x;

	if (format != NULL && !csv && strcmp(format, "json") != 0) {
		IGNORE(err_set(&err, ERR_INVALID, "invalid_parameter",
		    "Parameter \"format\": expected csv or json, got \"%.40s\"",
		    format));
		return reply_error(c, &err);
	}
	if (read_filter(c, &f, &err) < 0)
		return reply_error(c, &err);
	x = mem_zalloc(sizeof(*x));
	x->store = hub_store(c->hub);
	x->csv = csv;
	x->filter = f;
	x->filter.actor = mem_strdup_or_null(f.actor);
	x->filter.action = mem_strdup_or_null(f.action);
	x->filter.object = mem_strdup_or_null(f.object);
	x->filter.result = mem_strdup_or_null(f.result);
	http_reply_header(c->x, "Content-Disposition",
	    csv ? "attachment; filename=\"audit.csv\""
		: "attachment; filename=\"audit.jsonl\"");
	http_reply_stream(c->x, 200,
	    csv ? "text/csv; charset=utf-8" : "application/x-ndjson", -1,
	    &export_ops, x, NULL);
	return (struct answer){200};
}
