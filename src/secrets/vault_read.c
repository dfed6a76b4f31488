/*
 * Reading one secret: from what was read before, else from Vault, and from
 * what is older when Vault is away. See vault.h; the caller's thread.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "secrets/vault_internal.h"
#include "store/named_secrets.h"

bool vault_path_is_valid(const char *path, size_t len)
{
	size_t begin = 0;

	if (len == 0 || len > VAULT_PATH_MAX)
		return false;
	for (size_t i = 0; i <= len; i++) {
		size_t n = i - begin;

		if (i < len && path[i] != '/') {
			if (!isalnum((unsigned char)path[i]) &&
			    (path[i] == '\0' || strchr("._-", path[i]) == NULL))
				return false;
			continue;
		}
		if (n == 0 || strncmp(path + begin, "..", n) == 0)
			return false;
		begin = i + 1;
	}
	return true;
}

/* -- what Vault says --------------------------------------------------- */

static const char *metadata_text(const json_t *metadata, const char *key)
{
	return json_string_value(
	    json_object_get(json_object_get(metadata, "custom_metadata"), key));
}

/* What cannot be read as a rule gives the secret to nobody. */
static struct secret_rule read_rule(const json_t *metadata)
{
	struct secret_rule rule = SECRET_RULE_DEFAULT;
	const char *use = metadata_text(metadata, "use");
	const char *repositories = metadata_text(metadata, "repositories");
	struct err ignored = ERR_INIT;

	if (use != NULL && secret_use_parse(use, &rule.use) < 0)
		rule.use = 0;
	if (repositories != NULL &&
	    secret_rule_set_repositories(&rule, repositories, &ignored) < 0)
		rule.use = 0;
	return rule;
}

static int bad_reply(const struct vault *v, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "vault_unavailable",
	    "Vault at %.120s gave no secret of KV version 2: is %.60s such an "
	    "engine?",
	    v->now.addr, v->options->vault_mount);
}

static int keep(
    struct vault *v, const char *path, const json_t *body, struct err *err)
{
	const json_t *data = json_object_get(body, "data");
	json_t *fields = json_object_get(data, "data");
	struct secret_rule rule = read_rule(json_object_get(data, "metadata"));
	struct secret *kept;
	char *text;

	if (!json_is_object(fields))
		return bad_reply(v, err);
	text = json_dumps(fields, JSON_COMPACT);
	kept = secret_new(text, strlen(text));
	secret_wipe(text, strlen(text));
	mem_free(text);
	mtx_lock(&v->mtx);
	vault_cache_put_locked(v, path, kept, &rule);
	mtx_unlock(&v->mtx);
	return 1;
}

static int refused(struct vault *v, const char *path, struct err *err)
{
	return err_set(err, ERR_FORBIDDEN, "vault_refused",
	    "Vault does not let the hub read %.60s/data/%.160s: its policy "
	    "must have the capability \"read\" there",
	    v->options->vault_mount, path);
}

static char *url_of(const struct vault *v, const char *path)
{
	return mem_printf("/v1/%s/data/%s", v->options->vault_mount, path);
}

/* With the turn. 1: it is in the cache now, 0: not there, -1. */
static int fetch_once(struct vault *v, const struct ctx *ctx, const char *path,
    bool *ret_denied, struct err *err)
{
	CLEANUP(vault_reply_fini) struct vault_reply r = {0};
	CLEANUP(mem_free) char *url = url_of(v, path);

	*ret_denied = false;
	TRY(vault_call(v, ctx, "GET", url, NULL, &r, err));
	if (vault_is_away(v, r.status, err))
		return -1;
	switch (r.status) {
	case 200:
		return keep(v, path, r.body, err);
	case 404: /* never there, or its newest version is deleted */
		return 0;
	case 403:
		*ret_denied = true;
		return refused(v, path, err);
	default:
		return bad_reply(v, err);
	}
}

static int fetch(
    struct vault *v, const struct ctx *ctx, const char *path, struct err *err)
{
	bool denied;
	int rc, again;

	TRY(vault_login(v, ctx, err));
	rc = fetch_once(v, ctx, path, &denied, err);
	if (!denied)
		return rc;
	/* 403 is also what a token gets that is over. */
	err_clear(err);
	again = vault_login_again(v, ctx, err);
	TRY(again);
	return again == 1 ? fetch_once(v, ctx, path, &denied, err)
			  : refused(v, path, err);
}

static int ask(
    struct vault *v, const struct ctx *ctx, const char *path, struct err *err)
{
	bool there;
	int rc;

	TRY(vault_begin(v, ctx, false, err));
	/* Whoever had the turn before may have asked for the same. */
	mtx_lock(&v->mtx);
	there = vault_cache_find_locked(v, path, v->options->vault_cache_ms) !=
		NULL;
	mtx_unlock(&v->mtx);
	rc = there ? 1 : fetch(v, ctx, path, err);
	vault_end(v, rc, err);
	return rc;
}

/* -- from what is kept ------------------------------------------------- */

static int take_field(const struct vault *v, const json_t *fields,
    const char *path, const char *field, struct buf *out, struct err *err)
{
	const json_t *value = json_object_get(fields, field);
	size_t n = json_string_length(value);

	(void)v;
	if (value == NULL)
		return 0;
	if (!json_is_string(value) || n == 0 || n > NAMED_SECRET_VALUE_MAX ||
	    memchr(json_string_value(value), '\0', n) != NULL ||
	    buf_append(out, json_string_value(value), n) < 0)
		return err_set(err, ERR_INVALID, "vault_bad_value",
		    "The field %.60s of %.160s in Vault is no text of 1 to %d "
		    "bytes without NUL",
		    field, path, NAMED_SECRET_VALUE_MAX);
	return 1;
}

/* 1, 0: no such field, -1; -2: it is not kept (so long). */
static int take_kept(struct vault *v, const char *path, int64_t max_ms,
    const char *field, struct buf *out, struct secret_rule *ret_rule,
    struct err *err)
{
	struct vault_reply fields = {0};
	struct vault_entry *e;
	const char *text;
	size_t n;
	int rc;

	mtx_lock(&v->mtx);
	e = vault_cache_find_locked(v, path, max_ms);
	if (e != NULL) {
		text = secret_expose(e->fields, &n);
		fields.body = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
		*ret_rule = e->rule;
	}
	mtx_unlock(&v->mtx);
	if (e == NULL)
		return -2;
	rc = take_field(v, fields.body, path, field, out, err);
	vault_reply_fini(&fields);
	return rc;
}

static void count(struct vault *v, uint64_t *which)
{
	mtx_lock(&v->mtx);
	++*which;
	mtx_unlock(&v->mtx);
}

/* Vault could not be asked, or says that it is gone: then what is kept is not
 * given any more. */
static int without_answer(struct vault *v, const char *path, int rc,
    const char *field, struct buf *out, struct secret_rule *ret_rule,
    struct err *err)
{
	const struct options *o = v->options;
	struct err bad = ERR_INIT;

	if (rc < 0 && err->kind == ERR_UNAVAILABLE) {
		int kept =
		    take_kept(v, path, o->vault_cache_ms + o->vault_stale_ms,
			field, out, ret_rule, &bad);

		if (kept < 0)
			return -1;
		log_warn(NULL, "a secret is used as Vault gave it before",
		    LOG_STR("path", path), LOG_ERR(err));
		count(v, &v->now.stale);
		err_clear(err);
		return kept;
	}
	if (rc == 0 || err->kind == ERR_FORBIDDEN) {
		mtx_lock(&v->mtx);
		vault_cache_drop_locked(v, path);
		mtx_unlock(&v->mtx);
	}
	return rc;
}

int vault_read(struct vault *v, const struct ctx *ctx, const char *path,
    size_t path_len, const char *field, struct buf *out,
    struct secret_rule *ret_rule, struct err *err)
{
	const struct options *o = v->options;
	char whole[VAULT_PATH_MAX + 1];
	int rc;

	MAGIC_CHECK(v, VAULT_MAGIC);
	if (snprintf(whole, sizeof(whole), "%s/%.*s", o->vault_prefix,
		(int)path_len, path) >= (int)sizeof(whole))
		return 0;
	count(v, &v->now.reads);
	rc = take_kept(v, whole, o->vault_cache_ms, field, out, ret_rule, err);
	if (rc != -2) {
		count(v, &v->now.hits);
		return rc;
	}
	rc = ask(v, ctx, whole, err);
	if (rc != 1)
		return without_answer(v, whole, rc, field, out, ret_rule, err);
	rc = take_kept(v, whole, o->vault_cache_ms + o->vault_stale_ms, field,
	    out, ret_rule, err);
	return rc == -2 ? bad_reply(v, err) : rc;
}
