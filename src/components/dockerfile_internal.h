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
/* The word that *at stands before, blanks passed over; its end is *at after
 * it. Quotes and escapes count, and stay. Length 0: there is none. */
size_t dockerfile_word(const char **at, char escape, const char **ret);
/* Appends the word without quotes and escapes, with variables put in. -1: it
 * uses a form that is not known here. */
int dockerfile_expand(const char *word, size_t len, char escape,
    const struct dockerfile_variables *v, struct buf *out) MUST_CHECK;

#endif
