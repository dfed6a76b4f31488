/*
 * The few words that a hub keeps about itself from one run to the next, and
 * that somebody sets while it runs (unlike the configuration): name and
 * value. Any thread.
 */
#ifndef STORE_SETTINGS_H
#define STORE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct store;

#define STORE_SETTING_MAX 64 /* bytes of a value, with its NUL */

/* Durable when it returns 0. */
int store_setting_put(struct store *s, const char *name, const char *value,
    struct err *err) MUST_CHECK;
/* 1 found, 0 never set, -1. ret_changed: wall ns of the last put. */
int store_setting_get(struct store *s, const char *name,
    char ret[STORE_SETTING_MAX], int64_t *ret_changed,
    struct err *err) MUST_CHECK;

#endif
