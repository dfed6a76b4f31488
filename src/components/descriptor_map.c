/*
 * A map of the descriptor against its rows, and the nearest known key of one
 * that is not known. Called by descriptor.c. Pure.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "components/descriptor_internal.h"

struct place descriptor_place(const struct yaml_item *item)
{
	if (item == NULL)
		return (struct place){0};
	return (struct place){item->value_line, item->value_column};
}

void descriptor_wrong(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	char shown[64];

	if (item->kind == YAML_SCALAR)
		problems_error(r->problems, descriptor_place(item),
		    "%s: %s is not accepted, expected %s", path,
		    problem_quote(item->text, shown), k->expected);
	else
		problems_error(r->problems, descriptor_place(item),
		    "%s: expected %s, found a %s", path, k->expected,
		    item->kind == YAML_MAP ? "map" : "list");
}

/* -- did you mean ------------------------------------------------------ */

/* "Health_check" as "healthcheck". */
static const char *plain(const char *name, char out[40])
{
	size_t n = 0;

	for (; *name != '\0' && n < 39; name++)
		if (*name >= 'A' && *name <= 'Z')
			out[n++] = (char)(*name - 'A' + 'a');
		else if (*name != '_' && *name != '-')
			out[n++] = *name;
	out[n] = '\0';
	return out;
}

const char *descriptor_nearest_key(const struct key *keys, const char *name)
{
	const char *best = NULL;
	unsigned best_distance = 3, d;
	char a[40], b[40];

	plain(name, a);
	for (; keys->name != NULL; keys++) {
		plain(keys->name, b);
		d = parse_distance(a, b);
		if (strlen(a) >= 3 && strncmp(a, b, strlen(a)) == 0)
			d = 1; /* "env" */
		if (d < best_distance && d * 3 <= strlen(b) + 1) {
			best = keys->name;
			best_distance = d;
		}
	}
	return best;
}

static void unknown_key(struct reading *r, const struct key *keys,
    const struct yaml_item *item, const char *path)
{
	const char *near = descriptor_nearest_key(keys, item->key);
	struct place at = {item->line, item->column};
	char shown[64], known[200] = "";
	size_t n = 0;

	problem_quote(item->key, shown);
	if (near != NULL) {
		problems_warn(r->problems, at,
		    "%s%skey %s is not known and not used; did you mean "
		    "\"%s\"?",
		    path, *path != '\0' ? ": " : "", shown, near);
		return;
	}
	for (; keys->name != NULL && n < sizeof(known); keys++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s",
		    n > 0 ? ", " : "", keys->name);
	problems_warn(r->problems, at,
	    "%s%skey %s is not known and not used; known: %s", path,
	    *path != '\0' ? ": " : "", shown, known);
}

/* -- the map ----------------------------------------------------------- */

static const struct key *find(const struct key *keys, const char *name)
{
	for (; keys->name != NULL; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

static void below(
    char out[DESCRIPTOR_PATH_MAX], const char *path, const char *name)
{
	snprintf(out, DESCRIPTOR_PATH_MAX, "%s%s%s", path,
	    *path != '\0' ? "." : "", name);
}

/* In the order of the file, so that a check that needs an earlier row's value
 * comes after the whole map. */
void descriptor_read_map(struct reading *r, const struct key *keys,
    const struct yaml_item *map, const char *path)
{
	char here[DESCRIPTOR_PATH_MAX];

	for (const struct yaml_item *i = map->first; i != NULL; i = i->next) {
		const struct key *k = find(keys, i->key);

		if (k == NULL) {
			unknown_key(r, keys, i, path);
		} else if (!yaml_item_is_null(i)) {
			below(here, path, k->name);
			k->read(r, k, i, here);
		}
	}
	for (const struct key *k = keys; k->name != NULL; k++) {
		const struct yaml_item *item = yaml_item_get(map, k->name);

		if (!k->required || (item != NULL && !yaml_item_is_null(item)))
			continue;
		below(here, path, k->name);
		problems_error(r->problems,
		    descriptor_place(item != NULL ? item : map),
		    "%s is required: expected %s", here, k->expected);
	}
}
