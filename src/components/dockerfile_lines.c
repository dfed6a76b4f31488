/* Physical lines of a Dockerfile to instructions: see dockerfile.h. */
#include <string.h>
#include <strings.h>

#include "components/dockerfile_internal.h"

struct line {
	const char *begin, *end; /* without the newline, and a CR before it */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
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
	while (ret->end > ret->begin && ret->end[-1] == '\r')
		ret->end--;
	return true;
}

static const char *behind_blanks(const struct line *line)
{
	const char *p = line->begin;

	while (p < line->end && is_blank(*p))
		p++;
	return p;
}

static bool is_nothing(const struct line *line)
{
	const char *p = behind_blanks(line);

	return p == line->end || *p == '#';
}

/* "# escape=`": only above everything else, other comments included. */
static bool read_directive(const struct line *line, char *escape)
{
	static const char name[] = "escape";
	struct line rest = {behind_blanks(line), line->end};
	const char *p;

	if (rest.begin == rest.end || *rest.begin != '#' ||
	    memchr(rest.begin, '=', (size_t)(rest.end - rest.begin)) == NULL)
		return false;
	rest.begin++;
	p = behind_blanks(&rest);
	if ((size_t)(rest.end - p) < strlen(name) ||
	    strncasecmp(p, name, strlen(name)) != 0)
		return true; /* another one: syntax, check */
	rest.begin = p + strlen(name);
	p = behind_blanks(&rest);
	if (p == rest.end || *p != '=')
		return true;
	rest.begin = p + 1;
	p = behind_blanks(&rest);
	if (p < rest.end && (*p == '`' || *p == '\\'))
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

/* Cuts the escape at its end, with the blanks behind it. */
static bool is_continued(struct line *line, char escape)
{
	const char *p = line->end;

	while (p > line->begin && is_blank(p[-1]))
		p--;
	if (p == line->begin || p[-1] != escape)
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
		more = is_continued(&line, l->escape);
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
