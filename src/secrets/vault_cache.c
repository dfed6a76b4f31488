/*
 * Secrets as Vault gave them, in memory alone: a table of bounded size, the
 * one that was not used for longest goes. Under the client's mutex.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "secrets/vault_internal.h"

static void forget(struct vault *v, struct vault_entry *e)
{
	if (e->path[0] != '\0')
		v->now.cached--;
	secret_free(e->fields);
	*e = (struct vault_entry){0};
}

static struct vault_entry *find(struct vault *v, const char *path)
{
	for (size_t i = 0; i < VAULT_CACHE_MAX; i++)
		if (strcmp(v->cache[i].path, path) == 0)
			return &v->cache[i];
	return NULL;
}

struct vault_entry *vault_cache_find_locked(
    struct vault *v, const char *path, int64_t max_ms)
{
	struct vault_entry *e = find(v, path);
	int64_t now = clock_mono_ns();

	mtx_assert_held(&v->mtx);
	if (e == NULL || now - e->read_at > max_ms * CLOCK_NS_PER_MS)
		return NULL;
	e->used_at = now;
	return e;
}

/* A free place, else the one that was not used for longest. */
static struct vault_entry *make_room(struct vault *v)
{
	struct vault_entry *oldest = &v->cache[0];

	for (size_t i = 0; i < VAULT_CACHE_MAX; i++) {
		struct vault_entry *e = &v->cache[i];

		if (e->path[0] == '\0')
			return e;
		if (e->used_at < oldest->used_at)
			oldest = e;
	}
	forget(v, oldest);
	return oldest;
}

void vault_cache_put_locked(struct vault *v, const char *path,
    struct secret *fields, const struct secret_rule *rule)
{
	struct vault_entry *e = find(v, path);

	mtx_assert_held(&v->mtx);
	if (e != NULL)
		forget(v, e);
	else
		e = make_room(v);
	snprintf(e->path, sizeof(e->path), "%s", path);
	e->fields = fields;
	e->rule = *rule;
	e->read_at = e->used_at = clock_mono_ns();
	v->now.cached++;
}

void vault_cache_drop_locked(struct vault *v, const char *path)
{
	struct vault_entry *e = find(v, path);

	mtx_assert_held(&v->mtx);
	if (e != NULL)
		forget(v, e);
}

void vault_cache_free(struct vault *v)
{
	for (size_t i = 0; i < VAULT_CACHE_MAX; i++)
		forget(v, &v->cache[i]);
	mem_free(v->cache);
}
