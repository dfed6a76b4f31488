/*
 * A YAML document as a small tree, read with bounds: bytes, depth, nodes.
 * No anchors, aliases, tags, directives beyond %YAML, merge keys or second
 * documents: each is an error that says so. For the configuration file and
 * for job files.
 */
#ifndef CONFIG_YAML_DOC_H
#define CONFIG_YAML_DOC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define YAML_DOC_BYTES_MAX (1024 * 1024)
#define YAML_DOC_DEPTH_MAX 16
#define YAML_DOC_NODES_MAX 10000

enum yaml_kind { YAML_SCALAR, YAML_MAP, YAML_LIST };

struct yaml_item {
	enum yaml_kind kind;
	char *key;  /* within a map, else NULL */
	char *text; /* scalars; never holds a NUL byte */
	bool plain; /* scalar without quotes: may be a number, null, ... */
	int line;   /* from 1: of the key in a map, else of the value */
	int column; /* the same; in characters */
	int value_line, value_column;
	struct yaml_item *first; /* children, in order */
	struct yaml_item *next;
};

struct yaml_doc;

/*
 * name: for messages ("hub.yml"). An empty document has a NULL root. A key
 * that stands twice in a map is an error.
 */
int yaml_doc_parse(struct yaml_doc **ret, const char *name, const char *text,
    size_t len, struct err *err) MUST_CHECK;
/* Where a text is no document, for who lists problems; line 0: nowhere in
 * particular. what lives for ever. */
struct yaml_wrong {
	int line, column;
	const char *what;
};
int yaml_doc_parse_at(struct yaml_doc **ret, const char *name, const char *text,
    size_t len, struct yaml_wrong *ret_wrong, struct err *err) MUST_CHECK;
void yaml_doc_free(struct yaml_doc *d);
DEFINE_CLEANUP(struct yaml_doc *, yaml_doc_free);
const struct yaml_item *yaml_doc_root(const struct yaml_doc *d);

/* Plain "", "~" or "null". */
bool yaml_item_is_null(const struct yaml_item *i);
/* Child of a map, or NULL. */
const struct yaml_item *yaml_item_get(
    const struct yaml_item *map, const char *key);

#endif
