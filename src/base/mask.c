/*
 * The masker: see mask.h. Called by the agent for what steps print and by
 * the hub for what it writes itself. Owns the patterns and, per stream, the
 * held end of the last chunk; both are wiped when freed.
 *
 * A pattern is looked for where its first two bytes stand: a bitmap of 65536
 * bits answers "not here" for nearly every byte. Patterns are three bytes or
 * longer, so one look at the bytes i+1, i+2 rules out a pattern that starts
 * at i or at i+1: `pair` holds the bytes 0,1 and 1,2 of every pattern.
 */
#include "base/mask.h"

#include <stdint.h>
#include <string.h>

#include "base/mask_forms.h"
#include "base/mem.h"
#include "base/secret.h"

#define PATTERN_MIN 3
#define HELD_MAX    ((size_t)1 << 30)
#define NONE        UINT32_MAX

struct pattern {
	char *bytes;
	uint32_t len;
	uint32_t next; /* in the chain of its first two bytes */
};

struct mask_set {
	uint64_t pair[65536 / 64];
	uint64_t first[256 / 64];
	struct pattern *patterns;
	size_t count, cap; /* cap: a power of two, also of heads */
	uint32_t *heads;
	size_t longest;
};

static uint16_t two_bytes(const char *p)
{
	return (uint16_t)((uint8_t)p[0] | (uint8_t)p[1] << 8);
}

static void bit_set(uint64_t *bits, size_t at)
{
	bits[at / 64] |= UINT64_C(1) << (at % 64);
}

static bool bit_get(const uint64_t *bits, size_t at)
{
	return (bits[at / 64] >> (at % 64) & 1) != 0;
}

static size_t bucket(const struct mask_set *m, const char *p)
{
	return (two_bytes(p) * UINT32_C(40503) >> 4) & (m->cap - 1);
}

struct mask_set *mask_set_new(void)
{
	return mem_zalloc(sizeof(struct mask_set));
}

void mask_set_free(struct mask_set *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->count; i++) {
		secret_wipe(m->patterns[i].bytes, m->patterns[i].len);
		mem_free(m->patterns[i].bytes);
	}
	mem_free(m->patterns);
	mem_free(m->heads);
	mem_free(m);
}

bool mask_is_empty(const struct mask_set *m)
{
	return m->count == 0;
}

size_t mask_held_max(const struct mask_set *m)
{
	return m->longest > 0 ? m->longest - 1 : 0;
}

static void chain_in(struct mask_set *m, uint32_t i)
{
	uint32_t *head = &m->heads[bucket(m, m->patterns[i].bytes)];

	m->patterns[i].next = *head;
	*head = i;
}

static void grow(struct mask_set *m)
{
	m->cap = m->cap > 0 ? 2 * m->cap : 64;
	m->patterns = mem_realloc(m->patterns, m->cap * sizeof(*m->patterns));
	m->heads = mem_realloc(m->heads, m->cap * sizeof(*m->heads));
	for (size_t i = 0; i < m->cap; i++)
		m->heads[i] = NONE;
	for (size_t i = 0; i < m->count; i++)
		chain_in(m, (uint32_t)i);
}

static bool is_known(const struct mask_set *m, const char *form, size_t len)
{
	uint32_t i = m->cap > 0 ? m->heads[bucket(m, form)] : NONE;

	for (; i != NONE; i = m->patterns[i].next) {
		if (m->patterns[i].len == len &&
		    memcmp(m->patterns[i].bytes, form, len) == 0)
			return true;
	}
	return false;
}

static void add_pattern(void *arg, const char *form, size_t len)
{
	struct mask_set *m = arg;

	if (len < PATTERN_MIN || is_known(m, form, len))
		return;
	if (m->count == m->cap)
		grow(m);
	m->patterns[m->count] = (struct pattern){
	    .bytes = mem_strndup(form, len), .len = (uint32_t)len};
	chain_in(m, (uint32_t)m->count++);
	bit_set(m->pair, two_bytes(form));
	bit_set(m->pair, two_bytes(form + 1));
	bit_set(m->first, (uint8_t)form[0]);
	if (len > m->longest)
		m->longest = len;
}

/* One line, or a whole value that is only looked for encoded. */
static void add_piece(
    struct mask_set *m, const char *value, size_t len, mask_form_fn *emit)
{
	size_t parts = (len + MASK_PIECE_MAX - 1) / MASK_PIECE_MAX;
	size_t n;

	if (len < PATTERN_MIN)
		return;
	for (; parts > 0; parts--, value += n, len -= n) {
		n = len / parts;
		mask_forms_each(value, n, emit, m);
	}
}

/* A raw pattern with a newline in it would hold output across lines. */
static void add_if_one_line(void *arg, const char *form, size_t len)
{
	if (memchr(form, '\n', len) == NULL)
		add_pattern(arg, form, len);
}

static bool is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

void mask_add(struct mask_set *m, const char *value, size_t len)
{
	size_t start = 0;
	size_t lines = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && !is_line_end(value[i]))
			continue;
		add_piece(m, value + start, i - start, add_pattern);
		start = i + 1;
		lines++;
	}
	if (lines == 1)
		return;
	add_piece(m, value, len, add_if_one_line);
	while (len > 0 && is_line_end(value[len - 1]))
		len--;
	add_piece(m, value, len, add_if_one_line);
}

/*
 * The longest pattern that stands at p (0: none); *ret_maybe: one might,
 * depending on what comes after the `left` bytes.
 */
static size_t match_at(
    const struct mask_set *m, const char *p, size_t left, bool *ret_maybe)
{
	size_t best = 0;
	uint32_t i;

	*ret_maybe = false;
	if (left < 2) {
		*ret_maybe = bit_get(m->first, (uint8_t)p[0]);
		return 0;
	}
	if (!bit_get(m->pair, two_bytes(p)))
		return 0;
	for (i = m->heads[bucket(m, p)]; i != NONE; i = m->patterns[i].next) {
		const struct pattern *c = &m->patterns[i];
		size_t n = c->len < left ? c->len : left;

		if (c->len <= best || memcmp(c->bytes, p, n) != 0)
			continue;
		if (n < c->len)
			*ret_maybe = true;
		else
			best = c->len;
	}
	return best;
}

/* The number of bytes from p at which surely no pattern starts. */
static size_t skip_clean(const struct mask_set *m, const char *p, size_t left)
{
	size_t i = 0;

	while (i + 3 <= left && !bit_get(m->pair, two_bytes(p + i + 1)))
		i += 2;
	return i;
}

static void emit(struct buf *out, const char *data, size_t len)
{
	IGNORE(buf_append(out, data, len)); /* overflow is kept in out */
}

/* Masks p up to where the end might be the beginning of a pattern (all of
 * it if last); returns how many bytes are done. */
static size_t mask_run(struct mask_stream *s, const char *p, size_t len,
    bool last, struct buf *out)
{
	size_t covered = s->covered; /* an absolute end from here on */
	size_t i = 0, n;
	bool maybe;

	while (i < len) {
		if (i >= covered) {
			n = skip_clean(s->set, p + i, len - i);
			emit(out, p + i, n);
			s->in_run = n > 0 ? false : s->in_run;
			i += n;
			if (i == len)
				break;
		}
		n = match_at(s->set, p + i, len - i, &maybe);
		if (maybe && !last)
			break;
		if (i + n > covered && n > 0)
			covered = i + n;
		if (i < covered && !s->in_run)
			emit(out, "***", 3);
		if (i >= covered)
			emit(out, p + i, 1);
		s->in_run = i < covered;
		i++;
	}
	s->covered = covered > i ? covered - i : 0;
	return i;
}

void mask_stream_init(struct mask_stream *s, const struct mask_set *set)
{
	*s = (struct mask_stream){.set = set};
	buf_init(&s->held, HELD_MAX);
}

void mask_stream_fini(struct mask_stream *s)
{
	if (s->held.data != NULL)
		secret_wipe(s->held.data, s->held.cap);
	buf_fini(&s->held);
}

void mask_feed(struct mask_stream *s, const char *data, size_t len, bool last,
    struct buf *out)
{
	size_t done;

	if (s->held.len == 0) {
		done = mask_run(s, data, len, last, out);
		IGNORE(buf_append(&s->held, data + done, len - done));
		return;
	}
	IGNORE(buf_append(&s->held, data, len)); /* HELD_MAX: a bug if passed */
	done = mask_run(s, s->held.data, s->held.len, last, out);
	buf_consume(&s->held, done);
}

void mask_text(
    const struct mask_set *m, const char *data, size_t len, struct buf *out)
{
	struct mask_stream s;

	mask_stream_init(&s, m);
	mask_feed(&s, data, len, true, out);
	mask_stream_fini(&s);
}
