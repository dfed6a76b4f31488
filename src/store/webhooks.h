/*
 * Webhooks: whom the hub tells of events. The address may hold credentials
 * (Slack's do, in the path), so it is sealed at rest together with the secret
 * that signs; what is shown is its origin. Any thread; changes block until
 * durable.
 */
#ifndef STORE_WEBHOOKS_H
#define STORE_WEBHOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "store/store.h"

enum {
	WEBHOOKS_MAX = 32,
	WEBHOOK_NAME_MAX = 64,
	WEBHOOK_URL_MAX = 2048,
	WEBHOOK_SECRET_MAX = 256,
};

struct webhook {
	struct uuid id;
	char *name;       /* unique */
	char *origin;     /* "https://hooks.example.com" */
	char *format;     /* "generic", "slack" */
	char *events;     /* patterns, separated by commas */
	char *repository; /* NULL: all */
	bool enabled;
	int64_t delivered, failed, dropped; /* ever */
	int64_t waiting;                    /* now */
	int64_t created_at, updated_at;     /* wall ns */
};
void webhook_fini(struct webhook *w);
static inline void webhook_fini_guard(struct webhook *w)
{
	webhook_fini(w);
}
struct webhook_list {
	struct webhook *items;
	size_t n;
};
void webhook_list_free(struct webhook_list *l);
static inline void webhook_list_free_guard(struct webhook_list *l)
{
	webhook_list_free(l);
}

/* Where it leads and what signs: neither is ever shown. */
struct webhook_door {
	struct secret *url, *secret; /* secret NULL: nothing is signed */
};
void webhook_door_fini(struct webhook_door *d);
static inline void webhook_door_fini_guard(struct webhook_door *d)
{
	webhook_door_fini(d);
}

/* ERR_CONFLICT "webhook_exists" (its name), ERR_LIMIT. It is told of what
 * happens from now on. */
int store_webhook_add(struct store *s, const struct webhook *w,
    const struct webhook_door *door, struct uuid *ret_id,
    struct err *err) MUST_CHECK;
/* Texts that are NULL stay; repository "": all again. */
struct webhook_change {
	const char *name, *origin, *format, *events, *repository;
	bool set_enabled, enabled;
	struct webhook_door door; /* url NULL: stays; secret likewise */
};
/* ERR_NOT_FOUND, ERR_CONFLICT. */
int store_webhook_change(struct store *s, struct uuid id,
    const struct webhook_change *change, struct err *err) MUST_CHECK;
/* With what waits for it: 1, 0 there was none, -1. */
int store_webhook_delete(
    struct store *s, struct uuid id, struct err *err) MUST_CHECK;
/* All, by name. */
int store_webhook_list(
    struct store *s, struct webhook_list *ret, struct err *err) MUST_CHECK;
/* 1, 0, -1. */
int store_webhook_get(struct store *s, struct uuid id, struct webhook *ret,
    struct err *err) MUST_CHECK;
int store_webhook_door(struct store *s, struct uuid id,
    struct webhook_door *ret, struct err *err) MUST_CHECK;

#endif
