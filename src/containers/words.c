/* The word splitter: see words.h. Called with what a workflow's author wrote,
 * and with commands of the runner. */
#include "containers/words.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define TEXT_MAX ((size_t)16 * 1024 * 1024)

struct splitter {
	const char *at;
	struct buf word;
	bool in_word; /* also true for an empty quoted word */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void take(struct splitter *s, char c)
{
	IGNORE(
	    buf_append_char(&s->word, c)); /* a word is no longer than text */
	s->in_word = true;
}

static int unclosed(char quote, struct err *err)
{
	return err_set(err, ERR_INVALID, "unclosed_quote",
	    "a %s quote is opened and never closed",
	    quote == '"' ? "double" : "single");
}

static int take_single(struct splitter *s, struct err *err)
{
	const char *end = strchr(++s->at, '\'');

	if (end == NULL)
		return unclosed('\'', err);
	IGNORE(buf_append(&s->word, s->at, (size_t)(end - s->at)));
	s->in_word = true;
	s->at = end + 1;
	return 0;
}

/* Inside double quotes a backslash escapes only these. */
static bool is_escapable(char c)
{
	return c == '$' || c == '`' || c == '"' || c == '\\';
}

static int take_double(struct splitter *s, struct err *err)
{
	s->in_word = true;
	for (s->at++; *s->at != '"'; s->at++) {
		if (*s->at == '\0')
			return unclosed('"', err);
		if (*s->at == '\\' && is_escapable(s->at[1]))
			s->at++;
		else if (*s->at == '\\' && s->at[1] == '\n') {
			s->at++;
			continue;
		}
		take(s, *s->at);
	}
	s->at++;
	return 0;
}

/* A backslash at the very end stands for itself. */
static void take_escaped(struct splitter *s)
{
	s->at++;
	if (*s->at == '\n') {
		s->at++;
		return;
	}
	if (*s->at == '\0') {
		take(s, '\\');
		return;
	}
	take(s, *s->at++);
}

void words_add(struct words *w, char *word)
{
	/* Doubles at each power of two, always with room for the NULL. */
	if ((w->n & (w->n + 1)) == 0)
		w->v = mem_realloc(w->v, (2 * w->n + 2) * sizeof(*w->v));
	w->v[w->n++] = word;
	w->v[w->n] = NULL;
}

static int end_word(struct splitter *s, struct words *w, struct err *err)
{
	if (!s->in_word)
		return 0;
	if (w->n == WORDS_MAX)
		return err_set(err, ERR_LIMIT, "too_many_words",
		    "a command line has more than %d words", WORDS_MAX);
	words_add(w, mem_strdup(buf_str(&s->word)));
	buf_clear(&s->word);
	s->in_word = false;
	return 0;
}

static int split(struct splitter *s, struct words *w, struct err *err)
{
	while (*s->at != '\0') {
		if (is_blank(*s->at)) {
			TRY(end_word(s, w, err));
			s->at++;
		} else if (*s->at == '\'') {
			TRY(take_single(s, err));
		} else if (*s->at == '"') {
			TRY(take_double(s, err));
		} else if (*s->at == '\\') {
			take_escaped(s);
		} else {
			take(s, *s->at++);
		}
	}
	return end_word(s, w, err);
}

int words_split(const char *text, struct words *ret, struct err *err)
{
	CLEANUP(words_fini) struct words w = {.v = NULL};
	struct splitter s = {.at = text, .word = {.max = TEXT_MAX}};
	int r;

	if (strlen(text) > TEXT_MAX)
		return err_set(err, ERR_LIMIT, "too_many_words",
		    "a command line is longer than %zu bytes", TEXT_MAX);
	w.v = mem_zalloc(sizeof(*w.v)); /* the NULL of no words */
	r = split(&s, &w, err);
	buf_fini(&s.word);
	if (r != 0)
		return -1;
	*ret = w;
	w = (struct words){.v = NULL};
	return 0;
}

int words_split_pieces(
    const char *const *pieces, struct words *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = TEXT_MAX};
	const char *const *p;

	for (p = pieces; p != NULL && *p != NULL; p++) {
		if (p != pieces)
			buf_append_char(&text, ' ');
		buf_append_str(&text, *p);
	}
	if (text.overflow)
		return err_set(err, ERR_LIMIT, "too_many_words",
		    "a command line is longer than %zu bytes", text.max);
	return words_split(buf_str(&text), ret, err);
}

void words_fini(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		mem_free(w->v[i]);
	mem_free(w->v);
	*w = (struct words){.v = NULL};
}
