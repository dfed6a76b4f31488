/*
 * One question to the portal, and what its answer means. The caller's thread.
 */
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/utf8.h"
#include "portal/portal_internal.h"

enum { CALL_MS = 10000, LEVELS_MAX = 64 };

json_t *portal_parse(const struct buf *body)
{
	if (body->len == 0 ||
	    parse_json_depth(body->data, body->len, LEVELS_MAX) < 0)
		return NULL;
	return json_loadb(body->data, body->len, JSON_REJECT_DUPLICATES, NULL);
}

int portal_refuse(struct err *err, const char *words)
{
	return err_set(err, ERR_AUTH, "portal_token", "%s", words);
}

int portal_not_one(const struct portal *p, const char *what, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "portal_down",
	    "%s answered the request to %s with something that a portal would "
	    "not send: is portal.url its backend.baseUrl, or a proxy in "
	    "between?",
	    p->url, what);
}

/* The portal's own words of a refusal (its error envelope), bounded and
 * clean; "" when none. */
static void words_of(const json_t *reply, char *out, size_t size)
{
	const char *text = json_string_value(
	    json_object_get(json_object_get(reply, "error"), "message"));
	size_t n = 0;

	for (; text != NULL && *text != '\0' && n + 1 < size; text++)
		if ((unsigned char)*text >= 0x20 && *text != 0x7f)
			out[n++] = *text;
	out[n] = '\0';
	while (n > 0 && !utf8_valid(out, n)) /* cut within a letter */
		out[--n] = '\0';
}

static int refused(const struct portal *p, const struct portal_call *call,
    int status, const char *words, struct err *err)
{
	if (p->token != NULL && call->token == p->token)
		return err_set(err, ERR_UNAVAILABLE, "portal_own_token",
		    "%s does not let the hub's own token %s (%d %.120s): it "
		    "must be one of its backend.auth.externalAccess, with "
		    "access to the catalog (portal.token)",
		    p->url, call->what, status, words);
	if (status == 401)
		return portal_refuse(
		    err, *words != '\0' ? words : "Illegal token");
	return err_set(err, ERR_FORBIDDEN, "portal_forbidden",
	    "%s does not let this token %s: %.200s", p->url, call->what,
	    *words != '\0' ? words : "forbidden");
}

static int judge(const struct portal *p, const struct portal_call *call,
    int status, const json_t *reply, struct err *err)
{
	char words[200];

	if (status == 200)
		return reply != NULL ? 0 : portal_not_one(p, call->what, err);
	words_of(reply, words, sizeof(words));
	switch (status) {
	case 401:
	case 403:
		return refused(p, call, status, words, err);
	case 400:
	case 404:
		if (status == 404 && call->bare_404)
			return 0;
		/* Of a portal these come with its envelope; any web server
		 * has a page for what it does not know. */
		return *words != '\0' ? 0 : portal_not_one(p, call->what, err);
	default:
		return err_set(err, ERR_UNAVAILABLE, "portal_down",
		    "%s answers %d when asked to %s: %.160s", p->url, status,
		    call->what, *words != '\0' ? words : "try again later");
	}
}

/* Whatever keeps the portal from answering, it is away; but whoever cancels
 * and a library that is missing are no fault of its. */
static int away(struct err *err)
{
	if (err->kind == ERR_FORBIDDEN || err->kind == ERR_LIMIT ||
	    err->kind == ERR_INVALID)
		err->kind = ERR_UNAVAILABLE;
	if (err->kind == ERR_UNAVAILABLE)
		memcpy(err->code, "portal_down", sizeof("portal_down"));
	return -1;
}

int portal_get(struct portal *p, const struct ctx *ctx,
    const struct portal_call *call, json_t **ret, struct buf *body,
    struct err *err)
{
	static const char *const headers[] = {"Accept: application/json", NULL};
	CLEANUP(mem_free) char *url = mem_printf("%s%s", p->url, call->path);
	CLEANUP(portal_json_free) json_t *reply = NULL;
	CLEANUP(buf_fini) struct buf own = {.max = call->max};
	struct buf *text = body != NULL ? body : &own;
	const struct web_request request = {.method = "GET",
	    .url = url,
	    .headers = headers,
	    .bearer = call->token,
	    .keeps_connection = true};
	int status = 0;

	*ret = NULL;
	if (web_exchange(&p->peer, ctx, &request, CALL_MS, &status, text, err) <
	    0)
		return away(err);
	reply = portal_parse(text);
	TRY(judge(p, call, status, reply, err));
	if (status == 200)
		*ret = STEAL(reply);
	return 0;
}
