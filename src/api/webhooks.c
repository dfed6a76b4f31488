/*
 * Webhooks, as admins manage them: whom the hub tells of events, tests, and
 * what became of deliveries. Addresses and secrets come in and never leave; a
 * secret that the hub makes leaves once. Handler threads.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "api/audit.h"
#include "api/secret_body.h"
#include "base/mem.h"
#include "base/secret.h"
#include "notify/notify.h"
#include "store/webhook_queue.h"
#include "store/webhooks.h"

enum {
	LIST_DEFAULT = 50,
	SECRET_MIN = 16,
	EVENTS_TEXT_MAX = 1024,
	REPOSITORY_MAX = 256,
};

/* -- showing ----------------------------------------------------------- */

static void write_list_of(struct json *j, const char *key, const char *csv)
{
	json_karr(j, key);
	for (;;) {
		size_t n = strcspn(csv, ",");

		json_strn(j, csv, n);
		if (csv[n] == '\0')
			break;
		csv += n + 1;
	}
	json_end(j);
}

static void write_state(struct call *c, const struct webhook *w, struct json *j)
{
	struct notify_state s;

	notify_state(c->api->notify, w->id, &s);
	json_kstr(j, "circuit", s.circuit);
	json_kint(j, "failures", s.failures);
	json_ktime(j, "openUntil", s.open_until);
	json_kstr(j, "lastError", *s.error != '\0' ? s.error : NULL);
}

static void write_webhook(
    struct call *c, const struct webhook *w, const char *secret, struct json *j)
{
	char id[UUID_TEXT_LEN];

	json_obj(j);
	json_kstr(j, "id", uuid_text(w->id, id));
	json_kstr(j, "name", w->name);
	json_kstr(j, "origin", w->origin);
	json_kstr(j, "format", w->format);
	write_list_of(j, "events", w->events);
	json_kstr(j, "repository", w->repository);
	json_kbool(j, "enabled", w->enabled);
	if (secret != NULL)
		json_kstr(j, "secret", secret);
	json_kint(j, "waiting", w->waiting);
	json_kint(j, "delivered", w->delivered);
	json_kint(j, "failed", w->failed);
	json_kint(j, "dropped", w->dropped);
	write_state(c, w, j);
	json_ktime(j, "createdAt", w->created_at);
	json_ktime(j, "updatedAt", w->updated_at);
	json_end(j);
}

static int no_such_webhook(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "webhook_not_found",
	    "There is no such webhook");
}

/* secret: to be shown this once, or NULL. */
static struct answer answer_webhook(
    struct call *c, int status, struct uuid id, const char *secret)
{
	CLEANUP(webhook_fini) struct webhook w = {.name = NULL};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;
	int rc = store_webhook_get(hub_store(c->hub), id, &w, &err);

	if (rc == 0)
		IGNORE(no_such_webhook(&err));
	if (rc != 1)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	write_webhook(c, &w, secret, &j);
	envelope_end(&j);
	return reply_json(c, status, &body);
}

struct answer webhook_list_show(struct call *c)
{
	CLEANUP(webhook_list_free) struct webhook_list l = {0};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (store_webhook_list(hub_store(c->hub), &l, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_arr(&j);
	for (size_t i = 0; i < l.n; i++)
		write_webhook(c, &l.items[i], NULL, &j);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

/* -- bodies ------------------------------------------------------------ */

/* What a body says of a webhook; owned texts are for fields_fini. */
struct fields {
	const char *name, *format, *repository, *secret; /* of the body */
	char *events;                                    /* csv */
	char origin[256];
	bool set_enabled, enabled;
	struct webhook_door door;
};

static void fields_fini_guard(struct fields *f)
{
	mem_free(f->events);
	webhook_door_fini(&f->door);
}

static int wrong(const char *field, const char *expected, struct err *err)
{
	return err_set(err, ERR_INVALID, "invalid_field",
	    "Field \"%s\": expected %s", field, expected);
}

/* *ret stays when it is not there; null only where it means something. */
static int take_text(const json_t *body, const char *key, size_t max,
    const char *expected, const char **ret, struct err *err)
{
	const json_t *value = json_object_get(body, key);
	const char *text = json_string_value(value);

	if (value == NULL)
		return 0;
	if (text == NULL || *text == '\0' || json_string_length(value) > max ||
	    strlen(text) != json_string_length(value) ||
	    strpbrk(text, "\r\n") != NULL)
		return wrong(key, expected, err);
	*ret = text;
	return 0;
}

static int take_events(const json_t *body, struct fields *f, struct err *err)
{
	const json_t *list = json_object_get(body, "events"), *one;
	struct buf csv;
	size_t i;

	if (list == NULL)
		return 0;
	if (!json_is_array(list) || json_array_size(list) == 0)
		return wrong(
		    "events", "an array such as [\"job.failed\"]", err);
	buf_init(&csv, EVENTS_TEXT_MAX);
	json_array_foreach(list, i, one)
	{
		const char *text = json_string_value(one);

		IGNORE(buf_printf(
		    &csv, "%s%s", i > 0 ? "," : "", text != NULL ? text : "?"));
	}
	f->events = buf_steal(&csv, NULL);
	if (f->events == NULL)
		return wrong("events", "fewer patterns", err);
	return notify_events_check(f->events, err);
}

static int take_door(
    struct call *c, const json_t *body, struct fields *f, struct err *err)
{
	const char *url = NULL;

	TRY(take_text(
	    body, "url", WEBHOOK_URL_MAX, "an https address", &url, err));
	TRY(take_text(body, "secret", WEBHOOK_SECRET_MAX,
	    "16 to 256 bytes of text", &f->secret, err));
	if (f->secret != NULL && strlen(f->secret) < SECRET_MIN)
		return wrong("secret", "16 to 256 bytes of text", err);
	if (f->secret != NULL)
		f->door.secret = secret_new(f->secret, strlen(f->secret));
	if (url == NULL)
		return 0;
	f->door.url = secret_new(url, strlen(url));
	return notify_url_check(
	    c->api->notify, url, f->origin, sizeof(f->origin), err);
}

static int take_fields(
    struct call *c, const json_t *body, struct fields *f, struct err *err)
{
	const json_t *enabled = json_object_get(body, "enabled");
	const json_t *repository = json_object_get(body, "repository");

	TRY(take_text(
	    body, "name", WEBHOOK_NAME_MAX, "1 to 64 bytes", &f->name, err));
	TRY(take_text(body, "format", 16, "generic or slack", &f->format, err));
	if (f->format != NULL && !notify_format_is_known(f->format))
		return wrong("format", "generic or slack", err);
	if (json_is_null(repository))
		f->repository = "";
	else
		TRY(take_text(body, "repository", REPOSITORY_MAX,
		    "owner/repo, owner/* or null", &f->repository, err));
	if (enabled != NULL && !json_is_boolean(enabled))
		return wrong("enabled", "true or false", err);
	f->set_enabled = enabled != NULL;
	f->enabled = json_is_true(enabled);
	TRY(take_events(body, f, err));
	return take_door(c, body, f, err);
}

/* -- changing ---------------------------------------------------------- */

/* Slack does not look at signatures; everybody else gets a secret. */
static void make_secret(struct fields *f, char made[NOTIFY_SECRET_LEN])
{
	*made = '\0';
	if (f->secret != NULL || strcmp(f->format, "slack") == 0)
		return;
	notify_secret_make(made);
	f->door.secret = secret_new(made, strlen(made));
}

static int create(struct call *c, const json_t *body, struct uuid *ret,
    char made[NOTIFY_SECRET_LEN], struct err *err)
{
	CLEANUP(fields_fini) struct fields f = {.format = "generic"};
	struct webhook w = {0};

	TRY(take_fields(c, body, &f, err));
	if (f.name == NULL)
		return wrong("name", "1 to 64 bytes", err);
	audit_object(c, f.name);
	if (f.door.url == NULL)
		return wrong("url", "an https address", err);
	audit_detail(c, "origin", f.origin);
	make_secret(&f, made);
	w.name = (char *)f.name;
	w.origin = f.origin;
	w.format = (char *)f.format;
	w.events = f.events != NULL ? f.events : (char *)"*";
	w.repository = f.repository != NULL && *f.repository != '\0'
			   ? (char *)f.repository
			   : NULL;
	w.enabled = !f.set_enabled || f.enabled;
	TRY(store_webhook_add(hub_store(c->hub), &w, &f.door, ret, err));
	return notify_reload(c->api->notify, err);
}

struct answer webhook_create(struct call *c)
{
	CLEANUP(secret_body_forget) json_t *body = NULL;
	struct err err = ERR_INIT;
	struct answer answer;
	struct uuid id;
	char made[NOTIFY_SECRET_LEN];

	body = secret_body_read(c, &err);
	if (body == NULL || create(c, body, &id, made, &err) < 0)
		return reply_error(c, &err);
	answer = answer_webhook(c, 201, id, *made != '\0' ? made : NULL);
	secret_wipe(made, sizeof(made));
	return answer;
}

/* The webhook that the path names. */
static int named(struct call *c, struct uuid *ret, struct err *err)
{
	if (uuid_parse(c->id, ret) == 0)
		return 0;
	return no_such_webhook(err);
}

static int update(
    struct call *c, const json_t *body, struct uuid id, struct err *err)
{
	CLEANUP(fields_fini) struct fields f = {.name = NULL};
	struct webhook_change change = {0};

	TRY(take_fields(c, body, &f, err));
	if (f.door.url != NULL)
		audit_detail(c, "origin", f.origin);
	change.name = f.name;
	change.format = f.format;
	change.events = f.events;
	change.repository = f.repository;
	change.set_enabled = f.set_enabled;
	change.enabled = f.enabled;
	change.origin = f.door.url != NULL ? f.origin : NULL;
	change.door = f.door;
	TRY(store_webhook_change(hub_store(c->hub), id, &change, err));
	return notify_reload(c->api->notify, err);
}

struct answer webhook_update(struct call *c)
{
	CLEANUP(secret_body_forget) json_t *body = NULL;
	struct err err = ERR_INIT;
	struct uuid id;

	body = secret_body_read(c, &err);
	if (body == NULL || named(c, &id, &err) < 0 ||
	    update(c, body, id, &err) < 0)
		return reply_error(c, &err);
	return answer_webhook(c, 200, id, NULL);
}

struct answer webhook_remove(struct call *c)
{
	struct err err = ERR_INIT;
	struct uuid id;
	int rc = named(c, &id, &err);

	if (rc == 0)
		rc = store_webhook_delete(hub_store(c->hub), id, &err);
	if (rc == 0)
		rc = no_such_webhook(&err);
	if (rc > 0)
		rc = notify_reload(c->api->notify, &err);
	if (rc < 0)
		return reply_error(c, &err);
	return reply_message(c, 200, "Webhook deleted");
}

/* -- tests and deliveries ---------------------------------------------- */

struct answer webhook_test(struct call *c)
{
	struct err err = ERR_INIT;
	struct notify_sent sent;
	char delivery[UUID_TEXT_LEN];
	struct uuid id;
	struct buf body;
	struct json j;

	if (named(c, &id, &err) < 0 ||
	    notify_test(c->api->notify, id, delivery, &sent, &err) < 0)
		return reply_error(c, &err);
	audit_detail(c, "result", sent.delivered ? "delivered" : "failed");
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_kstr(&j, "deliveryId", delivery);
	json_kbool(&j, "delivered", sent.delivered);
	json_key(&j, "status");
	if (sent.status != 0)
		json_int(&j, sent.status);
	else
		json_none(&j);
	json_kstr(&j, "error", *sent.error != '\0' ? sent.error : NULL);
	json_knum(&j, "ms", (double)sent.ns / 1e6);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

static void write_delivery(const struct webhook_delivery *d, struct json *j)
{
	bool waits = strcmp(d->state, "waiting") == 0;

	json_obj(j);
	json_kint(j, "seq", d->seq);
	json_kstr(j, "id", d->id);
	json_kstr(j, "event", d->event);
	json_kstr(j, "state", d->state);
	json_kint(j, "attempts", d->attempts);
	json_key(j, "status");
	if (d->status != 0)
		json_int(j, d->status);
	else
		json_none(j);
	json_kstr(j, "error", d->error);
	json_kstr(j, "traceId", d->trace);
	json_ktime(j, "createdAt", d->created_at);
	json_ktime(j, "updatedAt", d->updated_at);
	json_ktime(j, "nextAttemptAt", waits ? d->due_at : 0);
	json_end(j);
}

struct answer webhook_deliveries(struct call *c)
{
	CLEANUP(webhook_delivery_list_free)
	struct webhook_delivery_list l = {0};
	CLEANUP(webhook_fini) struct webhook w = {.name = NULL};
	int64_t before = 0, limit = LIST_DEFAULT;
	struct err err = ERR_INIT;
	struct uuid id;
	struct buf body;
	struct json j;
	int rc = named(c, &id, &err);

	if (rc == 0) {
		rc = store_webhook_get(hub_store(c->hub), id, &w, &err);
		rc = rc == 0 ? no_such_webhook(&err) : rc;
	}
	if (rc < 0 || param_int(c, "before", 1, INT64_MAX, &before, &err) < 0 ||
	    param_int(c, "limit", 1, WEBHOOK_KEPT, &limit, &err) < 0 ||
	    store_webhook_deliveries(
		hub_store(c->hub), id, before, limit, &l, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_arr(&j);
	for (size_t i = 0; i < l.n; i++)
		write_delivery(&l.items[i], &j);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}
