/*
 * One value of one option: checking and storing text, showing what is
 * stored, and the words for messages. Driven by rows of the option table;
 * called while loading (one thread) and printing (any thread).
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/secret.h"
#include "config/lists.h"
#include "config/options.h"

#define QUOTE_MAX 80 /* bytes of a value that a message shows */

void *option_field(struct options *o, const struct option *opt)
{
	ASSERT(opt->offset != OPTION_NO_FIELD);
	return (char *)o + opt->offset;
}

const void *option_field_const(
    const struct options *o, const struct option *opt)
{
	ASSERT(opt->offset != OPTION_NO_FIELD);
	return (const char *)o + opt->offset;
}

void option_quote(struct buf *out, const char *text)
{
	IGNORE(buf_append_char(out, '"'));
	for (size_t i = 0; text[i] != '\0'; i++) {
		unsigned char c = (unsigned char)text[i];

		if (i == QUOTE_MAX) {
			IGNORE(buf_append_str(out, "..."));
			break;
		}
		if (c < 0x20 || c == 0x7f)
			IGNORE(buf_printf(out, "\\x%02x", c));
		else
			IGNORE(buf_append_char(out, (char)c));
	}
	IGNORE(buf_append_char(out, '"'));
}

/* -- what is accepted -------------------------------------------------- */

/* The largest unit that divides ms, as "90m"; 0 as "0s". */
static void render_duration(struct buf *out, int64_t ms)
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"},
	    {1, "ms"}};
	size_t i = 0;

	if (ms == 0) {
		IGNORE(buf_append_str(out, "0s"));
		return;
	}
	while (ms % units[i].ms != 0)
		i++;
	IGNORE(
	    buf_printf(out, "%" PRId64 "%s", ms / units[i].ms, units[i].name));
}

static void render_size(struct buf *out, int64_t bytes)
{
	static const char units[] = "\0kmgt";
	int i = 0;

	while (bytes != 0 && bytes % 1024 == 0 && i < 4) {
		bytes /= 1024;
		i++;
	}
	IGNORE(buf_printf(out, "%" PRId64, bytes));
	if (i > 0)
		IGNORE(buf_append_char(out, units[i]));
}

static void accepts_choices(const struct option *opt, struct buf *out)
{
	for (size_t i = 0; opt->choices[i] != NULL; i++)
		IGNORE(buf_printf(out, "%s%s",
		    i == 0                        ? ""
		    : opt->choices[i + 1] == NULL ? " or "
						  : ", ",
		    opt->choices[i]));
}

static void accepts_range(const struct option *opt, const char *what,
    void (*render)(struct buf *, int64_t), struct buf *out)
{
	IGNORE(buf_printf(out, "%s from ", what));
	render(out, opt->min);
	IGNORE(buf_append_str(out, " to "));
	render(out, opt->max);
}

static const char *unit_word(int64_t unit_ms)
{
	return unit_ms == 1         ? "milliseconds"
	       : unit_ms == 1000    ? "seconds"
	       : unit_ms == 60000   ? "minutes"
	       : unit_ms == 3600000 ? "hours"
				    : "days";
}

void option_accepts(const struct option *opt, struct buf *out)
{
	switch (opt->type) {
	case OPTION_STRING:
		IGNORE(buf_append_str(out, opt->accepts));
		break;
	case OPTION_INT:
		IGNORE(buf_printf(out,
		    "a whole number from %" PRId64 " to %" PRId64, opt->min,
		    opt->max));
		break;
	case OPTION_NUM:
		IGNORE(buf_printf(
		    out, "a number from %g to %g", opt->num_min, opt->num_max));
		break;
	case OPTION_BOOL:
		IGNORE(buf_append_str(out, "true or false"));
		break;
	case OPTION_SIZE:
		accepts_range(opt, "a size", render_size, out);
		IGNORE(buf_append_str(out, " (as 512k, 256m, 4g)"));
		break;
	case OPTION_DURATION:
		accepts_range(opt, "a duration", render_duration, out);
		IGNORE(buf_printf(out,
		    " (as 500ms, 30s, 5m, 2h, 7d; a bare number is %s)",
		    unit_word(opt->unit_ms)));
		break;
	case OPTION_CHOICE:
		accepts_choices(opt, out);
		break;
	case OPTION_SECRET:
		IGNORE(buf_printf(out,
		    "%" PRId64 " to %" PRId64
		    " characters without control characters",
		    opt->min, opt->max));
		break;
	case OPTION_ROUTES:
		IGNORE(buf_append_str(
		    out, "a YAML list of {labels: [...], image: ...}"));
		break;
	case OPTION_POOLS:
		IGNORE(buf_append_str(
		    out, "a YAML list of {image: ..., size: n}"));
		break;
	}
}

/* -- near misses ------------------------------------------------------- */

static void lower(const char *text, char *out, size_t size)
{
	size_t i;

	for (i = 0; text[i] != '\0' && i + 1 < size; i++)
		out[i] = (char)tolower((unsigned char)text[i]);
	out[i] = '\0';
}

const char *option_nearest(
    const char *text, const char *(*next)(void *arg, size_t i), void *arg)
{
	const char *name, *best = NULL;
	unsigned best_distance = 3, d;
	char a[64], b[64];

	if (strlen(text) >= sizeof(a))
		return NULL;
	lower(text, a, sizeof(a));
	for (size_t i = 0; (name = next(arg, i)) != NULL; i++) {
		lower(name, b, sizeof(b));
		d = parse_distance(a, b);
		/* of a short name a third of it is too much to call near */
		if (d < best_distance && d * 3 <= strlen(b) + 1) {
			best = name;
			best_distance = d;
		}
	}
	return best;
}

static const char *next_choice(void *arg, size_t i)
{
	const struct option *opt = arg;

	return opt->choices[i];
}

/* -- storing ----------------------------------------------------------- */

static int refuse(const struct option *opt, const char *text, struct err *err)
{
	CLEANUP(buf_fini) struct buf why = {.max = 400};
	const char *near = NULL;

	if (opt->type != OPTION_SECRET) {
		option_quote(&why, text);
		IGNORE(buf_append_str(&why, " is not accepted, "));
	}
	IGNORE(buf_append_str(&why, "expected "));
	option_accepts(opt, &why);
	if (opt->type == OPTION_CHOICE)
		near = option_nearest(text, next_choice, (void *)opt);
	if (near != NULL)
		IGNORE(buf_printf(&why, "; did you mean \"%s\"?", near));
	return err_set(
	    err, ERR_INVALID, "bad_option", "%s: %s", opt->key, buf_str(&why));
}

static bool in_range(const struct option *opt, int64_t v)
{
	return v >= opt->min && v <= opt->max;
}

static bool secret_is_fine(const struct option *opt, const char *text)
{
	size_t len = strlen(text);

	if (!in_range(opt, (int64_t)len))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

static bool choice_is_fine(const struct option *opt, const char *text)
{
	for (size_t i = 0; opt->choices[i] != NULL; i++)
		if (strcmp(opt->choices[i], text) == 0)
			return true;
	return false;
}

union parsed {
	int64_t i;
	double d;
	bool b;
};

/* Is text fine for opt? Numbers come out in ret. */
static bool parse_value(
    const struct option *opt, const char *text, union parsed *ret)
{
	switch (opt->type) {
	case OPTION_STRING:
		return opt->check(text);
	case OPTION_INT:
		return parse_int(text, opt->min, opt->max, &ret->i) == 0;
	case OPTION_NUM:
		return parse_num(text, opt->num_min, opt->num_max, &ret->d) ==
		       0;
	case OPTION_BOOL:
		return parse_bool(text, &ret->b) == 0;
	case OPTION_SIZE:
		return parse_size(text, &ret->i) == 0 && in_range(opt, ret->i);
	case OPTION_DURATION:
		return parse_duration(text, opt->unit_ms, &ret->i) == 0 &&
		       in_range(opt, ret->i);
	case OPTION_CHOICE:
		return choice_is_fine(opt, text);
	case OPTION_SECRET:
		return secret_is_fine(opt, text);
	case OPTION_ROUTES:
	case OPTION_POOLS:
		return false;
	}
	WRONG("option type");
}

static void store(struct options *o, const struct option *opt, const char *text,
    const union parsed *v)
{
	void *field = option_field(o, opt);

	option_clear(o, opt);
	switch (opt->type) {
	case OPTION_STRING:
	case OPTION_CHOICE:
		*(char **)field = mem_strdup(text);
		break;
	case OPTION_INT:
	case OPTION_SIZE:
	case OPTION_DURATION:
		*(int64_t *)field = v->i;
		break;
	case OPTION_NUM:
		*(double *)field = v->d;
		break;
	case OPTION_BOOL:
		*(bool *)field = v->b;
		break;
	case OPTION_SECRET:
		*(struct secret **)field = secret_new(text, strlen(text));
		break;
	case OPTION_ROUTES:
	case OPTION_POOLS:
		WRONG("lists are not stored from text");
	}
}

int option_set(struct options *o, const struct option *opt, const char *text,
    struct err *err)
{
	union parsed v = {0};

	if (!parse_value(opt, text, &v))
		return refuse(opt, text, err);
	if (opt->offset != OPTION_NO_FIELD)
		store(o, opt, text, &v);
	return 0;
}

void option_clear(struct options *o, const struct option *opt)
{
	void *field;

	if (opt->offset == OPTION_NO_FIELD)
		return;
	field = option_field(o, opt);
	switch (opt->type) {
	case OPTION_STRING:
	case OPTION_CHOICE:
		mem_free(*(char **)field);
		*(char **)field = NULL;
		break;
	case OPTION_SECRET:
		secret_free(*(struct secret **)field);
		*(struct secret **)field = NULL;
		break;
	case OPTION_ROUTES:
		routes_free(o);
		break;
	case OPTION_POOLS:
		pools_free(o);
		break;
	case OPTION_INT:
	case OPTION_SIZE:
	case OPTION_DURATION:
	case OPTION_NUM:
	case OPTION_BOOL:
		break;
	}
}

/* -- showing ----------------------------------------------------------- */

void option_render(
    const struct options *o, const struct option *opt, struct buf *out)
{
	const void *field = option_field_const(o, opt);
	const char *text;

	switch (opt->type) {
	case OPTION_STRING:
	case OPTION_CHOICE:
		text = *(char *const *)field;
		IGNORE(buf_append_str(out, text != NULL ? text : ""));
		break;
	case OPTION_INT:
		IGNORE(buf_printf(out, "%" PRId64, *(const int64_t *)field));
		break;
	case OPTION_SIZE:
		render_size(out, *(const int64_t *)field);
		break;
	case OPTION_DURATION:
		render_duration(out, *(const int64_t *)field);
		break;
	case OPTION_NUM:
		IGNORE(buf_printf(out, "%g", *(const double *)field));
		break;
	case OPTION_BOOL:
		IGNORE(buf_append_str(
		    out, *(const bool *)field ? "true" : "false"));
		break;
	case OPTION_SECRET:
		if (*(struct secret *const *)field != NULL)
			IGNORE(buf_append_str(out, "(set)"));
		break;
	case OPTION_ROUTES:
		routes_render(o, out);
		break;
	case OPTION_POOLS:
		pools_render(o, out);
		break;
	}
}
