/*
 * How a proxy gets its token: from a file, or by enrolment with the key, where
 * it proves which container it is by reading what the hub has put there.
 * Main thread.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cmd/proxy_run.h"

enum {
	TOKEN_MAX = 512,
	PROOF_MAX = 256,
	MOUNTS_MAX = 1 << 20,
	RETRY_MS = 1000,
	RETRY_MAX_MS = 15000,
	ID_LEN = 64,
};

/* -- which container --------------------------------------------------- */

static void add_id(json_t *list, const char *id, size_t n)
{
	const json_t *there;
	size_t i;

	json_array_foreach(list, i,
	    there) if (json_string_length(there) == n &&
		       memcmp(json_string_value(there), id, n) == 0) return;
	json_array_append_new(list, json_stringn(id, n));
}

/* Engines mount these three from a directory that bears the id. */
static bool is_engines(const char *line, size_t n)
{
	static const char *const files[] = {
	    " /etc/hostname ", " /etc/hosts ", " /etc/resolv.conf "};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (memmem(line, n, files[i], strlen(files[i])) != NULL)
			return true;
	return false;
}

static void scan_line(json_t *list, const char *line, size_t n)
{
	for (size_t i = 0; i + ID_LEN <= n; i++) {
		size_t digits = strspn(line + i, "0123456789abcdef");

		if (digits == ID_LEN)
			add_id(list, line + i, ID_LEN);
		i += digits;
	}
}

static void scan_file(json_t *list, const char *path, bool only_engines)
{
	CLEANUP(buf_fini) struct buf text = {.max = MOUNTS_MAX};
	struct err ignored = ERR_INIT;
	const char *line;

	if (fs_read_file(path, &text, &ignored) < 0)
		return;
	line = buf_str(&text);
	while (*line != '\0') {
		size_t n = strcspn(line, "\n");

		if (!only_engines || is_engines(line, n))
			scan_line(list, line, n);
		line += n + (line[n] == '\n');
	}
}

/* What may be our own id; none on a machine. */
static json_t *own_containers(void)
{
	json_t *list = json_array();
	char host[256] = "";

	scan_file(list, "/proc/self/mountinfo", true);
	scan_file(list, "/proc/self/cgroup", false);
	if (gethostname(host, sizeof(host) - 1) == 0 && strlen(host) == 12 &&
	    strspn(host, "0123456789abcdef") == 12)
		add_id(list, host, 12);
	return list;
}

/* -- the token's file -------------------------------------------------- */

/* "" when there is none. */
static void read_token(const struct supervised *s, char ret[TOKEN_MAX])
{
	CLEANUP(buf_fini) struct buf text = {.max = TOKEN_MAX - 1};
	struct err ignored = ERR_INIT;

	ret[0] = '\0';
	if (fs_read_file(s->token_file, &text, &ignored) < 0)
		return;
	snprintf(ret, TOKEN_MAX, "%.*s", (int)strcspn(buf_str(&text), "\r\n"),
	    buf_str(&text));
	secret_wipe(text.data, text.len);
}

static int use_token(struct supervised *s, const char *token, struct err *err)
{
	const struct tls_trust trust = client_trust_env();

	client_close(STEAL(s->client));
	return client_open(&s->client, s->url, token, &trust, err);
}

static int keep_token(struct supervised *s, const char *token, struct err *err)
{
	TRY(fs_replace_file(s->token_file, token, strlen(token), 0600, err));
	return use_token(s, token, err);
}

/* 1: the hub knows it, 0: it does not, -1: no answer. */
static int is_good(struct supervised *s, const struct ctx *ctx, struct err *err)
{
	CLEANUP(json_decref) json_t *me = NULL;

	if (client_get(s->client, ctx, "/api/runners/self", &me, err) == 0)
		return 1;
	return err->kind == ERR_AUTH || err->kind == ERR_NOT_FOUND ? 0 : -1;
}

/* -- enrolment --------------------------------------------------------- */

static json_t *enrol_body(
    const struct supervised *s, const char *old_token, bool with_containers)
{
	json_t *body = json_object(), *labels = json_array();
	const char *csv = s->labels != NULL ? s->labels : "";

	json_object_set_new(body, "name", json_string(s->name));
	while (*csv != '\0') {
		size_t n = strcspn(csv, ",");

		if (n > 0)
			json_array_append_new(labels, json_stringn(csv, n));
		csv += n + (csv[n] == ',');
	}
	json_object_set_new(body, "labels", labels);
	if (s->github_url != NULL)
		json_object_set_new(body, "url", json_string(s->github_url));
	if (*old_token != '\0')
		json_object_set_new(body, "token", json_string(old_token));
	if (with_containers)
		json_object_set_new(body, "containers", own_containers());
	return body;
}

/* 1: proven, *ret is the reply; 0: not our container after all. */
static int prove(struct client *c, const struct ctx *ctx, const json_t *data,
    json_t **ret, struct err *err)
{
	CLEANUP(json_decref) json_t *body = json_object();
	CLEANUP(buf_fini) struct buf proof = {.max = PROOF_MAX};
	const char *path = reply_str(data, "path", "");

	/* A path of the hub's choice, where nothing else of ours can be. */
	if (strncmp(path, "/tmp/.runnerhub-", 16) != 0 ||
	    strchr(path + 16, '/') != NULL ||
	    fs_read_file(path, &proof, err) < 0) {
		err_clear(err);
		return 0;
	}
	json_object_set_new(
	    body, "challenge", json_string(reply_str(data, "challenge", "")));
	json_object_set_new(body, "proof", json_string(buf_str(&proof)));
	TRY(client_call(
	    c, ctx, "POST", "/api/runners/enrol/confirm", body, ret, err));
	return 1;
}

static int enrol_once(struct supervised *s, const struct ctx *ctx,
    bool with_containers, json_t **ret, struct err *err)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *body = NULL;
	CLEANUP(json_decref) json_t *first = NULL;
	const struct tls_trust trust = client_trust_env();
	const json_t *data;
	char old[TOKEN_MAX];

	read_token(s, old);
	body = enrol_body(s, old, with_containers);
	secret_wipe(old, sizeof(old));
	TRY(client_open(&c, s->url, s->key, &trust, err));
	if (client_call(
		c, ctx, "POST", "/api/runners/enrol", body, &first, err) < 0)
		return err->kind != ERR_AUTH
			   ? -1
			   : err_set(err, ERR_AUTH, err->code,
				 "%s does not take this enrolment key: it must "
				 "be the RUNNERHUB_ENROLMENT_KEY of the hub",
				 client_url(c));
	data = json_object_get(first, "data");
	if (reply_str(data, "challenge", NULL) != NULL)
		return prove(c, ctx, data, ret, err);
	*ret = STEAL(first);
	return 1;
}

static int enrol(struct supervised *s, const struct ctx *ctx, struct err *err)
{
	CLEANUP(json_decref) json_t *reply = NULL;
	const char *token;
	int rc = enrol_once(s, ctx, true, &reply, err);

	if (rc == 0) {
		supervised_say(s,
		    "what the hub takes for this container is another: its "
		    "jobs get no work directory of this one");
		rc = enrol_once(s, ctx, false, &reply, err);
	}
	TRY(rc);
	token = reply_str(json_object_get(reply, "data"), "token", NULL);
	if (rc != 1 || token == NULL)
		return err_set(err, ERR_INTERNAL, "bad_reply",
		    "the hub answered the enrolment without a token");
	supervised_say(s, "enrolled at %s", client_url(s->client));
	return keep_token(s, token, err);
}

/* -- join -------------------------------------------------------------- */

static int join_once(
    struct supervised *s, const struct ctx *ctx, struct err *err)
{
	char token[TOKEN_MAX];
	int good;

	read_token(s, token);
	TRY(use_token(s, token[0] != '\0' ? token : NULL, err));
	good = token[0] != '\0' ? is_good(s, ctx, err) : 0;
	secret_wipe(token, sizeof(token));
	if (good != 0)
		return good < 0 ? -1 : 0;
	if (s->key != NULL) {
		err_clear(err);
		return enrol(s, ctx, err);
	}
	if (err->kind != ERR_NONE)
		return err_wrap(err, "the token in %s", s->token_file);
	return err_set(err, ERR_INVALID, "usage",
	    "no token: %s does not exist, and RUNNERHUB_ENROLMENT_KEY is not "
	    "set",
	    s->token_file);
}

/* Another name's holder goes offline in a while; a hub that is away comes. */
static bool may_change(const struct err *err)
{
	return err->kind == ERR_UNAVAILABLE || err->kind == ERR_TIMEOUT ||
	       err->kind == ERR_UNCERTAIN ||
	       strcmp(err->code, "name_taken") == 0 ||
	       strcmp(err->code, "no_challenge") == 0;
}

int supervised_join(
    struct supervised *s, const struct ctx *ctx, struct err *err)
{
	struct err over = ERR_INIT;
	int64_t wait = RETRY_MS;

	for (;;) {
		err_clear(err);
		if (join_once(s, ctx, err) == 0)
			return 0;
		if (!may_change(err) || ctx_sleep(ctx, wait, &over) < 0)
			return -1;
		supervised_say(s, "%s; trying again", err->msg);
		wait = wait * 2 < RETRY_MAX_MS ? wait * 2 : RETRY_MAX_MS;
	}
}
