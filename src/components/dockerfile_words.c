/* Words of a Dockerfile and the variables in them: see dockerfile.h. */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "components/dockerfile_internal.h"

enum { DEPTH_MAX = 16 };

void dockerfile_variables_set(struct dockerfile_variables *v, const char *name,
    size_t len, const char *value)
{
	v->items = mem_realloc(v->items, (v->n + 1) * sizeof(*v->items));
	v->items[v->n++] = (struct dockerfile_variable){
	    mem_strndup(name, len), mem_strdup(value)};
}

void dockerfile_variables_fini(struct dockerfile_variables *v)
{
	for (size_t i = 0; i < v->n; i++) {
		mem_free(v->items[i].name);
		mem_free(v->items[i].value);
	}
	mem_free(v->items);
	*v = (struct dockerfile_variables){0};
}

const char *dockerfile_variables_get(
    const struct dockerfile_variables *v, const char *name, size_t len)
{
	for (size_t i = v->n; i-- > 0;)
		if (strlen(v->items[i].name) == len &&
		    memcmp(v->items[i].name, name, len) == 0)
			return v->items[i].value;
	return "";
}

size_t dockerfile_word(const char **at, char escape, const char **ret)
{
	const char *p = *at, *end = p + strlen(p);
	char quote = '\0';
	size_t n;

	while ((n = dockerfile_blank(p, end)) > 0)
		p += n;
	*ret = p;
	for (; p < end && (quote != '\0' || dockerfile_blank(p, end) == 0);
	     p++) {
		if (*p == escape && p[1] != '\0' && quote != '\'')
			p++;
		else if (quote == '\0' && (*p == '\'' || *p == '"'))
			quote = *p;
		else if (*p == quote)
			quote = '\0';
	}
	*at = p;
	return (size_t)(p - *ret);
}

/* As builders take bytes for characters here: the last one of UTF-8's U+0085
 * and U+00A0. */
static bool ends_flag(char c)
{
	return isspace((unsigned char)c) || (unsigned char)c == 0x85 ||
	       (unsigned char)c == 0xa0;
}

/* extractBuilderFlags of BuildKit's parser: whatever the escape is elsewhere,
 * here it is the backslash. */
bool dockerfile_flag(const char **at, struct buf *out)
{
	const char *p = *at;
	char quote = '\0';

	buf_clear(out);
	while (ends_flag(*p))
		p++;
	*at = p;
	if (p[0] != '-' || p[1] != '-')
		return false;
	for (; *p != '\0' && (quote != '\0' || !ends_flag(*p)); p++) {
		if (*p == '\\' && p[1] != '\0')
			buf_append_char(out, *++p);
		else if (quote == '\0' && (*p == '\'' || *p == '"'))
			quote = *p;
		else if (*p == quote)
			quote = '\0';
		else
			buf_append_char(out, *p);
	}
	*at = p;
	return strcmp(buf_str(out), "--") != 0;
}

/* -- expansion --------------------------------------------------------- */

struct expansion {
	const struct dockerfile_variables *v;
	struct buf *out;
	char escape;
	int depth;
};

static int expand(struct expansion *x, const char *p, const char *end);

static const char *name_end(const char *p, const char *end)
{
	while (p < end && (isalnum((unsigned char)*p) || *p == '_'))
		p++;
	return p;
}

/* The brace that belongs to the one before p; NULL: there is none. */
static const char *brace_end(const char *p, const char *end)
{
	int open = 1;

	for (; p < end; p++) {
		open += *p == '{' ? 1 : *p == '}' ? -1 : 0;
		if (open == 0)
			return p;
	}
	return NULL;
}

/* ${NAME}, ${NAME:-word}, ${NAME:+word}, without the colon as well. p stands
 * behind the brace; NULL: another form. */
static const char *expand_braced(
    struct expansion *x, const char *p, const char *end)
{
	const char *close = brace_end(p, end), *behind = name_end(p, end);
	const char *value =
	    dockerfile_variables_get(x->v, p, (size_t)(behind - p));
	bool has = value[0] != '\0';

	if (close == NULL || behind == p || behind > close)
		return NULL;
	if (behind < close && *behind == ':')
		behind++;
	if (behind == close) {
		buf_append_str(x->out, value);
		return behind[-1] == ':' ? NULL : close + 1;
	}
	if (*behind != '-' && *behind != '+')
		return NULL;
	if (*behind == '-' && has)
		buf_append_str(x->out, value);
	else if ((*behind == '-') != has && expand(x, behind + 1, close) < 0)
		return NULL;
	return close + 1;
}

static const char *expand_variable(
    struct expansion *x, const char *p, const char *end)
{
	const char *behind;

	if (p < end && *p == '{')
		return expand_braced(x, p + 1, end);
	behind = name_end(p, end);
	if (behind == p) {
		buf_append_char(x->out, '$');
		return p;
	}
	buf_append_str(
	    x->out, dockerfile_variables_get(x->v, p, (size_t)(behind - p)));
	return behind;
}

/* One character, or what stands for some. NULL: another form. */
static const char *expand_one(
    struct expansion *x, const char *p, const char *end, char *quote)
{
	if (*quote != '\'' && *p == x->escape && p + 1 < end) {
		buf_append_char(x->out, p[1]);
		return p + 2;
	}
	if (*quote != '\'' && *p == '$')
		return expand_variable(x, p + 1, end);
	if (*quote == '\0' && (*p == '\'' || *p == '"'))
		*quote = *p;
	else if (*p == *quote)
		*quote = '\0';
	else
		buf_append_char(x->out, *p);
	return p + 1;
}

static int expand(struct expansion *x, const char *p, const char *end)
{
	char quote = '\0';

	if (++x->depth > DEPTH_MAX)
		return -1;
	while (p != NULL && p < end)
		p = expand_one(x, p, end, &quote);
	x->depth--;
	return p == NULL || x->out->overflow ? -1 : 0;
}

int dockerfile_expand(const char *word, size_t len, char escape,
    const struct dockerfile_variables *v, struct buf *out)
{
	struct expansion x = {.v = v, .out = out, .escape = escape};

	return expand(&x, word, word + len);
}
