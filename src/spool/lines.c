/* Lines by their numbers, and a text in them: see lines.h. Any thread. */
#include "spool/lines.h"

#include <string.h>

#include "base/fold.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "spool/line_index.h"

/* One line at a time, put together from its pieces. */
struct gather {
	struct spool *spool;
	struct spool_shared *shared;
	struct log_view view;
	struct line_walk walk;
	uint64_t total;
	size_t max; /* of a line */
	/* the line */
	struct buf text;
	bool cut, passed; /* passed: what follows the cut was skipped */
	uint64_t number;
	struct layout_entry entry; /* of its first byte */
	/* a piece of the next one, read too early */
	struct line_piece held;
	bool has_held;
};

/* To a mark from which `line` can be met; every jump looks for it anew. */
static int go_to(struct gather *g, uint64_t line, struct err *err)
{
	struct line_mark mark;

	TRY(line_index_find(g->spool->line_indexes, g->shared, line, &mark,
	    &g->total, &g->view, err));
	return line_walk_begin(&g->walk, g->shared, &g->view, &mark, err);
}

static int gather_open(struct gather *g, struct spool *s, const char *id,
    size_t max, struct err *err)
{
	char name[UUID_TEXT_LEN];

	TRY(shared_id(id, name, err));
	g->spool = s;
	g->shared = shared_get(s, name);
	g->max = max;
	buf_init(&g->text, max);
	return 0;
}

static void gather_close(struct gather *g)
{
	line_walk_end(&g->walk);
	buf_fini(&g->text);
	if (g->shared != NULL)
		shared_put(g->shared);
}

static void gather_close_guard(struct gather *g)
{
	gather_close(g);
}

static void keep(struct gather *g, const struct line_piece *p)
{
	size_t room = g->max - g->text.len;

	if (p->begins) {
		buf_clear(&g->text);
		g->cut = g->passed = false;
		g->number = p->line;
		g->entry = *p->entry;
		room = g->max;
	}
	g->cut |= p->len > room;
	IGNORE(buf_append(&g->text, p->text, p->len < room ? p->len : room));
}

/* Near the end of a line of which enough is known. */
static int pass_over(struct gather *g, struct err *err)
{
	uint64_t looked = g->walk.looked;
	struct line_mark mark;

	g->passed = true;
	TRY(line_index_find(g->spool->line_indexes, g->shared, g->number + 1,
	    &mark, &g->total, &g->view, err));
	if (mark.at <= g->walk.mark.at)
		return 0;
	TRY(line_walk_begin(&g->walk, g->shared, &g->view, &mark, err));
	g->walk.looked = looked;
	return 0;
}

/* 1 a whole line (or the last one, as far as there is one), 0 none, -1. */
static int gather_next(struct gather *g, struct err *err)
{
	struct line_piece p = g->held;
	bool have = false;
	int more = 1;

	if (g->has_held) {
		g->has_held = false;
		keep(g, &p);
		have = true;
		if (p.ends)
			return 1;
	}
	while ((more = line_walk_next(&g->walk, &p, err)) > 0) {
		if (have && p.begins) { /* its end has no newline */
			g->held = p;
			g->has_held = true;
			return 1;
		}
		if (!have && !p.begins)
			continue; /* the rest of one that is not wanted */
		have = true;
		keep(g, &p);
		if (p.ends)
			return 1;
		if (g->cut && !g->passed)
			TRY(pass_over(g, err));
	}
	return more < 0 ? -1 : have;
}

/* -- lines ------------------------------------------------------------- */

/* Not in the middle of a character. */
static size_t whole_characters(const char *text, size_t len)
{
	size_t back = 0;

	while (back < 3 && back < len &&
	       ((unsigned char)text[len - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back == len || utf8_sequence(text + len - 1 - back, back + 1) > 0)
		return len;
	return ((unsigned char)text[len - 1 - back] & 0xc0) == 0xc0
		   ? len - 1 - back
		   : len;
}

static void give(const struct gather *g,
    void (*cb)(void *arg, const struct spool_line *line), void *arg)
{
	const char *text = buf_str(&g->text);
	struct spool_line line = {.number = g->number,
	    .time_ns = g->entry.time_ns,
	    .stream = (enum spool_stream)g->entry.stream,
	    .step = g->entry.step,
	    .text = text,
	    .len = g->cut ? whole_characters(text, g->text.len) : g->text.len,
	    .cut = g->cut};

	cb(arg, &line);
}

int spool_lines(struct spool *s, const char *id, struct spool_lines *q,
    void (*cb)(void *arg, const struct spool_line *line), void *arg,
    struct err *err)
{
	CLEANUP(gather_close) struct gather g = {0};
	uint64_t bytes = 0;
	unsigned n = 0;
	int more = 1;

	TRY(gather_open(&g, s, id, SPOOL_LINE_MAX, err));
	TRY(go_to(&g, q->from < 0 ? UINT64_MAX : (uint64_t)q->from, err));
	q->total = g.total;
	q->complete = g.view.ended;
	q->first = (uint64_t)q->from;
	if (q->from < 0) {
		q->first = g.total > q->limit ? g.total - q->limit : 0;
		TRY(go_to(&g, q->first, err));
	}
	while (n < q->limit && bytes < SPOOL_LINES_BYTES &&
	       (more = gather_next(&g, err)) > 0) {
		if (g.number < q->first)
			continue;
		give(&g, cb, arg);
		bytes += g.text.len;
		n++;
	}
	return more < 0 ? -1 : 0;
}

/* -- search ------------------------------------------------------------ */

static uint64_t characters(const char *text, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

/* The line's own text is folded: nobody wants it afterwards. */
static bool matches(struct gather *g, const struct spool_search *q,
    const char *sought, uint64_t *ret_column)
{
	const char *hit;

	if (g->text.len < q->len)
		return false;
	if (!q->exact_case)
		fold_case(g->text.data, g->text.len);
	hit = memmem(g->text.data, g->text.len, sought, q->len);
	if (hit == NULL)
		return false;
	*ret_column = characters(g->text.data, (size_t)(hit - g->text.data));
	return true;
}

static int search(struct gather *g, struct spool_search *q, const char *sought,
    void (*cb)(void *arg, const struct spool_match *match), void *arg,
    struct err *err)
{
	struct spool_match match;
	unsigned n = 0;
	int more;

	while ((more = gather_next(g, err)) > 0) {
		if (g->number < q->from)
			continue;
		if (n == q->limit || g->walk.looked > SPOOL_SEARCH_BYTES) {
			q->has_next = true;
			q->next = g->number;
			return 0;
		}
		q->scanned++;
		if (!matches(g, q, sought, &match.column))
			continue;
		match.number = g->number;
		match.time_ns = g->entry.time_ns;
		cb(arg, &match);
		n++;
	}
	return more;
}

int spool_search(struct spool *s, const char *id, struct spool_search *q,
    void (*cb)(void *arg, const struct spool_match *match), void *arg,
    struct err *err)
{
	CLEANUP(gather_close) struct gather g = {0};
	char sought[SPOOL_SEARCH_MAX];

	ASSERT(q->len >= 1 && q->len <= SPOOL_SEARCH_MAX);
	memcpy(sought, q->text, q->len);
	if (!q->exact_case)
		fold_case(sought, q->len);
	q->has_next = false;
	q->scanned = 0;
	TRY(gather_open(&g, s, id, SPOOL_SEARCH_LINE, err));
	TRY(go_to(&g, q->from, err));
	return search(&g, q, sought, cb, arg, err);
}
