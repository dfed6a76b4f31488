/* The inside of dockerfile.h: lines (dockerfile_lines.c), words
 * (dockerfile_words.c), and what they mean (dockerfile.c). */
#ifndef COMPONENTS_DOCKERFILE_INTERNAL_H
#define COMPONENTS_DOCKERFILE_INTERNAL_H

#include "base/buf.h"
#include "components/dockerfile.h"

/* -- lines ------------------------------------------------------------- */
struct dockerfile_lines {
	const char *at, *end; /* what was not read yet */
	int line;             /* of at, from 1 */
	char escape;          /* '\\', or what the directive says */
	bool lenient;         /* doubtful ends of lines continue them */
	bool doubtful;        /* there was one: builders differ */
};
/* At the first line, behind the directives. */
void dockerfile_lines_init(
    struct dockerfile_lines *l, const char *text, size_t len);
/* One instruction in one line, into out (emptied), and where it begins; false:
 * there is no more. */
bool dockerfile_lines_next(
    struct dockerfile_lines *l, struct buf *out, int *ret_line);
/* Does a line of the rest consist of this word? Then that would end a
 * here-document. */
bool dockerfile_lines_has(const struct dockerfile_lines *l, const char *word,
    size_t len, bool tabs_count);

/* How many bytes of white space stand at p; 0: none. */
size_t dockerfile_blank(const char *p, const char *end);

/* -- words ------------------------------------------------------------- */
struct dockerfile_variable {
	char *name, *value;
};
struct dockerfile_variables { /* for dockerfile_variables_fini */
	struct dockerfile_variable *items;
	size_t n;
};
void dockerfile_variables_set(struct dockerfile_variables *v, const char *name,
    size_t len, const char *value);
void dockerfile_variables_fini(struct dockerfile_variables *v);
/* The last one that was set wins; "" for one that nobody has set. */
const char *dockerfile_variables_get(
    const struct dockerfile_variables *v, const char *name, size_t len);
/* The word that *at stands before, blanks passed over; its end is *at after
 * it. Quotes and escapes count, and stay. Length 0: there is none. */
size_t dockerfile_word(const char **at, char escape, const char **ret);
/* The flag ("--from=a") that *at stands before, without quotes and escapes,
 * into out (emptied); *at moves behind it. False: what comes, blanks passed
 * over, is none. */
bool dockerfile_flag(const char **at, struct buf *out);
/* Appends the word without quotes and escapes, with variables put in. -1: it
 * uses a form that is not known here. */
int dockerfile_expand(const char *word, size_t len, char escape,
    const struct dockerfile_variables *v, struct buf *out) MUST_CHECK;

#endif
