/* The `.env` parser, see dotenv.h. Pure, any thread. */
#include "config/dotenv.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/secret.h"

#define NAME_MAX_BYTES 128

struct scan {
	const char *file;
	const char *p, *end;
	int line;
	struct err *err;
};

static int fail(struct scan *s, int line, const char *what)
{
	return err_set(s->err, ERR_INVALID, "bad_dotenv", "%s:%d: %s", s->file,
	    line, what);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct scan *s)
{
	while (s->p < s->end && is_blank(*s->p))
		s->p++;
}

static void skip_line(struct scan *s)
{
	while (s->p < s->end && *s->p != '\n')
		s->p++;
}

static bool is_name_char(char c, bool first)
{
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (!first && c >= '0' && c <= '9');
}

static int scan_name(struct scan *s, char name[NAME_MAX_BYTES])
{
	const char *from;
	size_t n;

	if ((size_t)(s->end - s->p) > 7 && memcmp(s->p, "export ", 7) == 0)
		s->p += 7;
	skip_blanks(s);
	from = s->p;
	while (s->p < s->end && is_name_char(*s->p, s->p == from))
		s->p++;
	n = (size_t)(s->p - from);
	skip_blanks(s);
	if (n == 0 || n >= NAME_MAX_BYTES || s->p == s->end || *s->p != '=')
		return fail(s, s->line, "expected NAME=value");
	s->p++;
	memcpy(name, from, n);
	name[n] = '\0';
	return 0;
}

static char unescape(char c)
{
	return c == 'n' ? '\n' : c == 't' ? '\t' : c;
}

static int scan_quoted(struct scan *s, struct buf *out)
{
	char quote = *s->p++, c;
	int begun = s->line;

	for (; s->p < s->end && *s->p != quote; s->p++) {
		c = *s->p;
		if (c == '\n')
			s->line++;
		if (c == '\\' && quote == '"' && s->p + 1 < s->end &&
		    strchr("nt\"\\$", s->p[1]) != NULL)
			c = unescape(*++s->p);
		IGNORE(buf_append_char(out, c)); /* out holds the whole file */
	}
	if (s->p == s->end)
		return fail(s, begun, "the quote that opens here never closes");
	s->p++;
	skip_blanks(s);
	if (s->p < s->end && *s->p == '#')
		skip_line(s);
	if (s->p < s->end && *s->p != '\n')
		return fail(s, s->line, "text after the closing quote");
	return 0;
}

static void scan_plain(struct scan *s, struct buf *out)
{
	const char *from = s->p, *to;

	while (s->p < s->end && *s->p != '\n' &&
	       !(*s->p == '#' && (s->p == from || is_blank(s->p[-1]))))
		s->p++;
	for (to = s->p; to > from && is_blank(to[-1]); to--)
		;
	IGNORE(buf_append(out, from, (size_t)(to - from)));
	skip_line(s);
}

static int scan_line(struct scan *s, struct buf *value,
    int (*cb)(void *, const char *, const char *, int, struct err *), void *arg)
{
	char name[NAME_MAX_BYTES];
	int line = s->line;

	skip_blanks(s);
	if (s->p == s->end || *s->p == '\n')
		return 0;
	if (*s->p == '#') {
		skip_line(s);
		return 0;
	}
	TRY(scan_name(s, name));
	skip_blanks(s);
	buf_clear(value);
	if (s->p < s->end && (*s->p == '"' || *s->p == '\''))
		TRY(scan_quoted(s, value));
	else
		scan_plain(s, value);
	return cb(arg, name, buf_str(value), line, s->err);
}

int dotenv_parse(const char *file, const char *text, size_t len,
    int (*cb)(void *arg, const char *name, const char *value, int line,
	struct err *err),
    void *arg, struct err *err)
{
	struct scan s = {
	    .file = file, .p = text, .end = text + len, .line = 1, .err = err};
	CLEANUP(buf_fini) struct buf value = {.max = DOTENV_BYTES_MAX};
	int rc = 0;

	if (len > DOTENV_BYTES_MAX)
		return err_set(err, ERR_LIMIT, NULL,
		    "%s is larger than %d bytes", file, DOTENV_BYTES_MAX);
	if (len > 0 && memchr(text, '\0', len) != NULL)
		return err_set(err, ERR_INVALID, "bad_dotenv",
		    "%s: a NUL byte is not accepted", file);
	while (rc == 0 && s.p < s.end) {
		rc = scan_line(&s, &value, cb, arg);
		if (rc == 0 && s.p < s.end) {
			s.p++; /* the newline */
			s.line++;
		}
	}
	if (value.data != NULL)
		secret_wipe(value.data, value.cap);
	return rc;
}
