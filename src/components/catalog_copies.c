/*
 * The last good copies of the catalog's files at GitHub, on the disk: a hub
 * that starts while GitHub is away knows what it said. One file for each
 * address in <state>/catalog, named by the address's hash, replaced as a whole;
 * when it was last known to be right is the file's time. Nothing here is
 * missed when it is lost. Any thread reads, the catalog's writes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"
#include "components/catalog_internal.h"

#define SUFFIX ".json"
enum {
	NAME_HEX = 32,
	/* The text, each byte of it six in JSON, and what is around. */
	COPY_BYTES_MAX = 6 * (ENTITIES_BYTES_MAX + 1) + 65536,
	LEFT_MAX = 4096, /* files looked at by one sweep */
};

/* "<hash of url>.json" */
static void name_of(const char *url, char out[NAME_HEX + sizeof(SUFFIX)])
{
	unsigned char sum[NAME_HEX / 2];

	crypto_generichash(
	    sum, sizeof(sum), (const unsigned char *)url, strlen(url), NULL, 0);
	sodium_bin2hex(out, NAME_HEX + 1, sum, sizeof(sum));
	memcpy(out + NAME_HEX, SUFFIX, sizeof(SUFFIX));
}

static char *path_of(const struct catalog *c, const char *url)
{
	char name[NAME_HEX + sizeof(SUFFIX)];

	name_of(url, name);
	return mem_printf("%s/%s", c->copies, name);
}

/* -- read -------------------------------------------------------------- */

static char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text != NULL ? mem_strdup(text) : NULL;
}

/* Of this address, and whole? */
static bool take(const json_t *o, const char *url, struct source_file *ret)
{
	const json_t *text = json_object_get(o, "text");
	const char *of = json_string_value(json_object_get(o, "url"));
	const char *sha = json_string_value(json_object_get(o, "sha"));

	*ret = (struct source_file){.host = text_of(o, "host"),
	    .repo = text_of(o, "repo"),
	    .ref = text_of(o, "ref"),
	    .path = text_of(o, "path"),
	    .text = {.max = ENTITIES_BYTES_MAX + 1}};
	if (of != NULL && strcmp(of, url) == 0 && sha != NULL &&
	    strlen(sha) < sizeof(ret->sha) && ret->host != NULL &&
	    ret->repo != NULL && ret->ref != NULL && ret->path != NULL &&
	    json_is_string(text) &&
	    buf_append(&ret->text, json_string_value(text),
		json_string_length(text)) == 0) {
		memcpy(ret->sha, sha, strlen(sha) + 1);
		return true;
	}
	source_file_fini(ret);
	*ret = (struct source_file){0};
	return false;
}

bool copies_load(const struct catalog *c, const char *url,
    struct source_file *ret, int64_t *ret_read_at)
{
	CLEANUP(buf_fini) struct buf text = {.max = COPY_BYTES_MAX};
	CLEANUP(mem_free) char *path = NULL;
	struct err err = ERR_INIT;
	struct stat st;
	json_t *o;
	bool good;

	if (c->copies == NULL)
		return false;
	path = path_of(c, url);
	if (stat(path, &st) < 0 || fs_read_file(path, &text, &err) < 0)
		return false;
	o = json_loadb(buf_str(&text), text.len, JSON_ALLOW_NUL, NULL);
	good = o != NULL && take(o, url, ret);
	json_decref(o);
	*ret_read_at = (int64_t)st.st_mtim.tv_sec * CLOCK_NS_PER_S;
	return good;
}

/* -- write ------------------------------------------------------------- */

void copies_save(
    const struct catalog *c, const char *url, const struct source_file *f)
{
	CLEANUP(buf_fini) struct buf text = {.max = COPY_BYTES_MAX};
	CLEANUP(mem_free) char *path = NULL;
	struct err err = ERR_INIT;
	struct json j;

	if (c->copies == NULL)
		return;
	path = path_of(c, url);
	json_init(&j, &text);
	json_obj(&j);
	json_kstr(&j, "url", url);
	json_kstr(&j, "host", f->host);
	json_kstr(&j, "repo", f->repo);
	json_kstr(&j, "ref", f->ref);
	json_kstr(&j, "path", f->path);
	json_kstr(&j, "sha", f->sha);
	json_key(&j, "text");
	json_strn(&j, buf_str(&f->text), f->text.len);
	json_end(&j);
	if (text.overflow || fs_mkdir_p(c->copies, 0700, &err) < 0 ||
	    fs_replace_file(path, text.data, text.len, 0600, &err) < 0)
		log_debug(&c->ctx, "a copy of the catalog is not kept",
		    LOG_STR("file", url), LOG_ERR(&err));
}

/* Its content was right just now. */
void copies_touch(const struct catalog *c, const char *url)
{
	CLEANUP(mem_free) char *path = NULL;

	if (c->copies == NULL)
		return;
	path = path_of(c, url);
	IGNORE(utimensat(AT_FDCWD, path, NULL, 0)); /* then it looks older */
}

void copies_drop(const struct catalog *c, const char *url)
{
	CLEANUP(mem_free) char *path = NULL;

	if (c->copies == NULL)
		return;
	path = path_of(c, url);
	IGNORE(unlink(path)); /* there may be none */
}

/* -- those that nothing names any more --------------------------------- */

static bool is_copy(const char *name)
{
	return strspn(name, "0123456789abcdef") == NAME_HEX &&
	       strcmp(name + NAME_HEX, SUFFIX) == 0;
}

void copies_sweep(
    struct catalog *c, bool (*is_named)(struct catalog *c, const char *name))
{
	struct dirent *entry;
	DIR *dir = c->copies != NULL ? opendir(c->copies) : NULL;

	if (dir == NULL)
		return;
	for (int n = 0; n < LEFT_MAX && (entry = readdir(dir)) != NULL; n++)
		if (is_copy(entry->d_name) && !is_named(c, entry->d_name))
			IGNORE(unlinkat(dirfd(dir), entry->d_name, 0));
	closedir(dir);
}

bool copies_is_name_of(const char *name, const char *url)
{
	char of[NAME_HEX + sizeof(SUFFIX)];

	name_of(url, of);
	return strcmp(name, of) == 0;
}
