/* Answers in the envelope of jobs-api §1: see api_internal.h. */
#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/log.h"

static const char json_type[] = "application/json; charset=utf-8";

struct answer reply_json(struct call *c, int status, struct buf *body)
{
	struct err err = ERR_INIT;

	if (body->overflow) {
		buf_fini(body);
		IGNORE(err_set(&err, ERR_INTERNAL, "answer_too_large",
		    "The answer is too large: ask for a smaller page"));
		return reply_error(c, &err);
	}
	http_reply(c->x, status, json_type, body);
	return (struct answer){status};
}

struct answer reply_text(
    struct call *c, int status, const char *type, struct buf *body)
{
	http_reply(c->x, status, type, body);
	return (struct answer){status};
}

void later_init(struct later *l, const struct call *c)
{
	l->call = *c;
	l->call.caller = NULL; /* it stays with the handler */
	snprintf(
	    l->request_id, sizeof(l->request_id), "%s", http_request_id(c->x));
	l->call.root = ctx_root();
	l->call.root.trace = &l->call.trace;
	l->call.ctx = ctx_with_field(&l->call.root, "request", l->request_id);
}

struct answer reply_later(void)
{
	return (struct answer){0};
}

struct answer reply_message(struct call *c, int status, const char *message)
{
	struct buf body;
	struct json j;

	buf_init(&body, BODY_MAX);
	json_init(&j, &body);
	json_obj(&j);
	json_kbool(&j, "success", true);
	json_kstr(&j, "message", message);
	json_end(&j);
	return reply_json(c, status, &body);
}

void error_body(int status, const char *code, const char *text, struct buf *out)
{
	struct json j;

	(void)status;
	json_init(&j, out);
	json_obj(&j);
	json_kbool(&j, "success", false);
	json_kstr(&j, "error", text);
	json_kstr(&j, "code", code);
	json_end(&j);
}

static int status_of(const struct err *err)
{
	static const char *const in_a_moment[] = {
	    "queue_full", "store_busy", "session_busy"};

	for (size_t i = 0; i < ARRAY_LEN(in_a_moment); i++)
		if (strcmp(err->code, in_a_moment[i]) == 0)
			return 503;
	if (strcmp(err->code, "too_many_logins") == 0 ||
	    strcmp(err->code, "rate_limited") == 0)
		return 429;
	return err_http_status(err->kind);
}

struct answer reply_error(struct call *c, const struct err *err)
{
	return reply_error_after(c, err, 5);
}

struct answer reply_error_after(
    struct call *c, const struct err *err, int wait_s)
{
	char after[16];
	int status = status_of(err);
	struct buf body;

	if (status >= 500)
		log_warn(&c->ctx, "request failed", LOG_STR("code", err->code),
		    LOG_ERR(err));
	else
		log_debug(&c->ctx, "request refused",
		    LOG_STR("code", err->code), LOG_ERR(err));
	if (status == 503 || status == 429) {
		snprintf(after, sizeof(after), "%d", wait_s);
		http_reply_header(c->x, "Retry-After", after);
	}
	if (status == 401)
		http_reply_header(
		    c->x, "WWW-Authenticate", "Bearer realm=\"runnerhub\"");
	buf_init(&body, BODY_MAX);
	error_body(status, err->code, err->msg, &body);
	http_reply(c->x, status, json_type, &body);
	return (struct answer){status};
}

void envelope_begin(struct json *j, struct buf *out)
{
	json_init(j, out);
	json_obj(j);
	json_kbool(j, "success", true);
	json_key(j, "data");
}

void envelope_end(struct json *j)
{
	json_end(j);
}

void envelope_page(struct json *j, const struct pagination *p)
{
	json_kobj(j, "pagination");
	json_kint(j, "page", p->page);
	json_kint(j, "limit", p->limit);
	json_kint(j, "total", p->total);
	json_kint(j, "totalPages", (p->total + p->limit - 1) / p->limit);
	json_end(j);
}
