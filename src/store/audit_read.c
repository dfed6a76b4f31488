/*
 * Reading the audit log, and holding it against its chain: see audit.h. On the
 * caller's thread, a page at a time: a reader is never held for long.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "store/audit_chain.h"

/* Rows that one page may look at. */
enum { SCAN_MAX = 100000, VERIFY_PAGE = 1000 };

#define COLUMNS                                                                \
	"seq, created_at, actor, address, action, object, result, status,"     \
	" request_id, detail, hash"

void audit_list_free(struct audit_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		audit_entry_fini(&l->items[i]);
	mem_free(l->items);
	*l = (struct audit_list){0};
}

static int read_entry(
    struct db_stmt *st, struct audit_entry *e, struct err *err)
{
	const void *hash;
	const char *at;
	size_t len;

	e->seq = db_col_int(st);
	at = db_col_text(st);
	if (clock_parse_iso(at, &e->at) < 0)
		e->at = 0; /* the check of the chain tells */
	e->actor = db_col_strdup(st);
	e->address = db_col_strdup(st);
	e->action = db_col_strdup(st);
	e->object = db_col_strdup(st);
	e->result = db_col_strdup(st);
	e->status = db_col_int(st);
	e->request = db_col_strdup(st);
	e->detail = db_col_strdup(st);
	hash = db_col_blob(st, &len);
	if (hash == NULL || len != AUDIT_HASH_BYTES)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "row %lld of the audit log has no hash", (long long)e->seq);
	sodium_bin2hex(e->hash, sizeof(e->hash), hash, len);
	return 0;
}

/* -- a page ------------------------------------------------------------ */

#define FILTERED                                                               \
	" AND created_at >= ? AND created_at <= ?"                             \
	" AND (? IS NULL OR actor = ?) AND (? IS NULL OR action = ?)"          \
	" AND (? IS NULL OR object = ?) AND (? IS NULL OR result = ?)"

static void bind_filter(struct db_stmt *st, const struct audit_filter *f,
    char from[CLOCK_ISO_LEN], char to[CLOCK_ISO_LEN])
{
	const char *const same[] = {f->actor, f->action, f->object, f->result};

	db_bind_text(st, f->from != 0 ? clock_iso(f->from, from) : "");
	db_bind_text(st, f->to != 0 ? clock_iso(f->to, to) : "~");
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		db_bind_text(st, same[i]);
		db_bind_text(st, same[i]);
	}
}

static int read_rows(
    struct db_stmt *st, int64_t limit, struct audit_list *ret, struct err *err)
{
	int rc = 0;

	ret->items = mem_calloc((size_t)limit, sizeof(*ret->items));
	while ((int64_t)ret->n < limit && (rc = db_step(st, err)) == 1)
		TRY(read_entry(st, &ret->items[ret->n++], err));
	return rc < 0 ? -1 : 0;
}

/* The numbers that there are. 1, 0: none, -1. */
static int bounds(
    struct db *db, int64_t *ret_first, int64_t *ret_last, struct err *err)
{
	static const char sql[] =
	    "SELECT (SELECT seq FROM audit_logs ORDER BY seq LIMIT 1),"
	    " (SELECT seq FROM audit_logs ORDER BY seq DESC LIMIT 1)";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	TRY(db_step(st, err));
	*ret_first = db_col_int(st);
	*ret_last = db_col_int(st);
	return *ret_last > 0;
}

/* Rows low..high, which this page may look at. */
static int read_page(struct db *db, const struct audit_filter *f, int64_t low,
    int64_t high, struct audit_list *ret, struct err *err)
{
	static const char up[] =
	    "SELECT " COLUMNS
	    " FROM audit_logs WHERE seq >= ? AND seq <= ?" FILTERED
	    " ORDER BY seq LIMIT ?";
	static const char down[] =
	    "SELECT " COLUMNS
	    " FROM audit_logs WHERE seq >= ? AND seq <= ?" FILTERED
	    " ORDER BY seq DESC LIMIT ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char from[CLOCK_ISO_LEN], to[CLOCK_ISO_LEN];

	TRY(db_use(db, f->ascending ? up : down, &st, err));
	db_bind_int(st, low);
	db_bind_int(st, high);
	bind_filter(st, f, from, to);
	db_bind_int(st, f->limit);
	return read_rows(st, f->limit, ret, err);
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int store_audit_list(struct store *s, const struct audit_filter *filter,
    struct audit_list *ret, struct err *err)
{
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(audit_list_free) struct audit_list l = {0};
	bool up = filter->ascending;
	int64_t first, last, low, high, end;
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	*ret = (struct audit_list){0};
	TRY(reader_take(s, &r, err));
	rc = bounds(r.db, &first, &last, err);
	if (rc <= 0)
		return rc;
	if (up) {
		low = larger(first, filter->after + 1);
		high = smaller(last, low + SCAN_MAX - 1);
	} else {
		high = filter->before > 0 ? smaller(last, filter->before - 1)
					  : last;
		low = larger(first, high - SCAN_MAX + 1);
	}
	TRY(read_page(r.db, filter, low, high, &l, err));
	end = (int64_t)l.n == filter->limit ? l.items[l.n - 1].seq
	      : up                          ? high
					    : low;
	l.next = (up ? end < last : end > first) ? end : 0;
	*ret = l;
	l = (struct audit_list){0};
	return 0;
}

/* -- the chain --------------------------------------------------------- */

struct check {
	struct store *store;
	struct audit_report *report;
	struct audit_head at;    /* the row before */
	struct audit_head noted; /* to be found; seq 0: nothing */
};

static void broken(struct audit_report *r, int64_t seq, const char *problem)
{
	if (!r->intact)
		return;
	r->intact = false;
	r->broken_at = seq;
	snprintf(r->problem, sizeof(r->problem), "%s", problem);
}

/* "12:<64 hex>" */
static int read_noted(const char *text, struct audit_head *ret, struct err *err)
{
	const char *colon = strchr(text, ':');
	char number[24];
	size_t n;

	if (colon != NULL && (size_t)(colon - text) < sizeof(number)) {
		snprintf(
		    number, sizeof(number), "%.*s", (int)(colon - text), text);
		if (parse_int(number, 1, INT64_MAX, &ret->seq) == 0 &&
		    strlen(colon + 1) == AUDIT_HASH_TEXT - 1 &&
		    sodium_hex2bin(ret->hash, sizeof(ret->hash), colon + 1,
			AUDIT_HASH_TEXT - 1, NULL, &n, NULL) == 0 &&
		    n == sizeof(ret->hash))
			return 0;
	}
	return err_set(err, ERR_INVALID, "invalid_parameter",
	    "\"%.100s\" is no head of an audit log: expected the number and "
	    "the hash that an earlier check printed, as 12:9f86...",
	    text);
}

static void check_row(
    struct check *c, const struct audit_entry *e, const char *at)
{
	const struct audit_text row = {.at = at,
	    .actor = e->actor,
	    .address = e->address,
	    .action = e->action,
	    .object = e->object,
	    .result = e->result,
	    .request = e->request,
	    .detail = e->detail,
	    .status = e->status};
	struct audit_head here = {.seq = e->seq};
	char text[AUDIT_HASH_TEXT];

	if (e->seq != c->at.seq + 1)
		broken(c->report, c->at.seq + 1, "rows are missing here");
	audit_hash(&c->store->sealer, c->at.hash, e->seq, &row, here.hash);
	sodium_bin2hex(text, sizeof(text), here.hash, sizeof(here.hash));
	if (strcmp(text, e->hash) != 0)
		broken(c->report, e->seq,
		    "this row, or one before it, is not as it was written");
	if (e->seq == c->noted.seq &&
	    memcmp(here.hash, c->noted.hash, sizeof(here.hash)) != 0)
		broken(c->report, e->seq,
		    "the hash of this row is not the one that was noted");
	c->at = here;
	c->report->n++;
	c->report->last = e->seq;
	if (c->report->first == 0)
		c->report->first = e->seq;
	memcpy(c->report->head, text, sizeof(text));
}

/* The next page behind c->at: how many rows, -1. */
static int check_page(struct check *c, struct err *err)
{
	static const char sql[] =
	    "SELECT created_at, " COLUMNS " FROM audit_logs WHERE seq > ?"
	    " ORDER BY seq LIMIT ?";
	CLEANUP(reader_return) struct reader r = {0};
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc, n = 0;

	TRY(reader_take(c->store, &r, err));
	TRY(db_use(r.db, sql, &st, err));
	db_bind_int(st, c->at.seq);
	db_bind_int(st, VERIFY_PAGE);
	while ((rc = db_step(st, err)) == 1) {
		struct audit_entry e = {0};
		char at[CLOCK_ISO_LEN];

		snprintf(at, sizeof(at), "%s", db_col_text(st));
		rc = read_entry(st, &e, err);
		if (rc == 0)
			check_row(c, &e, at);
		audit_entry_fini(&e);
		TRY(rc);
		n++;
	}
	return rc < 0 ? -1 : n;
}

/* Where the chain begins and what its end was when we looked. */
static int load_places(
    struct check *c, struct audit_head *ret_end, struct err *err)
{
	CLEANUP(reader_return) struct reader r = {0};

	TRY(reader_take(c->store, &r, err));
	TRY(audit_place_load(c->store, r.db, AUDIT_ANCHOR, &c->at, err));
	TRY(audit_place_load(c->store, r.db, AUDIT_HEAD, ret_end, err));
	return 0;
}

int store_audit_verify(struct store *s, const char *noted,
    struct audit_report *ret, struct err *err)
{
	struct check c = {.store = s, .report = ret};
	struct audit_head end;
	int rc;

	MAGIC_CHECK(s, STORE_MAGIC);
	*ret = (struct audit_report){.intact = true};
	if (noted != NULL)
		TRY(read_noted(noted, &c.noted, err));
	TRY(load_places(&c, &end, err));
	while ((rc = check_page(&c, err)) == VERIFY_PAGE)
		;
	TRY(rc);
	/* Rows that came meanwhile lie behind that end: never before it. */
	if (c.at.seq < end.seq)
		broken(ret, c.at.seq + 1, "the newest rows are missing");
	if (c.at.seq < c.noted.seq)
		broken(ret, c.noted.seq,
		    "the row that was noted is not there (any more)");
	return 0;
}
