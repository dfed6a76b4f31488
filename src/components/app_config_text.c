/*
 * A text of app-config.yaml: variables, files and what else may stand for it.
 * See app_config.h. At the start of the hub, one thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "components/app_config_internal.h"

enum { TEXT_MAX = 64 * 1024, NAME_MAX_LEN = 200 };

const char *app_keep(struct app_config *a, char *text)
{
	a->texts = mem_realloc(a->texts, (a->ntexts + 1) * sizeof(*a->texts));
	a->texts[a->ntexts++] = text;
	return text;
}

int app_error(const struct app_item *at, struct err *err, const char *fmt, ...)
{
	char text[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, ERR_INVALID, "bad_app_config", "%.150s:%d: %s: %s",
	    at->file->path, at->line, at->path, text);
}

struct app_item app_child(const struct app_item *at, const char *key)
{
	struct app_item child = {.file = at->file, .line = at->line};
	const struct yaml_item *item =
	    at->item != NULL ? yaml_item_get(at->item, key) : NULL;

	if (item != NULL)
		child.line = item->line;
	if (item != NULL && !yaml_item_is_null(item))
		child.item = item;
	snprintf(child.path, sizeof(child.path), "%.100s.%.24s", at->path, key);
	return child;
}

struct app_item app_element(
    const struct app_item *list, const struct yaml_item *item, size_t i)
{
	struct app_item element = {
	    .file = list->file, .item = item, .line = item->line};

	snprintf(
	    element.path, sizeof(element.path), "%.100s[%zu]", list->path, i);
	return element;
}

/* -- variables --------------------------------------------------------- */

static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		text[--n] = '\0';
	return text;
}

/* name[:-fallback] between the braces. An empty variable is not set. */
static int put_variable(const struct app_item *at, const char *inside,
    size_t len, struct buf *out, struct err *err)
{
	CLEANUP(mem_free) char *copy = mem_strndup(inside, len);
	char *fallback = strstr(copy, ":-"), *name;
	const char *value;

	if (fallback != NULL) {
		*fallback = '\0';
		fallback = trim(fallback + 2);
	}
	name = trim(copy);
	if (*name == '\0' || strlen(name) > NAME_MAX_LEN ||
	    strchr(name, '=') != NULL)
		return app_error(
		    at, err, "\"${...}\" in it has no name of a variable");
	value = getenv(name);
	if (value == NULL || *value == '\0')
		value = fallback;
	if (value == NULL)
		return app_error(
		    at, err, "the environment variable %s is not set", name);
	return buf_append_str(out, value) == 0
		   ? 0
		   : app_error(at, err, "it is too long");
}

static int substitute(const struct app_item *at, const char *text,
    struct buf *out, struct err *err)
{
	while (*text != '\0') {
		const char *dollar = strchr(text, '$');
		size_t n =
		    dollar != NULL ? (size_t)(dollar - text) : strlen(text);
		const char *end;

		IGNORE(buf_append(out, text, n)); /* overflow: asked below */
		text += n;
		if (*text == '\0')
			break;
		if (strncmp(text, "$${", 3) == 0) {
			IGNORE(buf_append_str(out, "${"));
			text += 3;
		} else if (text[1] == '{' &&
			   (end = strpbrk(text + 2, "{}")) != NULL &&
			   *end == '}') {
			TRY(put_variable(
			    at, text + 2, (size_t)(end - text) - 2, out, err));
			text = end + 1;
		} else {
			IGNORE(buf_append_char(out, *text++));
		}
	}
	return out->overflow ? app_error(at, err, "it is too long") : 0;
}

/* -- what stands for a text -------------------------------------------- */

static int put_env(const struct app_item *at, const char *name, struct buf *out,
    struct err *err)
{
	const char *value = getenv(name);

	if (value == NULL || *value == '\0')
		return app_error(at, err,
		    "the environment variable %.100s is not set", name);
	return buf_append_str(out, value) == 0
		   ? 0
		   : app_error(at, err, "it is too long");
}

/* Beside the configuration; without the white space at its ends. */
static int put_file(const struct app_item *at, const char *name,
    struct buf *out, struct err *err)
{
	const char *slash = strrchr(at->file->path, '/');
	int dir = slash != NULL ? (int)(slash + 1 - at->file->path) : 0;
	CLEANUP(mem_free)
	char *path = *name == '/'
			 ? mem_strdup(name)
			 : mem_printf("%.*s%s", dir, at->file->path, name);
	struct err why = ERR_INIT;
	size_t blank = 0;

	if (fs_read_file(path, out, &why) < 0)
		return app_error(at, err, "%.250s", why.msg);
	while (out->len > 0 && strchr(" \t\r\n", out->data[out->len - 1]))
		out->data[--out->len] = '\0';
	if (out->len > 0)
		blank = strspn(out->data, " \t\r\n");
	buf_consume(out, blank);
	return 0;
}

static int put_special(
    const struct app_item *at, struct buf *out, struct err *err)
{
	const struct yaml_item *only = at->item->first;

	if (at->item->kind != YAML_MAP || only == NULL || only->next != NULL ||
	    only->kind != YAML_SCALAR || only->key[0] != '$')
		return app_error(at, err, "expected a text");
	if (strcmp(only->key, "$env") == 0)
		return put_env(at, only->text, out, err);
	if (strcmp(only->key, "$file") == 0)
		return put_file(at, only->text, out, err);
	return app_error(at, err,
	    "%.40s is not taken here: write the text itself, ${VARIABLE}, "
	    "$env or $file",
	    only->key);
}

int app_text(struct app_config *a, const struct app_item *at, const char **ret,
    struct err *err)
{
	struct buf out = {.max = TEXT_MAX};
	int r;

	*ret = NULL;
	if (at->item == NULL)
		return 0;
	r = at->item->kind == YAML_SCALAR
		? substitute(at, at->item->text, &out, err)
		: put_special(at, &out, err);
	if (r == 0 && strlen(buf_str(&out)) != out.len)
		r = app_error(at, err, "it holds a NUL character");
	if (r == 0)
		*ret = app_keep(a, mem_strdup(buf_str(&out)));
	if (out.data != NULL)
		secret_wipe(out.data, out.len);
	buf_fini(&out);
	return r;
}

int app_text_required(struct app_config *a, const struct app_item *at,
    const char **ret, struct err *err)
{
	TRY(app_text(a, at, ret, err));
	if (*ret == NULL || **ret == '\0')
		return app_error(at, err, "it is missing");
	return 0;
}
