/*
 * Maps of names and lists of words in the descriptor: environment, build
 * arguments, command, secrets. Scalars keep the text that stands in the file:
 * 1.10 stays 1.10, no stays no. Called through the rows of descriptor.c. Pure.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "components/descriptor_internal.h"

#define NAME_BYTES_MAX 256

static const char name_expected[] =
    "a name of letters, digits, \"_\", \".\" and \"-\" that begins with a "
    "letter or \"_\"";

static bool is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
			     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return n > 0 && s[n] == '\0' && n <= NAME_BYTES_MAX &&
	       strchr("0123456789.-", s[0]) == NULL;
}

/* False: a problem was added. */
static bool check_text(struct reading *r, const struct yaml_item *item,
    const char *path, const char *expected)
{
	const struct key k = {.expected = expected};

	if (item->kind != YAML_SCALAR) {
		descriptor_wrong(r, &k, item, path);
		return false;
	}
	if (strlen(item->text) > DESCRIPTOR_TEXT_MAX) {
		problems_error(r->problems, descriptor_place(item),
		    "%s: the value is longer than %d bytes", path,
		    DESCRIPTOR_TEXT_MAX);
		return false;
	}
	return true;
}

/* Values may be secret by mistake: messages show the name only. */
static void read_pair(struct reading *r, const struct yaml_item *item,
    const char *path, struct descriptor_pair *pair)
{
	char here[DESCRIPTOR_PATH_MAX], shown[64];

	if (!is_name(item->key)) {
		problems_error(r->problems,
		    (struct place){item->line, item->column},
		    "%s: %s is not accepted as a name, expected %s", path,
		    problem_quote(item->key, shown), name_expected);
		return;
	}
	snprintf(here, sizeof(here), "%s.%.100s", path, item->key);
	if (!check_text(r, item, here, "one value"))
		return;
	pair->name = mem_strdup(item->key);
	pair->value = mem_strdup(item->text);
}

static bool is_too_long(
    struct reading *r, const struct yaml_item *list, const char *path)
{
	size_t n = 0;

	for (const struct yaml_item *i = list->first; i != NULL; i = i->next)
		if (n++ == DESCRIPTOR_LIST_MAX) {
			problems_error(r->problems, descriptor_place(i),
			    "%s: more than %d entries", path,
			    DESCRIPTOR_LIST_MAX);
			return true;
		}
	return false;
}

void read_pairs(struct reading *r, const struct yaml_item *item,
    const char *path, struct descriptor_pair **ret, size_t *ret_n)
{
	static const struct key k = {
	    .expected = "a map of names and values, such as LOG_LEVEL: debug"};

	if (item->kind != YAML_MAP) {
		descriptor_wrong(r, &k, item, path);
		return;
	}
	if (is_too_long(r, item, path))
		return;
	*ret = mem_calloc(DESCRIPTOR_LIST_MAX, sizeof(**ret));
	for (const struct yaml_item *i = item->first; i != NULL; i = i->next) {
		read_pair(r, i, path, &(*ret)[*ret_n]);
		*ret_n += (*ret)[*ret_n].name != NULL;
	}
}

/* A list of scalars; NULL: it is none, or too long. Ends with NULL. */
static char **new_list(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	if (item->kind != YAML_LIST || item->first == NULL) {
		descriptor_wrong(r, k, item, path);
		return NULL;
	}
	if (is_too_long(r, item, path))
		return NULL;
	return mem_calloc(DESCRIPTOR_LIST_MAX + 1, sizeof(char *));
}

void read_command(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	char **list = new_list(r, k, item, path);
	char here[DESCRIPTOR_PATH_MAX];
	size_t n = 0, taken = 0;

	r->d->command = list;
	if (list == NULL)
		return;
	if (item->first->kind == YAML_SCALAR && item->first->text[0] == '\0')
		problems_error(r->problems, descriptor_place(item->first),
		    "%s[0]: expected a program, found an empty text", path);
	for (const struct yaml_item *i = item->first; i != NULL; i = i->next) {
		snprintf(here, sizeof(here), "%s[%zu]", path, n++);
		if (check_text(r, i, here, "one word"))
			list[taken++] = mem_strdup(i->text);
	}
}

static bool has(char **list, const char *name)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

void read_secrets(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	const struct key name = {.expected = name_expected};
	char **list = NULL;
	char here[DESCRIPTOR_PATH_MAX];
	size_t n = 0, taken = 0;

	if (item->kind == YAML_LIST && item->first == NULL)
		return; /* none */
	list = r->d->secrets = new_list(r, k, item, path);
	for (const struct yaml_item *i = item->first; list != NULL && i != NULL;
	     i = i->next) {
		snprintf(here, sizeof(here), "%s[%zu]", path, n++);
		if (i->kind != YAML_SCALAR || !is_name(i->text))
			descriptor_wrong(r, &name, i, here);
		else if (has(list, i->text))
			problems_error(r->problems, descriptor_place(i),
			    "%s: %s stands in the list already", here, i->text);
		else
			list[taken++] = mem_strdup(i->text);
	}
}
