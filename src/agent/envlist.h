/*
 * An environment under construction: "KEY=VALUE" strings, later settings
 * replace earlier ones. Bounded in entries and bytes. Values are wiped.
 */
#ifndef AGENT_ENVLIST_H
#define AGENT_ENVLIST_H

#include <stddef.h>

#include "base/defs.h"

#define ENVLIST_ENTRIES_MAX 4096
#define ENVLIST_BYTES_MAX   (2 * 1024 * 1024)

struct envlist {
	char **v; /* NULL-terminated once something was set; else NULL */
	size_t n, cap, bytes;
};

void envlist_fini(struct envlist *e);
/* 0, or -1: the name is empty or has a '=', or the list is full. */
int envlist_set(struct envlist *e, const char *key, size_t key_len,
    const char *value, size_t value_len) MUST_CHECK;
int envlist_set_str(
    struct envlist *e, const char *key, const char *value) MUST_CHECK;
/* Sets all of src over e. */
int envlist_merge(struct envlist *e, const struct envlist *src) MUST_CHECK;
/* The entries of a NULL-terminated environ; what is no KEY=VALUE is left
 * out. */
int envlist_merge_environ(struct envlist *e, char **environ_v) MUST_CHECK;
/* Borrowed, NULL when not set. */
const char *envlist_get(const struct envlist *e, const char *key);

static inline void envlist_fini_guard(struct envlist *e)
{
	envlist_fini(e);
}

#endif
