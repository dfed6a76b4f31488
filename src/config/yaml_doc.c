/*
 * YAML text to a tree, through libyaml's event API so that every bound is
 * checked while the text is being read: nested flow collections make the
 * library slow long before they make it fail. One call, one thread; the
 * document owns all its items.
 */
#include "config/yaml_doc.h"

#include <string.h>
#include <yaml.h>

#include "base/mem.h"

struct yaml_doc {
	struct yaml_item *root;
};

struct reader {
	yaml_parser_t parser;
	const char *name;
	struct yaml_doc *doc;
	size_t nodes;
	int depth;
	struct yaml_wrong wrong;
	struct err *err;
};

static int fail(struct reader *r, yaml_mark_t mark, const char *what)
{
	r->wrong =
	    (struct yaml_wrong){(int)mark.line + 1, (int)mark.column + 1, what};
	return err_set(r->err, ERR_INVALID, "bad_yaml", "%s:%d: %s", r->name,
	    r->wrong.line, what);
}

static int fail_parser(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;

	return fail(r,
	    p->error == YAML_READER_ERROR ? p->mark : p->problem_mark,
	    p->problem != NULL ? p->problem : "this is not YAML");
}

static void item_free(struct yaml_item *item)
{
	while (item != NULL) {
		struct yaml_item *next = item->next;

		item_free(item->first); /* bounded: YAML_DOC_DEPTH_MAX */
		mem_free(item->key);
		if (item->text != NULL)
			explicit_bzero(item->text, strlen(item->text));
		mem_free(item->text);
		mem_free(item);
		item = next;
	}
}

/* The next event, refusing what is never wanted. Delete it when 0. */
static int next_event(struct reader *r, yaml_event_t *ev)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	yaml_mark_t mark;

	if (!yaml_parser_parse(&r->parser, ev))
		return fail_parser(r);
	mark = ev->start_mark;
	if (ev->type == YAML_SCALAR_EVENT) {
		anchor = ev->data.scalar.anchor;
		tag = ev->data.scalar.tag;
	} else if (ev->type == YAML_MAPPING_START_EVENT) {
		anchor = ev->data.mapping_start.anchor;
		tag = ev->data.mapping_start.tag;
	} else if (ev->type == YAML_SEQUENCE_START_EVENT) {
		anchor = ev->data.sequence_start.anchor;
		tag = ev->data.sequence_start.tag;
	}
	if (anchor == NULL && tag == NULL && ev->type != YAML_ALIAS_EVENT)
		return 0;
	yaml_event_delete(ev);
	return fail(r, mark,
	    tag != NULL ? "tags are not accepted here"
			: "anchors and aliases are not accepted here");
}

static char *scalar_text(struct reader *r, const yaml_event_t *ev)
{
	const char *v = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;

	if (memchr(v, '\0', len) != NULL) {
		fail(r, ev->start_mark, "a NUL character is not accepted");
		return NULL;
	}
	return mem_strndup(v, len);
}

static int read_children(struct reader *r, struct yaml_item *parent);

/* An item of the value that `ev` begins; *ret is the caller's at once, also
 * on failure, so that the tree under construction has one owner. */
static int read_value(
    struct reader *r, const yaml_event_t *ev, struct yaml_item **ret)
{
	struct yaml_item *item = mem_zalloc(sizeof(*item));

	*ret = item;
	item->line = item->value_line = (int)ev->start_mark.line + 1;
	item->column = item->value_column = (int)ev->start_mark.column + 1;
	if (++r->nodes > YAML_DOC_NODES_MAX)
		return fail(r, ev->start_mark, "too many values");
	if (ev->type == YAML_SCALAR_EVENT) {
		item->kind = YAML_SCALAR;
		item->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		item->text = scalar_text(r, ev);
		return item->text == NULL ? -1 : 0;
	}
	item->kind =
	    ev->type == YAML_MAPPING_START_EVENT ? YAML_MAP : YAML_LIST;
	if (r->depth == YAML_DOC_DEPTH_MAX)
		return fail(r, ev->start_mark, "nested too deeply");
	r->depth++;
	TRY(read_children(r, item));
	r->depth--;
	return 0;
}

/* Reads the value after a key; takes the key. */
static int read_entry(struct reader *r, struct yaml_item *parent,
    const yaml_event_t *key_event, struct yaml_item **tail)
{
	CLEANUP(mem_free) char *key = NULL;
	yaml_mark_t mark = key_event->start_mark;
	yaml_event_t ev;
	int rc;

	if (key_event->type != YAML_SCALAR_EVENT)
		return fail(r, mark, "a key must be a plain name");
	key = scalar_text(r, key_event);
	if (key == NULL)
		return -1;
	if (yaml_item_get(parent, key) != NULL)
		return fail(r, mark, "this key stands here a second time");
	TRY(next_event(r, &ev));
	rc = read_value(r, &ev, tail);
	yaml_event_delete(&ev);
	if (*tail != NULL) {
		(*tail)->key = STEAL(key);
		(*tail)->line = (int)mark.line + 1;
		(*tail)->column = (int)mark.column + 1;
	}
	return rc;
}

/* Until the end event of parent. Looking for duplicates is quadratic; the
 * bound on nodes keeps that below a second. */
static int read_children(struct reader *r, struct yaml_item *parent)
{
	struct yaml_item **tail = &parent->first;
	yaml_event_t ev;
	int rc;

	for (;;) {
		TRY(next_event(r, &ev));
		if (ev.type == YAML_MAPPING_END_EVENT ||
		    ev.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&ev);
			return 0;
		}
		rc = parent->kind == YAML_MAP ? read_entry(r, parent, &ev, tail)
					      : read_value(r, &ev, tail);
		yaml_event_delete(&ev);
		if (rc < 0)
			return -1;
		ASSERT(*tail != NULL); /* what was read hangs there */
		tail = &(*tail)->next;
	}
}

static int read_stream(struct reader *r)
{
	yaml_event_t ev;
	int rc = 0, documents = 0;
	bool end = false;

	while (!end && rc == 0) {
		TRY(next_event(r, &ev));
		switch (ev.type) {
		case YAML_STREAM_END_EVENT:
			end = true;
			break;
		case YAML_DOCUMENT_START_EVENT:
			if (++documents > 1)
				rc = fail(r, ev.start_mark,
				    "a second document is not accepted");
			break;
		case YAML_SCALAR_EVENT:
		case YAML_MAPPING_START_EVENT:
		case YAML_SEQUENCE_START_EVENT:
			rc = read_value(r, &ev, &r->doc->root);
			break;
		default:
			break;
		}
		yaml_event_delete(&ev);
	}
	return rc;
}

int yaml_doc_parse_at(struct yaml_doc **ret, const char *name, const char *text,
    size_t len, struct yaml_wrong *ret_wrong, struct err *err)
{
	CLEANUP(yaml_doc_free) struct yaml_doc *doc = NULL;
	struct reader r = {.name = name, .err = err};
	int rc;

	*ret_wrong = r.wrong;
	if (len > YAML_DOC_BYTES_MAX)
		return err_set(err, ERR_LIMIT, NULL,
		    "%s is larger than %d bytes", name, YAML_DOC_BYTES_MAX);
	if (!yaml_parser_initialize(&r.parser))
		return err_set(err, ERR_INTERNAL, NULL,
		    "%s: cannot start the YAML parser", name);
	doc = r.doc = mem_zalloc(sizeof(*doc));
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
	    &r.parser, (const unsigned char *)text, len);
	rc = read_stream(&r);
	yaml_parser_delete(&r.parser);
	*ret_wrong = r.wrong;
	if (rc == 0)
		*ret = STEAL(doc);
	return rc;
}

int yaml_doc_parse(struct yaml_doc **ret, const char *name, const char *text,
    size_t len, struct err *err)
{
	struct yaml_wrong wrong;

	return yaml_doc_parse_at(ret, name, text, len, &wrong, err);
}

void yaml_doc_free(struct yaml_doc *d)
{
	if (d == NULL)
		return;
	item_free(d->root);
	mem_free(d);
}

const struct yaml_item *yaml_doc_root(const struct yaml_doc *d)
{
	return d->root;
}

bool yaml_item_is_null(const struct yaml_item *i)
{
	return i->kind == YAML_SCALAR && i->plain &&
	       (strcmp(i->text, "") == 0 || strcmp(i->text, "~") == 0 ||
		   strcmp(i->text, "null") == 0);
}

const struct yaml_item *yaml_item_get(
    const struct yaml_item *map, const char *key)
{
	if (map->kind != YAML_MAP)
		return NULL;
	for (const struct yaml_item *i = map->first; i != NULL; i = i->next)
		if (i->key != NULL && strcmp(i->key, key) == 0)
			return i;
	return NULL;
}
