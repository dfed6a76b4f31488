/*
 * One request to Vault and its reply. In the thread that has the turn. Vault's
 * own words ("errors") are not passed on: a plugin may put into them what it
 * was given.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "secrets/vault_internal.h"

enum { LEVELS_MAX = 16, HEADERS = 5 };

static void wipe_texts(json_t *v)
{
	const char *key;
	json_t *one;
	size_t i;

	if (json_is_string(v))
		secret_wipe(
		    (char *)json_string_value(v), json_string_length(v));
	json_object_foreach(v, key, one)
	{
		wipe_texts(one);
	}
	json_array_foreach(v, i, one)
	{
		wipe_texts(one);
	}
}

void vault_reply_fini(struct vault_reply *r)
{
	wipe_texts(r->body);
	json_decref(r->body);
	r->body = NULL;
}

static int unavailable(const struct vault *v, const char *why, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "vault_unavailable",
	    "Vault at %.120s %s", v->now.addr, why);
}

bool vault_is_away(struct vault *v, int status, struct err *err)
{
	v->hint = status == 503                    ? "sealed"
		  : status == 472 || status == 473 ? "standby"
						   : NULL;
	switch (status) {
	case 429: /* a quota, or an unforwarded standby */
		IGNORE(unavailable(v, "has too many requests (429)", err));
		return true;
	case 472:
		IGNORE(
		    unavailable(v, "is a disaster recovery copy (472)", err));
		return true;
	case 473:
		IGNORE(unavailable(v, "is a standby (473)", err));
		return true;
	case 503:
		IGNORE(unavailable(v, "is sealed (503)", err));
		return true;
	default:
		break;
	}
	if (status < 500)
		return false;
	IGNORE(unavailable(v, "has a problem (5xx)", err));
	return true;
}

/* Lines of the request, with the token: for forget_headers. */
static void make_headers(const struct vault *v, char *lines[HEADERS])
{
	const char *space = v->options->vault_namespace;
	size_t n = 0;

	memset(lines, 0, HEADERS * sizeof(*lines));
	lines[n++] = mem_strdup("X-Vault-Request: true");
	lines[n++] = mem_strdup("Content-Type: application/json");
	if (space != NULL)
		lines[n++] = mem_printf("X-Vault-Namespace: %s", space);
	if (v->token != NULL)
		lines[n++] = mem_printf(
		    "X-Vault-Token: %s", secret_expose(v->token, NULL));
}

static void forget_headers(char *lines[HEADERS])
{
	for (size_t i = 0; lines[i] != NULL; i++) {
		secret_wipe(lines[i], strlen(lines[i]));
		mem_free(lines[i]);
	}
}

static int exchange(struct vault *v, const struct ctx *ctx,
    const struct web_request *request, struct buf *answer,
    struct vault_reply *ret, struct err *err)
{
	char why[300];

	if (web_exchange(&v->peer, ctx, request, v->options->vault_timeout_ms,
		&ret->status, answer, err) == 0)
		return 0;
	if (err->kind == ERR_CANCELED)
		return -1;
	/* Whatever it is (no way there, no trust): later it may be mended. */
	snprintf(why, sizeof(why), "cannot be asked: %.240s", err->msg);
	return unavailable(v, why, err);
}

int vault_call(struct vault *v, const struct ctx *ctx, const char *method,
    const char *path, const json_t *body, struct vault_reply *ret,
    struct err *err)
{
	CLEANUP(mem_free) char *url = mem_printf("%s%s", v->base, path);
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	char *lines[HEADERS];
	struct buf answer = {.max = VAULT_REPLY_MAX};
	struct web_request request = {.method = method,
	    .url = url,
	    .headers = (const char *const *)lines,
	    .body = text,
	    .body_len = text != NULL ? strlen(text) : 0,
	    .ca_file = v->options->vault_ca};
	int rc;

	*ret = (struct vault_reply){0};
	make_headers(v, lines);
	rc = exchange(v, ctx, &request, &answer, ret, err);
	forget_headers(lines);
	if (rc == 0 && answer.len > 0 &&
	    parse_json_depth(answer.data, answer.len, LEVELS_MAX) == 0)
		ret->body = json_loadb(
		    answer.data, answer.len, JSON_REJECT_DUPLICATES, NULL);
	if (answer.data != NULL)
		secret_wipe(answer.data, answer.len);
	buf_fini(&answer);
	if (text != NULL)
		secret_wipe(text, strlen(text));
	mem_free(text);
	return rc;
}
