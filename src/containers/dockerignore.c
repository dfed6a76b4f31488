/*
 * Patterns of a .dockerignore: see dockerignore.h. They are a workflow's, so
 * matching takes no longer than pattern times path: all places in the path
 * that the pattern so far can have reached are carried along, no way is tried
 * twice.
 */
#include "containers/dockerignore.h"

#include <string.h>

#include "base/mem.h"

#define PATTERN_MAX  4096
#define PATH_LEN_MAX 4096

/* -- matching ---------------------------------------------------------- */

/* One piece of a pattern: what it takes at each step, and whether again. */
struct piece {
	enum {
		PIECE_CHAR,    /* this one */
		PIECE_ANY,     /* one but "/" */
		PIECE_CLASS,   /* one of a class, but "/" */
		PIECE_NAME,    /* any number, but no "/" */
		PIECE_ALL,     /* any number */
		PIECE_FOLDERS, /* nothing, or all up to a "/" */
	} kind;
	char c;
	const char *class; /* behind "[" */
	size_t len;        /* up to "]" */
};

static bool in_class(const struct piece *p, char c)
{
	const char *at = p->class, *end = p->class + p->len;
	bool negated = at < end && (*at == '^' || *at == '!');
	bool found = false;

	at += negated;
	while (at < end) {
		char low = *at++, high;

		if (low == '\\' && at < end)
			low = *at++;
		high = low;
		if (end - at >= 2 && at[0] == '-') {
			at++;
			high = *at++;
			if (high == '\\' && at < end)
				high = *at++;
		}
		found = found || ((unsigned char)low <= (unsigned char)c &&
				     (unsigned char)c <= (unsigned char)high);
	}
	return found != negated;
}

/* The "]" that ends a class; NULL: none. */
static const char *class_end(const char *at)
{
	if (*at == '^' || *at == '!')
		at++;
	if (*at == ']')
		at++;
	for (; *at != '\0' && *at != ']'; at++)
		if (*at == '\\' && at[1] != '\0')
			at++;
	return *at == ']' ? at : NULL;
}

static const char *take_stars(const char *at, struct piece *ret)
{
	size_t n = strspn(at, "*");

	ret->kind = n == 1 ? PIECE_NAME : PIECE_ALL;
	at += n;
	if (n > 1 && *at == '/') {
		ret->kind = PIECE_FOLDERS;
		at++;
	}
	return at;
}

/* The piece at `at`; returns what stands behind it, NULL: it is none. */
static const char *take_piece(const char *at, struct piece *ret)
{
	const char *end;

	*ret = (struct piece){.kind = PIECE_CHAR, .c = *at};
	switch (*at) {
	case '*':
		return take_stars(at, ret);
	case '?':
		ret->kind = PIECE_ANY;
		return at + 1;
	case '[':
		end = class_end(at + 1);
		if (end == NULL)
			return NULL;
		ret->kind = PIECE_CLASS;
		ret->class = at + 1;
		ret->len = (size_t)(end - ret->class);
		return end + 1;
	case '\\':
		if (at[1] == '\0')
			return NULL;
		ret->c = at[1];
		return at + 2;
	default:
		return at + 1;
	}
}

static bool takes(const struct piece *p, char c)
{
	switch (p->kind) {
	case PIECE_CHAR:
		return c == p->c;
	case PIECE_ANY:
	case PIECE_NAME:
		return c != '/';
	case PIECE_CLASS:
		return c != '/' && in_class(p, c);
	case PIECE_ALL:
	case PIECE_FOLDERS:
		break;
	}
	return true;
}

/* now[i]: the pattern so far can have taken the first i bytes. */
static void step(const struct piece *p, const char *path, size_t len, bool *now)
{
	bool was = now[0], inside = false;

	if (p->kind == PIECE_NAME || p->kind == PIECE_ALL) {
		for (size_t i = 0; i < len; i++)
			now[i + 1] =
			    now[i + 1] || (now[i] && takes(p, path[i]));
		return;
	}
	if (p->kind == PIECE_FOLDERS) {
		for (size_t i = 0; i < len; i++) {
			inside = inside || now[i];
			now[i + 1] = now[i + 1] || (inside && path[i] == '/');
		}
		return;
	}
	now[0] = false;
	for (size_t i = 0; i < len; i++) {
		bool next = was && takes(p, path[i]);

		was = now[i + 1];
		now[i + 1] = next;
	}
}

/* now[i]: the whole pattern takes the first i bytes of path. */
static bool reach(const char *pattern, const char *path, size_t len, bool now[])
{
	struct piece p;

	memset(now, 0, (len + 1) * sizeof(*now));
	now[0] = true;
	while (*pattern != '\0') {
		pattern = take_piece(pattern, &p);
		if (pattern == NULL)
			return false;
		step(&p, path, len, now);
	}
	return true;
}

bool dockerignore_match(const char *pattern, const char *path)
{
	bool now[PATH_LEN_MAX + 1];
	size_t len = strlen(path);

	return len <= PATH_LEN_MAX && reach(pattern, path, len, now) &&
	       now[len];
}

/* -- lines ------------------------------------------------------------- */

static bool is_readable(const char *pattern)
{
	struct piece p;

	while (pattern != NULL && *pattern != '\0')
		pattern = take_piece(pattern, &p);
	return pattern != NULL;
}

/* "/a//b/" as "a/b", "./a" as "a"; ".." is nowhere in a context. */
static char *clean(const char *text, size_t len)
{
	char *out = mem_zalloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len;) {
		size_t part = 0;

		while (i < len && text[i] == '/')
			i++;
		while (i + part < len && text[i + part] != '/')
			part++;
		if (part > 0 && !(part == 1 && text[i] == '.')) {
			if (n > 0)
				out[n++] = '/';
			memcpy(out + n, text + i, part);
			n += part;
		}
		i += part;
	}
	return out;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static int add_line(
    struct dockerignore *d, const char *at, size_t len, struct err *err)
{
	struct dockerignore_line line = {.back = false};

	if (len > 0 && at[0] == '#')
		return 0;
	for (; len > 0 && is_blank(at[0]); at++)
		len--;
	while (len > 0 && is_blank(at[len - 1]))
		len--;
	if (len > 0 && at[0] == '!') {
		line.back = true;
		for (at++, len--; len > 0 && is_blank(at[0]); at++)
			len--;
	}
	if (len == 0)
		return 0;
	if (d->n == DOCKERIGNORE_LINES_MAX || len > PATTERN_MAX)
		return err_set(err, ERR_LIMIT, "dockerignore_too_large",
		    ".dockerignore has more than %d lines, or one of more "
		    "than %d bytes",
		    DOCKERIGNORE_LINES_MAX, PATTERN_MAX);
	line.pattern = clean(at, len);
	d->v = mem_realloc(d->v, (d->n + 1) * sizeof(*d->v));
	d->v[d->n++] = line;
	d->takes_back = d->takes_back || line.back;
	if (is_readable(line.pattern))
		return 0;
	return err_set(err, ERR_INVALID, "bad_dockerignore",
	    ".dockerignore: the pattern \"%.100s\" has no end", line.pattern);
}

int dockerignore_read(
    struct dockerignore *d, const char *text, size_t len, struct err *err)
{
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3; /* a byte order mark */
		len -= 3;
	}
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end != NULL ? (size_t)(end - text) : len;

		TRY(add_line(d, text, line, err));
		line += end != NULL;
		text += line;
		len -= line;
	}
	return 0;
}

void dockerignore_fini(struct dockerignore *d)
{
	for (size_t i = 0; i < d->n; i++)
		mem_free(d->v[i].pattern);
	mem_free(d->v);
	*d = (struct dockerignore){.v = NULL};
}

/* A pattern that matches a directory matches what is in it. */
static bool matches_or_above(const char *pattern, const char *path)
{
	bool now[PATH_LEN_MAX + 1];
	size_t len = strlen(path);

	if (len > PATH_LEN_MAX || !reach(pattern, path, len, now))
		return false;
	for (size_t i = 1; i < len; i++)
		if (now[i] && path[i] == '/')
			return true;
	return now[len];
}

bool dockerignore_leaves_out(const struct dockerignore *d, const char *path)
{
	bool out = false;

	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].back == out && d->v[i].pattern[0] != '\0' &&
		    matches_or_above(d->v[i].pattern, path))
			out = !d->v[i].back;
	return out;
}
