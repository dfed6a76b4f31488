/*
 * `routes` and `pool`: lists of maps in the configuration file, turned into
 * the arrays of struct options. Each error names file, line, entry and what
 * is accepted. While loading, one thread.
 */
#include "config/lists.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "config/checks.h"
#include "config/options.h"
#include "config/yaml_doc.h"

#define ENTRIES_MAX 1000
#define LABELS_MAX  32
#define DAY_MINUTES (24 * 60)
#define ALL_DAYS    0x7f

static int bad(const char *file, const struct yaml_item *at, const char *key,
    const char *expected, struct err *err)
{
	CLEANUP(buf_fini) struct buf shown = {.max = 128};

	if (at->kind == YAML_SCALAR) {
		option_quote(&shown, at->text);
		IGNORE(buf_append_str(&shown, " is not accepted, "));
	}
	return err_set(err, ERR_INVALID, "bad_option",
	    "%s:%d: %s: %sexpected %s", file, at->line, key, buf_str(&shown),
	    expected);
}

static const char *next_name(void *arg, size_t i)
{
	const char *const *names = arg;

	return names[i];
}

/* Every key of the entry must be among names. */
static int check_keys(const char *file, const struct yaml_item *entry,
    const char *list, const char *const *names, struct err *err)
{
	const char *near;
	size_t n;

	if (entry->kind != YAML_MAP)
		return bad(file, entry, list, "entries that are maps", err);
	for (const struct yaml_item *i = entry->first; i; i = i->next) {
		for (n = 0; names[n] != NULL; n++)
			if (strcmp(names[n], i->key) == 0)
				break;
		if (names[n] != NULL)
			continue;
		near = option_nearest(i->key, next_name, (void *)names);
		CLEANUP(buf_fini) struct buf shown = {.max = 512};
		option_quote(&shown, i->key);
		return err_set(err, ERR_INVALID, "unknown_option",
		    "%s:%d: unknown key %s in %s%s%s%s", file, i->line,
		    buf_str(&shown), list, near ? "; did you mean \"" : "",
		    near ? near : "", near ? "\"?" : "");
	}
	return 0;
}

static int count_entries(const char *file, const struct yaml_item *list,
    const char *key, size_t *ret, struct err *err)
{
	size_t n = 0;

	if (list->kind != YAML_LIST)
		return bad(file, list, key, "a list", err);
	for (const struct yaml_item *i = list->first; i; i = i->next)
		n++;
	if (n > ENTRIES_MAX)
		return bad(file, list, key, "at most 1000 entries", err);
	*ret = n;
	return 0;
}

static int get_image(const char *file, const struct yaml_item *entry,
    const char *key, char **ret, struct err *err)
{
	const struct yaml_item *image = yaml_item_get(entry, "image");

	if (image == NULL || image->kind != YAML_SCALAR ||
	    !check_image(image->text))
		return bad(file, image != NULL ? image : entry, key,
		    "an image reference", err);
	*ret = mem_strdup(image->text);
	return 0;
}

/* -- routes ------------------------------------------------------------ */

static int get_labels(const char *file, const struct yaml_item *entry,
    char ***ret, struct err *err)
{
	static const char *const what = "a list of 1 to 32 label names";
	const struct yaml_item *labels = yaml_item_get(entry, "labels");
	size_t n = 0;

	if (labels == NULL || labels->kind != YAML_LIST ||
	    labels->first == NULL)
		return bad(file, labels != NULL ? labels : entry,
		    "routes.labels", what, err);
	*ret = mem_calloc(LABELS_MAX + 1, sizeof(**ret));
	for (const struct yaml_item *i = labels->first; i; i = i->next) {
		if (i->kind != YAML_SCALAR || !check_text(i->text) ||
		    strlen(i->text) > 256 || n == LABELS_MAX)
			return bad(file, i, "routes.labels", what, err);
		(*ret)[n++] = mem_strdup(i->text);
	}
	return 0;
}

int routes_set(struct options *o, const char *file,
    const struct yaml_item *list, struct err *err)
{
	static const char *const keys[] = {"labels", "image", NULL};
	struct route_rule *rule;
	size_t n = 0;

	routes_free(o);
	TRY(count_entries(file, list, "routes", &n, err));
	if (n == 0)
		return 0;
	o->routes = mem_calloc(n, sizeof(*o->routes));
	for (const struct yaml_item *i = list->first; i; i = i->next) {
		rule = &o->routes[o->nroutes++];
		TRY(check_keys(file, i, "routes", keys, err));
		TRY(get_labels(file, i, &rule->labels, err));
		TRY(get_image(file, i, "routes.image", &rule->image, err));
	}
	return 0;
}

void routes_free(struct options *o)
{
	for (size_t i = 0; i < o->nroutes; i++) {
		char **labels = o->routes[i].labels;

		for (size_t n = 0; labels != NULL && labels[n] != NULL; n++)
			mem_free(labels[n]);
		mem_free(labels);
		mem_free(o->routes[i].image);
	}
	mem_free(o->routes);
	o->routes = NULL;
	o->nroutes = 0;
}

void routes_render(const struct options *o, struct buf *out)
{
	for (size_t i = 0; i < o->nroutes; i++) {
		const struct route_rule *r = &o->routes[i];

		for (size_t n = 0; r->labels[n] != NULL; n++)
			IGNORE(buf_printf(out, "%s%s",
			    n > 0   ? "+"
			    : i > 0 ? "; "
				    : "",
			    r->labels[n]));
		IGNORE(buf_printf(out, " -> %s", r->image));
	}
}

/* -- pool -------------------------------------------------------------- */

/* "08:30" at *p; 24:00 is the end of the day. */
static int scan_minute(const char **p, int *ret)
{
	const char *t = *p;

	for (int i = 0; i < 5; i++)
		if (i == 2 ? t[i] != ':' : t[i] < '0' || t[i] > '9')
			return -1;
	*ret = ((t[0] - '0') * 10 + t[1] - '0') * 60 + (t[3] - '0') * 10 +
	       t[4] - '0';
	if (t[3] > '5' || *ret > DAY_MINUTES)
		return -1;
	*p = t + 5;
	return 0;
}

static int parse_hours(const char *text, struct pool_rule *rule)
{
	if (scan_minute(&text, &rule->from_minute) < 0 || *text++ != '-' ||
	    scan_minute(&text, &rule->to_minute) < 0 || *text != '\0')
		return -1;
	return rule->from_minute == rule->to_minute ? -1 : 0;
}

static int scan_day(const char **p)
{
	static const char names[] = "sunmontuewedthufrisat";

	for (int d = 0; d < 7; d++)
		if (strncmp(*p, names + (size_t)d * 3, 3) == 0) {
			*p += 3;
			return d;
		}
	return -1;
}

/* "mon-fri,sun"; a range may pass the end of the week. */
static int parse_days(const char *text, int *ret)
{
	int from, to, days = 0;

	do {
		from = to = scan_day(&text);
		if (from >= 0 && *text == '-') {
			text++;
			to = scan_day(&text);
		}
		if (from < 0 || to < 0)
			return -1;
		for (int d = from;; d = (d + 1) % 7) {
			days |= 1 << d;
			if (d == to)
				break;
		}
	} while (*text++ == ',');
	*ret = days;
	return text[-1] == '\0' ? 0 : -1;
}

static int get_schedule(const char *file, const struct yaml_item *entry,
    struct pool_rule *rule, struct err *err)
{
	const struct yaml_item *hours = yaml_item_get(entry, "hours");
	const struct yaml_item *days = yaml_item_get(entry, "days");

	rule->days = ALL_DAYS;
	if (hours != NULL &&
	    (hours->kind != YAML_SCALAR || parse_hours(hours->text, rule) < 0))
		return bad(file, hours, "pool.hours",
		    "local hours such as 08:00-18:00", err);
	if (days != NULL && (days->kind != YAML_SCALAR ||
				parse_days(days->text, &rule->days) < 0))
		return bad(file, days, "pool.days",
		    "days such as mon-fri or sat,sun", err);
	/* days alone mean the whole of them: from == to would say "always" */
	if (hours == NULL && days != NULL)
		rule->to_minute = DAY_MINUTES;
	return 0;
}

static int get_size(const char *file, const struct yaml_item *entry,
    struct pool_rule *rule, struct err *err)
{
	const struct yaml_item *size = yaml_item_get(entry, "size");
	int64_t v;

	if (size == NULL || size->kind != YAML_SCALAR ||
	    parse_int(size->text, 0, 1000, &v) < 0)
		return bad(file, size != NULL ? size : entry, "pool.size",
		    "a whole number from 0 to 1000", err);
	rule->size = (int)v;
	return 0;
}

int pools_set(struct options *o, const char *file, const struct yaml_item *list,
    struct err *err)
{
	static const char *const keys[] = {
	    "image", "size", "hours", "days", NULL};
	struct pool_rule *rule;
	size_t n = 0;

	pools_free(o);
	TRY(count_entries(file, list, "pool", &n, err));
	if (n == 0)
		return 0;
	o->pools = mem_calloc(n, sizeof(*o->pools));
	for (const struct yaml_item *i = list->first; i; i = i->next) {
		rule = &o->pools[o->npools++];
		TRY(check_keys(file, i, "pool", keys, err));
		TRY(get_image(file, i, "pool.image", &rule->image, err));
		TRY(get_size(file, i, rule, err));
		TRY(get_schedule(file, i, rule, err));
	}
	return 0;
}

void pools_free(struct options *o)
{
	for (size_t i = 0; i < o->npools; i++)
		mem_free(o->pools[i].image);
	mem_free(o->pools);
	o->pools = NULL;
	o->npools = 0;
}

void pools_render(const struct options *o, struct buf *out)
{
	for (size_t i = 0; i < o->npools; i++) {
		const struct pool_rule *r = &o->pools[i];

		IGNORE(buf_printf(
		    out, "%s%s x %d", i > 0 ? "; " : "", r->image, r->size));
		if (r->from_minute != r->to_minute)
			IGNORE(buf_printf(out, " %02d:%02d-%02d:%02d",
			    r->from_minute / 60, r->from_minute % 60,
			    r->to_minute / 60, r->to_minute % 60));
		for (int d = 0; r->days != ALL_DAYS && d < 7; d++)
			if (r->days & 1 << d)
				IGNORE(buf_printf(out, " %.3s",
				    &"sunmontuewedthufrisat"[(size_t)d * 3]));
	}
}
