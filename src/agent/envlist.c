/* Environments of steps: see envlist.h. Called by the agent's loop only. */
#include "agent/envlist.h"

#include <string.h>

#include "base/mem.h"
#include "base/secret.h"

static void free_entry(char *entry)
{
	secret_wipe(entry, strlen(entry));
	mem_free(entry);
}

void envlist_fini(struct envlist *e)
{
	for (size_t i = 0; i < e->n; i++)
		free_entry(e->v[i]);
	mem_free(e->v);
	*e = (struct envlist){0};
}

static char **find(const struct envlist *e, const char *key, size_t key_len)
{
	for (size_t i = 0; i < e->n; i++) {
		if (strncmp(e->v[i], key, key_len) == 0 &&
		    e->v[i][key_len] == '=')
			return &e->v[i];
	}
	return NULL;
}

static char **append_slot(struct envlist *e)
{
	if (e->n + 1 >= e->cap) {
		e->cap = e->cap > 0 ? 2 * e->cap : 32;
		e->v = mem_realloc(e->v, e->cap * sizeof(*e->v));
	}
	e->v[e->n + 1] = NULL;
	return &e->v[e->n++];
}

int envlist_set(struct envlist *e, const char *key, size_t key_len,
    const char *value, size_t value_len)
{
	size_t size = key_len + value_len + 2;
	char **slot, *entry;

	if (key_len == 0 || memchr(key, '=', key_len) != NULL)
		return -1;
	slot = find(e, key, key_len);
	if (slot == NULL && e->n == ENVLIST_ENTRIES_MAX)
		return -1;
	if (size > ENVLIST_BYTES_MAX || e->bytes > ENVLIST_BYTES_MAX - size)
		return -1;
	entry = mem_alloc(size);
	memcpy(entry, key, key_len);
	entry[key_len] = '=';
	memcpy(entry + key_len + 1, value, value_len);
	entry[size - 1] = '\0';
	e->bytes += size;
	if (slot != NULL) {
		e->bytes -= strlen(*slot) + 1;
		free_entry(*slot);
	} else {
		slot = append_slot(e);
	}
	*slot = entry;
	return 0;
}

int envlist_set_str(struct envlist *e, const char *key, const char *value)
{
	return envlist_set(e, key, strlen(key), value, strlen(value));
}

int envlist_merge_environ(struct envlist *e, char **environ_v)
{
	const char *eq;

	for (; environ_v != NULL && *environ_v != NULL; environ_v++) {
		eq = strchr(*environ_v, '=');
		if (eq == NULL || eq == *environ_v)
			continue;
		TRY(envlist_set(e, *environ_v, (size_t)(eq - *environ_v),
		    eq + 1, strlen(eq + 1)));
	}
	return 0;
}

int envlist_merge(struct envlist *e, const struct envlist *src)
{
	return envlist_merge_environ(e, src->v);
}

const char *envlist_get(const struct envlist *e, const char *key)
{
	char **slot = find(e, key, strlen(key));

	return slot != NULL ? *slot + strlen(key) + 1 : NULL;
}
