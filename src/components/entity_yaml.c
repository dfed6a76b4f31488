/*
 * catalog-info.yaml: its documents are cut apart and read one by one, so that
 * a broken one does not take the others with it; each is judged where lines
 * are known (entity_judge.c), and then read as what a catalog would make of it.
 * Pure.
 */
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "components/entity.h"
#include "components/entity_internal.h"
#include "config/yaml_doc.h"

/* -- as JSON ----------------------------------------------------------- */

static json_t *scalar_to_json(const struct yaml_item *item)
{
	int64_t whole;
	double number;

	if (entity_is_text(item))
		return json_string(item->text);
	if (yaml_item_is_null(item))
		return json_null();
	if (parse_int(item->text, INT64_MIN + 1, INT64_MAX, &whole) == 0)
		return json_integer(whole);
	if (parse_num(item->text, -1e300, 1e300, &number) == 0)
		return json_real(number);
	return json_boolean(strcmp(item->text, "true") == 0);
}

/* No deeper than a YAML document may be. */
static json_t *to_json(const struct yaml_item *item)
{
	json_t *out;

	if (item->kind == YAML_SCALAR)
		return scalar_to_json(item);
	out = item->kind == YAML_MAP ? json_object() : json_array();
	for (const struct yaml_item *i = item->first; i != NULL; i = i->next)
		if (item->kind == YAML_MAP)
			json_object_set_new(out, i->key, to_json(i));
		else
			json_array_append_new(out, to_json(i));
	return out;
}

/* -- where it comes from ----------------------------------------------- */

/* "dir:./web" beside "file:/srv/app/catalog-info.yaml" is
 * "file:/srv/app/./web"; anything else stays. */
static void make_absolute(char **where, const char *location)
{
	const char *slash = strrchr(location, '/');
	size_t n = strncmp(*where, "dir:", 4) == 0    ? 4
		   : strncmp(*where, "file:", 5) == 0 ? 5
						      : 0;
	char *made;

	if (n == 0 || (*where)[n] == '/' || slash == NULL ||
	    strncmp(location, "file:", 5) != 0)
		return;
	made = mem_printf(
	    "%.*s/%s", (int)(slash - location), location, *where + n);
	mem_free(*where);
	*where = made;
}

static void set_origin(struct entity *e, const char *location)
{
	if (location == NULL)
		return;
	if (e->managed_by == NULL)
		e->managed_by = mem_strdup(location);
	if (e->source_location == NULL)
		e->source_location = mem_strdup(location);
	make_absolute(&e->source_location, location);
}

/* -- documents --------------------------------------------------------- */

struct found {
	struct entity *v;
	size_t n;
};

static void read_root(const struct entity_reading *r,
    const struct yaml_item *root, const char *location, struct found *found)
{
	size_t before = r->problems->errors;
	struct entity e = {0};
	struct err err = ERR_INIT;
	json_t *json;

	if (root->kind != YAML_MAP) {
		problems_error(r->problems, entity_place(r, root),
		    "expected an entity: a map with apiVersion, kind, "
		    "metadata");
		return;
	}
	entity_judge(r, root);
	if (r->problems->errors > before)
		return;
	json = to_json(root);
	if (entity_from_json(json, &e, &err) < 0) {
		problems_error(
		    r->problems, entity_place(r, root), "%s", err.msg);
	} else {
		set_origin(&e, location);
		found->v =
		    mem_realloc(found->v, (found->n + 1) * sizeof(*found->v));
		found->v[found->n++] = e;
	}
	json_decref(json);
}

static void read_document(const struct entity_reading *r, const char *text,
    size_t len, const char *location, struct found *found)
{
	CLEANUP(yaml_doc_free) struct yaml_doc *doc = NULL;
	const struct yaml_item *root;
	struct yaml_wrong wrong;
	struct err err = ERR_INIT;

	if (yaml_doc_parse_at(&doc, "", text, len, &wrong, &err) < 0) {
		problems_error(r->problems,
		    (struct place){r->line + wrong.line, wrong.column}, "%s",
		    wrong.what != NULL ? wrong.what : err.msg);
		return;
	}
	root = yaml_doc_root(doc);
	if (root != NULL && !yaml_item_is_null(root))
		read_root(r, root, location, found);
}

static bool is_marker(const char *line, size_t len)
{
	return len >= 3 && memcmp(line, "---", 3) == 0 &&
	       (len == 3 || strchr(" \t\r", line[3]) != NULL);
}

/* Neither content nor a marker: belongs to the document that follows. */
static bool is_preface(const char *line, size_t len)
{
	size_t blank = 0;

	while (blank < len && strchr(" \t\r", line[blank]) != NULL &&
	       line[blank] != '\0')
		blank++;
	return blank == len || line[blank] == '#' || line[0] == '%';
}

/* The length of the document that text begins with: up to the next "---" at
 * the beginning of a line, which YAML allows nowhere else. */
static size_t document_length(const char *text, size_t len, int *ret_lines)
{
	bool has_content = false;
	size_t at = 0;

	*ret_lines = 0;
	while (at < len) {
		const char *line = text + at;
		const char *end = memchr(line, '\n', len - at);
		size_t n = end != NULL ? (size_t)(end - line) : len - at;

		if (has_content && is_marker(line, n))
			return at;
		has_content = has_content || !is_preface(line, n);
		at += n + (end != NULL);
		*ret_lines += 1;
	}
	return len;
}

static void read_documents(struct entity_reading *r, const char *text,
    size_t len, const char *location, struct found *found)
{
	size_t documents = 0;

	/* a byte order mark is no content */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	while (len > 0) {
		int lines;
		size_t n = document_length(text, len, &lines);

		if (++documents > ENTITIES_MAX) {
			problems_error(r->problems,
			    (struct place){r->line + 1, 1},
			    "more than %d documents", ENTITIES_MAX);
			return;
		}
		read_document(r, text, n, location, found);
		text += n;
		len -= n;
		r->line += lines;
	}
}

int entities_from_yaml(const char *text, size_t len, const char *file,
    const char *location, struct entity **ret, size_t *ret_n,
    struct problems *problems, struct err *err)
{
	struct entity_reading r = {.problems = problems};
	struct found found = {0};

	if (len > ENTITIES_BYTES_MAX)
		problems_error(problems, (struct place){0},
		    "the file is larger than %d KiB",
		    ENTITIES_BYTES_MAX / 1024);
	else
		read_documents(&r, text, len, location, &found);
	if (found.n == 0 && problems->errors == 0)
		problems_error(
		    problems, (struct place){0}, "the file holds no entity");
	problems_sort(problems);
	if (found.n == 0)
		return problems_judge(problems, file, "bad_entity", err);
	*ret = found.v;
	*ret_n = found.n;
	return 0;
}

void entities_free(struct entity *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		entity_fini(&v[i]);
	mem_free(v);
}
