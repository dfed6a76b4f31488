/* Physical lines of a Dockerfile to instructions: see dockerfile.h. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "components/dockerfile_internal.h"

struct line {
	const char *begin, *end; /* without the newline, and one CR before it */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

/* Go's unicode.IsSpace, of which builders make use before instructions. */
size_t dockerfile_blank(const char *p, const char *end)
{
	static const char *const wide[] = {"\xc2\x85", "\xc2\xa0",
	    "\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
	    "\xe2\x81\x9f", "\xe3\x80\x80"};

	if (p == end)
		return 0;
	if (is_blank(*p) || *p == '\n')
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(wide); i++)
		if ((size_t)(end - p) >= strlen(wide[i]) &&
		    memcmp(p, wide[i], strlen(wide[i])) == 0)
			return strlen(wide[i]);
	/* U+2000 to U+200A */
	return end - p >= 3 && memcmp(p, "\xe2\x80", 2) == 0 &&
		       (unsigned char)p[2] >= 0x80 &&
		       (unsigned char)p[2] <= 0x8a
		   ? 3
		   : 0;
}

static bool take_line(struct dockerfile_lines *l, struct line *ret)
{
	const char *newline;

	if (l->at == l->end)
		return false;
	newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
	*ret = (struct line){l->at, newline != NULL ? newline : l->end};
	l->at = newline != NULL ? newline + 1 : l->end;
	l->line++;
	if (ret->end > ret->begin && ret->end[-1] == '\r')
		ret->end--;
	return true;
}

static const char *behind_blanks(const struct line *line)
{
	const char *p = line->begin;
	size_t n;

	while ((n = dockerfile_blank(p, line->end)) > 0)
		p += n;
	return p;
}

static bool is_nothing(const struct line *line)
{
	const char *p = behind_blanks(line);

	return p == line->end || *p == '#';
}

static const char *behind_spaces(const char *p, const char *end)
{
	while (p < end && strchr(" \t\f\r", *p) != NULL && *p != '\0')
		p++;
	return p;
}

/* "# escape=`": only above everything else, other comments included; what is
 * no "# name=value" to the letter ends it (BuildKit's parser, directives). */
static bool read_directive(const struct line *line, char *escape)
{
	static const char wanted[] = "escape";
	const char *p = behind_blanks(line), *name;
	size_t len;

	if (p == line->end || *p != '#')
		return false;
	name = p = behind_spaces(p + 1, line->end);
	while (p < line->end && isalnum((unsigned char)*p))
		p++;
	len = (size_t)(p - name);
	p = behind_spaces(p, line->end);
	if (len == 0 || isdigit((unsigned char)*name) || p == line->end ||
	    *p != '=' || p + 1 == line->end)
		return false;
	p = behind_spaces(p + 1, line->end);
	if (len == strlen(wanted) && strncasecmp(name, wanted, len) == 0 &&
	    p < line->end && (*p == '`' || *p == '\\'))
		*escape = *p;
	return true;
}

void dockerfile_lines_init(
    struct dockerfile_lines *l, const char *text, size_t len)
{
	static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8 */
	struct dockerfile_lines before;
	struct line line;
	char escape = '\\';

	*l =
	    (struct dockerfile_lines){.at = text, .end = text + len, .line = 1};
	if (len >= 3 && memcmp(text, mark, 3) == 0)
		l->at += 3;
	do
		before = *l;
	while (take_line(l, &line) && read_directive(&line, &escape));
	*l = before;
	l->escape = escape;
}

/* Cuts the escape at its end, with the blanks behind it. Behind another escape,
 * or before other blanks than spaces and tabs, some builders do not take it for
 * one (lineContinuationRegex of BuildKit's parser). */
static bool is_continued(struct dockerfile_lines *l, struct line *line)
{
	const char *p = line->end;
	bool doubtful = false;

	for (; p > line->begin && is_blank(p[-1]); p--)
		doubtful |= p[-1] != ' ' && p[-1] != '\t';
	if (p == line->begin || p[-1] != l->escape)
		return false;
	doubtful |= p - line->begin > 1 && p[-2] == l->escape;
	l->doubtful |= doubtful;
	if (doubtful && !l->lenient)
		return false;
	line->end = p - 1;
	return true;
}

bool dockerfile_lines_next(
    struct dockerfile_lines *l, struct buf *out, int *ret_line)
{
	struct line line;
	bool more = true;

	buf_clear(out);
	do {
		*ret_line = l->line;
		if (!take_line(l, &line))
			return false;
	} while (is_nothing(&line));
	line.begin = behind_blanks(&line);
	for (;;) {
		more = is_continued(l, &line);
		if (buf_append(
			out, line.begin, (size_t)(line.end - line.begin)) < 0)
			return false; /* larger than any Dockerfile may be */
		if (!more)
			return true;
		do /* comments and empty lines do not end it */
			if (!take_line(l, &line))
				return true;
		while (is_nothing(&line));
	}
}

bool dockerfile_lines_has(const struct dockerfile_lines *l, const char *word,
    size_t len, bool tabs_count)
{
	struct dockerfile_lines rest = *l;
	struct line line;

	while (take_line(&rest, &line)) {
		while (
		    !tabs_count && line.begin < line.end && *line.begin == '\t')
			line.begin++;
		if ((size_t)(line.end - line.begin) == len &&
		    memcmp(line.begin, word, len) == 0)
			return true;
	}
	return false;
}
