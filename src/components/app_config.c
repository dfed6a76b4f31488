/*
 * The files of app-config.yaml: see app_config.h. What the hub takes of them
 * is read by app_config_read.c, a text of it by app_config_text.c. At the start
 * of the hub, one thread.
 */
#include "components/app_config.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "components/app_config_internal.h"
#include "github/app.h"

static void app_reader_fini_guard(struct app_reader *r)
{
	for (size_t i = 0; i < r->nfiles; i++) {
		mem_free(r->files[i]->path);
		yaml_doc_free(r->files[i]->doc);
		mem_free(r->files[i]);
	}
}

void app_config_fini(struct app_config *a)
{
	for (size_t i = 0; i < a->nintegrations; i++) {
		const struct integration *one = &a->integrations[i];

		for (size_t k = 0; k < one->napps; k++)
			mem_free((void *)(uintptr_t)one->apps[k].owners);
		mem_free((void *)(uintptr_t)one->apps);
	}
	for (size_t i = 0; i < a->ntexts; i++) {
		secret_wipe(a->texts[i], strlen(a->texts[i]));
		mem_free(a->texts[i]);
	}
	mem_free(a->texts);
	mem_free(a->integrations);
	mem_free(a->locations);
	mem_free(a->notes);
	*a = (struct app_config){0};
}

/* -- files ------------------------------------------------------------- */

static int open_file(struct app_reader *r, const char *path,
    const struct app_file **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = YAML_DOC_BYTES_MAX};
	struct app_file *file;
	int status;

	if (r->nfiles == APP_FILES_MAX)
		return err_set(err, ERR_INVALID, "bad_app_config",
		    "%.200s: more than %d files", path, APP_FILES_MAX);
	TRY(fs_read_file(path, &text, err));
	file = mem_zalloc(sizeof(*file));
	file->path = mem_strdup(path);
	r->files[r->nfiles++] = file;
	status =
	    yaml_doc_parse(&file->doc, path, buf_str(&text), text.len, err);
	if (text.data != NULL)
		secret_wipe(text.data, text.len);
	*ret = file;
	return status;
}

static int open_files(struct app_reader *r, const char *files, struct err *err)
{
	CLEANUP(mem_free) char *copy = mem_strdup(files);
	const struct app_file *opened;
	char *save, *path = strtok_r(copy, ",", &save);

	for (; path != NULL; path = strtok_r(NULL, ",", &save)) {
		size_t n;

		path += strspn(path, " ");
		n = strlen(path);
		while (n > 0 && path[n - 1] == ' ')
			path[--n] = '\0';
		if (n == 0)
			continue;
		if (open_file(r, path, &opened, err) < 0)
			return err_wrap(err, "components.appConfig");
	}
	r->nconfigs = r->nfiles;
	return 0;
}

/* What the last file that has it says of "a.b.c". */
struct app_item app_look_up(const struct app_reader *r, const char *path)
{
	struct app_item found = {.file = r->files[0], .line = 1};

	for (size_t i = r->nconfigs; i-- > 0 && found.item == NULL;) {
		const struct yaml_item *item = yaml_doc_root(r->files[i]->doc);
		const char *at = path;

		while (item != NULL && *at != '\0') {
			size_t n = strcspn(at, ".");
			CLEANUP(mem_free) char *key = mem_strndup(at, n);

			item = yaml_item_get(item, key);
			at += n + (at[n] == '.');
		}
		if (item != NULL && !yaml_item_is_null(item))
			found = (struct app_item){.file = r->files[i],
			    .item = item,
			    .line = item->line};
	}
	snprintf(found.path, sizeof(found.path), "%s", path);
	return found;
}

/* A map of one key "$include" stands for a file, or a part of it behind "#".
 * The portal's own tool writes the keys of an app into one. */
int app_follow_include(
    struct app_reader *r, struct app_item *at, struct err *err)
{
	const struct yaml_item *include = yaml_item_get(at->item, "$include");
	CLEANUP(mem_free) char *path = NULL;
	const char *slash = strrchr(at->file->path, '/');
	const struct app_file *file;
	char *hash;

	if (include == NULL || include->kind != YAML_SCALAR)
		return 0;
	path = mem_printf("%.*s%s",
	    slash != NULL && include->text[0] != '/'
		? (int)(slash + 1 - at->file->path)
		: 0,
	    at->file->path, include->text);
	hash = strchr(path, '#');
	if (hash != NULL)
		return app_error(
		    at, err, "$include takes a whole file here, without \"#\"");
	if (open_file(r, path, &file, err) < 0)
		return err_wrap(err, "%.100s:%d: %s: $include", at->file->path,
		    at->line, at->path);
	at->file = file;
	at->item = yaml_doc_root(file->doc);
	at->line = 1;
	return 0;
}

int app_config_read(const char *files, bool with_base_url,
    struct app_config *ret, struct err *err)
{
	CLEANUP(app_config_fini) struct app_config a = {0};
	CLEANUP(app_reader_fini) struct app_reader r = {.a = &a};

	if (files != NULL)
		TRY(open_files(&r, files, err));
	if (r.nconfigs > 0)
		TRY(app_config_take(&r, with_base_url, err));
	*ret = a;
	a = (struct app_config){0};
	return 0;
}
