/*
 * The YAML configuration file: dotted paths of the tree are looked up in
 * the option table. While loading, one thread.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/config_internal.h"
#include "config/lists.h"
#include "config/yaml_doc.h"

#define PATH_BYTES_MAX 256

struct walk {
	struct config *c;
	const char *file;
	bool has_secret;
	struct err *err;
};

static const char *next_key(void *arg, size_t i)
{
	(void)arg;
	return i < option_count ? option_table[i].key : NULL;
}

/* "prot" for "http.port": people forget the section as well. */
static const char *next_leaf(void *arg, size_t i)
{
	const char *dot;

	(void)arg;
	if (i >= option_count)
		return NULL;
	dot = strrchr(option_table[i].key, '.');
	return dot != NULL ? dot + 1 : option_table[i].key;
}

static const char *suggest_key(const char *path)
{
	const char *near = option_nearest(path, next_key, NULL);
	const char *leaf = strrchr(path, '.');

	if (near != NULL)
		return near;
	near = option_nearest(leaf != NULL ? leaf + 1 : path, next_leaf, NULL);
	for (size_t i = 0; near != NULL && i < option_count; i++)
		if (next_leaf(NULL, i) == near)
			return option_table[i].key;
	return NULL;
}

/* Does some option's key begin with "path."? */
static bool is_section(const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < option_count; i++)
		if (strncmp(option_table[i].key, path, n) == 0 &&
		    option_table[i].key[n] == '.')
			return true;
	return false;
}

static int unknown_key(
    struct walk *w, const struct yaml_item *item, const char *path)
{
	CLEANUP(buf_fini) struct buf shown = {.max = 512};
	const char *near = suggest_key(path);

	if (is_section(path))
		return err_set(w->err, ERR_INVALID, "bad_option",
		    "%s:%d: %s is a section: its options stand below it, "
		    "indented",
		    w->file, item->line, path);
	option_quote(&shown, path);
	return err_set(w->err, ERR_INVALID, "unknown_option",
	    "%s:%d: unknown key %s%s%s%s", w->file, item->line, buf_str(&shown),
	    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
	    near != NULL ? "\"?" : "; `runnerhub config` lists all");
}

/* The secret option whose "<key>File" is path. */
static const struct option *secret_file_option(const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];
		size_t k = strlen(opt->key);

		if (opt->type == OPTION_SECRET && n == k + 4 &&
		    memcmp(opt->key, path, k) == 0 &&
		    strcmp(path + k, "File") == 0)
			return opt;
	}
	return NULL;
}

static int set_list(struct walk *w, const struct option *opt,
    const struct yaml_item *item, const char *where)
{
	struct slot *slot = &w->c->slots[opt - option_table];

	if (opt->type == OPTION_ROUTES)
		TRY(routes_set(&w->c->o, w->file, item, w->err));
	else
		TRY(pools_set(&w->c->o, w->file, item, w->err));
	slot->source = SOURCE_FILE;
	mem_free(slot->where);
	slot->where = mem_strdup(where);
	return 0;
}

static int set_option(struct walk *w, const struct yaml_item *item,
    const char *path, const struct option *opt)
{
	const struct option *by_file = NULL;
	char where[512];

	snprintf(where, sizeof(where), "%s:%d", w->file, item->line);
	if (opt == NULL)
		by_file = secret_file_option(path);
	if (opt == NULL && by_file == NULL)
		return unknown_key(w, item, path);
	if (yaml_item_is_null(item))
		return 0;
	if (opt != NULL &&
	    (opt->type == OPTION_ROUTES || opt->type == OPTION_POOLS))
		return set_list(w, opt, item, where);
	if (item->kind != YAML_SCALAR)
		return err_set(w->err, ERR_INVALID, "bad_option",
		    "%s: %s: expected one value, found a %s", where, path,
		    item->kind == YAML_MAP ? "map" : "list");
	if (by_file != NULL)
		return config_set_secret_file(
		    w->c, by_file, item->text, SOURCE_FILE, where, w->err);
	if (opt->type == OPTION_SECRET)
		w->has_secret = true;
	return config_set(w->c, opt, item->text, SOURCE_FILE, where, w->err);
}

static int walk_map(
    struct walk *w, const struct yaml_item *map, const char *prefix)
{
	char path[PATH_BYTES_MAX];

	for (const struct yaml_item *i = map->first; i; i = i->next) {
		const struct option *opt;

		if ((size_t)snprintf(path, sizeof(path), "%s%s%s", prefix,
			*prefix != '\0' ? "." : "", i->key) >= sizeof(path))
			return err_set(w->err, ERR_INVALID, "unknown_option",
			    "%s:%d: the key is too long", w->file, i->line);
		opt = option_by_key(path);
		if (opt == NULL && i->kind == YAML_MAP && is_section(path))
			TRY(walk_map(w, i, path));
		else if (opt == NULL && yaml_item_is_null(i) &&
			 is_section(path))
			continue; /* a section with everything commented out */
		else
			TRY(set_option(w, i, path, opt));
	}
	return 0;
}

int config_load_yaml(struct config *c, const char *name, const char *text,
    size_t len, bool *ret_has_secret, struct err *err)
{
	CLEANUP(yaml_doc_free) struct yaml_doc *doc = NULL;
	struct walk w = {.c = c, .file = name, .err = err};
	const struct yaml_item *root;
	int rc = 0;

	TRY(yaml_doc_parse(&doc, name, text, len, err));
	root = yaml_doc_root(doc);
	if (root == NULL || yaml_item_is_null(root))
		return 0;
	if (root->kind != YAML_MAP)
		return err_set(err, ERR_INVALID, "bad_yaml",
		    "%s:%d: expected `key: value` lines", name, root->line);
	rc = walk_map(&w, root, "");
	*ret_has_secret = w.has_secret;
	return rc;
}

int config_load_file(struct config *c, const char *path, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = YAML_DOC_BYTES_MAX};
	bool has_secret = false;
	struct stat st;
	int rc;

	if (fs_read_file(path, &text, err) < 0)
		return err_wrap(err, "configuration file");
	rc = config_load_yaml(
	    c, path, buf_str(&text), text.len, &has_secret, err);
	if (has_secret && stat(path, &st) == 0 && (st.st_mode & 044) != 0)
		config_warn(c,
		    "%s holds a secret and other users may read it: chmod 600",
		    path);
	if (text.data != NULL)
		secret_wipe(text.data, text.cap);
	return rc;
}
