/*
 * Lists of jobs by words in their names: see store_job_list. On the caller's
 * thread with a borrowed connection.
 *
 * Words may stand anywhere in a name, so no order of an index helps: the
 * entries of the newest SEARCHED jobs are read once, from the index
 * jobs_by_words alone, for page and total. Other columns are looked up in
 * indexes of their own: rows, which are long, are read for the page only.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/job_list.h"

#define SEARCHED "100000"

#define IN_NAMES                                                               \
	"(? = '' OR lower(repository) LIKE ? ESCAPE '\\'"                      \
	" OR lower(workflow_name) LIKE ? ESCAPE '\\'"                          \
	" OR lower(job_name) LIKE ? ESCAPE '\\')"
#define FOUND                                                                  \
	" FROM (SELECT id, repository, workflow_name, job_name, runner_name"   \
	" FROM jobs WHERE id >= ? AND id <= ? ORDER BY id DESC"                \
	" LIMIT " SEARCHED ") AS newest WHERE " IN_NAMES                       \
	" AND (? = '' OR repository = ?)"                                      \
	" AND (? = '' OR runner_name = ?)"
#define IN_INDEX(column)                                                       \
	" AND (? = '' OR id IN (SELECT id FROM jobs WHERE " column " = ?"      \
	" ORDER BY id DESC LIMIT " SEARCHED "))"
#define FOUND_AND                                                              \
	FOUND IN_INDEX("status") IN_INDEX("runner_id") IN_INDEX("parent_id")

/* [does the filter also name what the index has not?] */
static const char *const found_sql[] = {"SELECT id" FOUND " ORDER BY id DESC",
    "SELECT id" FOUND_AND " ORDER BY id DESC"};

static bool has_more(const struct job_filter *f)
{
	return f->status != 0 || f->runner_id != NULL || f->parent_id != NULL;
}

/* "%words%" in small letters, as LIKE reads it. */
static char *pattern_of(const char *words)
{
	char *out = mem_alloc(strlen(words) * 2 + 3), *p = out;

	*p++ = '%';
	for (; *words != '\0'; words++) {
		if (*words == '%' || *words == '_' || *words == '\\')
			*p++ = '\\';
		*p++ = *words >= 'A' && *words <= 'Z' ? (char)(*words | 0x20)
						      : *words;
	}
	memcpy(p, "%", 2);
	return out;
}

/* Twice: is it asked for, and what. */
static void bind_choice(struct db_stmt *st, const char *value)
{
	db_bind_text(st, value != NULL ? value : "");
	db_bind_text(st, value != NULL ? value : "");
}

struct bound {
	char from[UUID_TEXT_LEN], to[UUID_TEXT_LEN];
	const char *pattern; /* NULL: no words */
};

static void bind(
    struct db_stmt *st, const struct job_filter *f, const struct bound *b)
{
	const char *pattern = b->pattern != NULL ? b->pattern : "";

	db_bind_text(st, b->from);
	db_bind_text(st, b->to);
	for (int i = 0; i < 4; i++)
		db_bind_text(st, pattern);
	bind_choice(st, f->repository);
	bind_choice(st, f->runner_name);
	if (!has_more(f))
		return;
	bind_choice(st, f->status != 0 ? job_status_name(f->status) : NULL);
	bind_choice(st, f->runner_id);
	bind_choice(st, f->parent_id);
}

/* Counts all and picks the page; ids: room for f->limit. */
static int choose(struct db *db, const struct job_filter *f,
    const struct bound *b, char (*ids)[UUID_TEXT_LEN], int64_t *ret_total,
    struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int64_t first = (f->page - 1) * f->limit, n = 0;
	int rc;

	TRY(db_use(db, found_sql[has_more(f)], &st, err));
	bind(st, f, b);
	while ((rc = db_step(st, err)) == 1) {
		if (n >= first && n < first + f->limit)
			snprintf(ids[n - first], UUID_TEXT_LEN, "%s",
			    db_col_text(st));
		n++;
	}
	*ret_total = n;
	return rc;
}

/* What retention took meanwhile is left out. */
static int fetch(struct db *db, char (*ids)[UUID_TEXT_LEN], int64_t n,
    struct job_list *ret, struct err *err)
{
	static const char sql[] =
	    "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?";
	size_t cap = 0;
	int rc;

	for (int64_t i = 0; i < n; i++) {
		CLEANUP(db_done) struct db_stmt *st = NULL;

		TRY(db_use(db, sql, &st, err));
		db_bind_text(st, ids[i]);
		rc = db_step(st, err);
		TRY(rc);
		if (rc == 1)
			TRY(job_list_add(ret, &cap, st, err));
	}
	return 0;
}

static int64_t on_page(const struct job_filter *f, int64_t total)
{
	int64_t left = total - (f->page - 1) * f->limit;

	return left < 0 ? 0 : left < f->limit ? left : f->limit;
}

int job_list_search(struct db *db, const struct job_filter *f,
    struct job_list *ret, struct err *err)
{
	CLEANUP(job_list_free) struct job_list l = {0};
	CLEANUP(mem_free) char *pattern = NULL;
	CLEANUP(mem_free) void *ids =
	    mem_calloc((size_t)f->limit, UUID_TEXT_LEN);
	struct bound b;

	if (f->words != NULL)
		pattern = pattern_of(f->words);
	b.pattern = pattern;
	job_id_floor(f->from_ns, b.from);
	job_id_ceiling(f->to_ns != 0 ? f->to_ns : INT64_MAX, b.to);
	TRY(choose(db, f, &b, ids, &l.total, err));
	TRY(fetch(db, ids, on_page(f, l.total), &l, err));
	*ret = l;
	l = (struct job_list){0};
	return 0;
}
