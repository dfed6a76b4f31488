/* File commands: see filecmd.h. Called at the end of each step. */
#include "agent/filecmd.h"

#include <string.h>
#include <strings.h>

struct cursor {
	const char *p, *end;
	unsigned line; /* of the line last read */
};

struct span {
	const char *s;
	size_t len;
};

/* The next line without its end ("\n" or "\r\n"); false at the end. */
static bool next_line(struct cursor *c, struct span *ret)
{
	const char *nl;

	if (c->p == c->end)
		return false;
	nl = memchr(c->p, '\n', (size_t)(c->end - c->p));
	ret->s = c->p;
	ret->len = (size_t)((nl != NULL ? nl : c->end) - c->p);
	c->p = nl != NULL ? nl + 1 : c->end;
	c->line++;
	if (ret->len > 0 && ret->s[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

static void skip_mark(struct cursor *c)
{
	if (c->end - c->p >= 3 && memcmp(c->p, "\xef\xbb\xbf", 3) == 0)
		c->p += 3; /* some shells write a byte order mark */
}

static bool has_nul(struct span s)
{
	return s.len > 0 && memchr(s.s, '\0', s.len) != NULL;
}

static bool same(struct span a, struct span b)
{
	return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

static void give(const struct filecmd_sink *sink, unsigned line,
    struct span key, struct span value)
{
	if (has_nul(key) || has_nul(value))
		sink->bad(sink->arg, line, "has a NUL byte");
	else
		sink->pair(sink->arg, line, key.s, key.len, value.s, value.len);
}

/* Reads the lines up to the delimiter; false when it never comes. */
static bool take_heredoc(
    struct cursor *c, struct span delimiter, struct span *ret)
{
	struct span line;
	const char *start = c->p;
	const char *stop = start; /* end of the last line, without its end */

	while (next_line(c, &line)) {
		if (same(line, delimiter)) {
			*ret = (struct span){start, (size_t)(stop - start)};
			return true;
		}
		stop = line.s + line.len;
	}
	return false;
}

static const char *find_heredoc(struct span line)
{
	for (size_t i = 0; i + 1 < line.len; i++) {
		if (line.s[i] == '=')
			return NULL; /* NAME=VALUE, whatever the value has */
		if (line.s[i] == '<' && line.s[i + 1] == '<')
			return line.s + i;
	}
	return NULL;
}

static void take_setting(
    struct cursor *c, struct span line, const struct filecmd_sink *sink)
{
	const char *mark = find_heredoc(line);
	const char *eq = memchr(line.s, '=', line.len);
	const char *cut = mark != NULL ? mark : eq;
	unsigned at = c->line;
	struct span key, rest;

	if (cut == NULL) {
		sink->bad(sink->arg, at, "is neither NAME=VALUE nor NAME<<END");
		return;
	}
	key = (struct span){line.s, (size_t)(cut - line.s)};
	rest.s = cut + (mark != NULL ? 2 : 1);
	rest.len = (size_t)(line.s + line.len - rest.s);
	if (mark != NULL && rest.len == 0) {
		sink->bad(sink->arg, at, "has no delimiter after <<");
		return;
	}
	if (mark != NULL && !take_heredoc(c, rest, &rest)) {
		sink->bad(sink->arg, at,
		    "starts a value that never ends: its "
		    "delimiter is missing");
		return;
	}
	if (key.len == 0)
		sink->bad(sink->arg, at, "has no name");
	else
		give(sink, at, key, rest);
}

void filecmd_parse_pairs(
    const char *text, size_t len, const struct filecmd_sink *sink)
{
	struct cursor c = {.p = text, .end = text + len};
	struct span line;

	skip_mark(&c);
	while (next_line(&c, &line)) {
		if (line.len > 0)
			take_setting(&c, line, sink);
	}
}

void filecmd_parse_paths(
    const char *text, size_t len, const struct filecmd_sink *sink)
{
	struct cursor c = {.p = text, .end = text + len};
	struct span line;

	skip_mark(&c);
	while (next_line(&c, &line)) {
		if (line.len > 0)
			give(sink, c.line, (struct span){"", 0}, line);
	}
}

bool filecmd_env_is_reserved(const char *key, size_t len)
{
	static const char node[] = "NODE_OPTIONS";

	return (len == sizeof(node) - 1 && strncasecmp(key, node, len) == 0) ||
	       (len >= 7 && (strncasecmp(key, "GITHUB_", 7) == 0 ||
				strncasecmp(key, "RUNNER_", 7) == 0));
}
