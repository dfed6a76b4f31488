/*
 * Values as the docker command line writes them, for create_options.c and
 * for the runner's port mappings. All pure; the whole text must match.
 */
#ifndef CONTAINERS_VALUES_H
#define CONTAINERS_VALUES_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

/* "1.5g", "512m", "64MiB", "1048576". 0 or -1. */
int value_bytes(const char *text, int64_t *ret);
/* "1m30s", "500ms", "1.5h": nanoseconds. 0 or -1. */
int value_duration_ns(const char *text, int64_t *ret);

/*
 * "8080", "8080:80", "8080:80/udp", "127.0.0.1:8080:80", "[::1]:8080:80",
 * ranges "3000-3002:4000-4002": added to exposed ({"80/tcp":{}}) and
 * bindings ({"80/tcp":[{"HostIp","HostPort"}]}). Without a host port the
 * engine picks one.
 */
int value_publish(const char *text, json_t *exposed, json_t *bindings,
    struct err *err) MUST_CHECK;
/* "80", "80/udp", "3000-3002": to exposed. */
int value_expose(const char *text, json_t *exposed, struct err *err) MUST_CHECK;

#endif
