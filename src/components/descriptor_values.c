/*
 * Single values of the descriptor: durations, sizes, numbers, paths, names.
 * Called through the rows of descriptor.c. Pure.
 */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/parse.h"
#include "components/descriptor_internal.h"
#include "containers/values.h"

#define PATH_BYTES_MAX 1024

static void *field(struct reading *r, const struct key *k)
{
	return (char *)r->d + k->offset;
}

static bool in_range(const struct key *k, double v)
{
	return v >= k->min && v <= k->max;
}

/* "30s", "1m30s", "7d"; without a unit only "0": 30 could be seconds or
 * milliseconds. */
static int duration_ms(const char *text, int64_t *ret)
{
	int64_t ns;

	if (strcmp(text, "0") != 0 &&
	    strspn(text, "0123456789") == strlen(text))
		return -1;
	if (parse_duration(text, 1, ret) == 0)
		return 0;
	if (value_duration_ns(text, &ns) != 0)
		return -1;
	*ret = ns / 1000000;
	return 0;
}

void read_duration(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	int64_t ms;

	if (item->kind == YAML_SCALAR && duration_ms(item->text, &ms) == 0 &&
	    in_range(k, (double)ms))
		*(int64_t *)field(r, k) = ms;
	else
		descriptor_wrong(r, k, item, path);
}

void read_bytes(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	int64_t bytes;

	if (item->kind == YAML_SCALAR && value_bytes(item->text, &bytes) == 0 &&
	    in_range(k, (double)bytes))
		*(int64_t *)field(r, k) = bytes;
	else
		descriptor_wrong(r, k, item, path);
}

bool value_count(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path, int64_t *ret)
{
	if (item->kind == YAML_SCALAR &&
	    parse_int(item->text, (int64_t)k->min, (int64_t)k->max, ret) == 0)
		return true;
	descriptor_wrong(r, k, item, path);
	return false;
}

void read_count(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	int64_t v;

	if (value_count(r, k, item, path, &v))
		*(int64_t *)field(r, k) = v;
}

void read_number(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	double v;

	if (item->kind == YAML_SCALAR &&
	    parse_num(item->text, k->min, k->max, &v) == 0)
		*(double *)field(r, k) = v;
	else
		descriptor_wrong(r, k, item, path);
}

/* -- paths ------------------------------------------------------------- */

/* "./a//b/" as "a/b"; "" for the root. NULL, and why: not within it. */
static char *inner_path(const char *text, const char **ret_why)
{
	CLEANUP(buf_fini) struct buf out = {.max = PATH_BYTES_MAX};

	*ret_why = "it must be relative to the directory of the component";
	if (*text == '/' || strstr(text, "://") != NULL)
		return NULL;
	for (const char *at = text; *at != '\0'; at += strspn(at, "/")) {
		size_t n = strcspn(at, "/");

		*ret_why = "\"..\" is not taken, only what is in the "
			   "repository can be used";
		if (n == 2 && memcmp(at, "..", 2) == 0)
			return NULL;
		if (n != 1 || *at != '.')
			IGNORE(buf_printf(&out, "%s%.*s",
			    out.len > 0 ? "/" : "", (int)n, at));
		at += n;
	}
	*ret_why = "it is longer than 1024 bytes";
	if (out.overflow)
		return NULL;
	return mem_strdup(buf_str(&out));
}

static bool has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static void refuse_path(struct reading *r, const struct yaml_item *item,
    const char *path, const char *why)
{
	char shown[64];

	problems_error(r->problems, descriptor_place(item), "%s: %s: %s", path,
	    problem_quote(item->text, shown), why);
}

void read_path(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	char **ret = field(r, k);
	const char *why = NULL;
	char *clean;

	if (item->kind != YAML_SCALAR || item->text[0] == '\0') {
		descriptor_wrong(r, k, item, path);
		return;
	}
	if (has_control(item->text)) {
		refuse_path(r, item, path, "it has control characters");
		return;
	}
	clean = inner_path(item->text, &why);
	if (clean == NULL) {
		refuse_path(r, item, path, why);
	} else if (*clean == '\0' && k->min > 0) {
		descriptor_wrong(r, k, item, path);
		mem_free(clean);
	} else if (*clean == '\0') {
		mem_free(clean);
		*ret = mem_strdup(".");
	} else {
		*ret = clean;
	}
}

void read_name(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	const char *s = item->kind == YAML_SCALAR ? item->text : "";
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
			     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	if (n > 0 && s[n] == '\0' && n <= (size_t)k->max && s[0] != '-' &&
	    s[0] != '.')
		*(char **)field(r, k) = mem_strdup(s);
	else
		descriptor_wrong(r, k, item, path);
}
