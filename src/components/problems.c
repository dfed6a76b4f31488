/* The list of problems: see problems.h. Pure, the caller's thread. */
#include "components/problems.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

#define TEXT_BYTES_MAX 400
#define WARNINGS_MAX   (PROBLEMS_MAX / 2)

void problems_fini(struct problems *p)
{
	for (size_t i = 0; i < p->n; i++)
		mem_free(p->v[i].text);
	mem_free(p->v);
	*p = (struct problems){0};
}

static void add(struct problems *p, struct place at, bool warning,
    const char *fmt, va_list ap)
{
	char text[TEXT_BYTES_MAX], clean[TEXT_BYTES_MAX];

	p->errors += !warning;
	p->warnings += warning;
	/* warnings leave room for errors */
	if (p->n == PROBLEMS_MAX || (warning && p->warnings > WARNINGS_MAX))
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	p->v = mem_realloc(p->v, (p->n + 1) * sizeof(*p->v));
	p->v[p->n++] = (struct problem){.line = at.line,
	    .column = at.column,
	    .warning = warning,
	    .text = mem_strdup(utf8_clean(text, clean, sizeof(clean)))};
}

void problems_error(struct problems *p, struct place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(p, at, false, fmt, ap);
	va_end(ap);
}

void problems_warn(struct problems *p, struct place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(p, at, true, fmt, ap);
	va_end(ap);
}

static bool stands_before(const struct problem *a, const struct problem *b)
{
	return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* By insertion: short, and problems of one place keep their order. */
void problems_sort(struct problems *p)
{
	for (size_t i = 1; i < p->n; i++) {
		struct problem moved = p->v[i];
		size_t at = i;

		for (; at > 0 && stands_before(&moved, &p->v[at - 1]); at--)
			p->v[at] = p->v[at - 1];
		p->v[at] = moved;
	}
}

int problems_judge(const struct problems *p, const char *file, const char *code,
    struct err *err)
{
	const struct problem *first = NULL;
	char more[48] = "", place[32] = "";

	if (p->errors == 0)
		return 0;
	for (size_t i = 0; first == NULL && i < p->n; i++)
		if (!p->v[i].warning)
			first = &p->v[i];
	if (p->errors > 1)
		snprintf(more, sizeof(more), " (and %zu more)", p->errors - 1);
	if (first != NULL && first->line > 0)
		snprintf(
		    place, sizeof(place), ":%d:%d", first->line, first->column);
	return err_set(err, ERR_INVALID, code, "%.100s%s: %.300s%s", file,
	    place, first != NULL ? first->text : "it is wrong", more);
}

const char *problem_quote(const char *text, char out[64])
{
	char clean[56];

	utf8_clean(text, clean, sizeof(clean));
	snprintf(out, 64, "\"%s\"%s", clean,
	    strlen(text) >= sizeof(clean) ? "..." : "");
	return out;
}
