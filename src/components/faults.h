/*
 * Faults of components: stable codes set where something fails, what each
 * means to people, and the last thousand of them for GET /errors. A fault is
 * a struct err whose code is one of these.
 */
#ifndef COMPONENTS_FAULTS_H
#define COMPONENTS_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json_out.h"
#include "base/thread.h"

#define FAULT_ENGINE_DOWN      "DOCKER_DAEMON_NOT_RUNNING"
#define FAULT_ENGINE           "DOCKER_OPERATION_FAILED"
#define FAULT_TIMEOUT          "DOCKER_OPERATION_TIMEOUT"
#define FAULT_PORT             "PORT_ALREADY_IN_USE"
#define FAULT_NO_DOCKERFILE    "DOCKERFILE_NOT_FOUND"
#define FAULT_BUILD            "DOCKER_BUILD_FAILED"
#define FAULT_START            "CONTAINER_START_FAILED"
#define FAULT_EXITED           "CONTAINER_EXITED"
#define FAULT_UNHEALTHY        "HEALTH_CHECK_FAILED"
#define FAULT_CONFIGURATION    "INVALID_CONFIGURATION"
#define FAULT_NO_SECRET        "SECRET_NOT_FOUND"
#define FAULT_SECRET_RULE      "SECRET_NOT_ALLOWED"
#define FAULT_VAULT            "VAULT_UNAVAILABLE"
#define FAULT_CONFIG_NOT_FOUND "CONFIG_NOT_FOUND"
#define FAULT_ANNOTATION       "MISSING_RUNNER_ANNOTATION"
#define FAULT_SOURCE           "INVALID_SOURCE_LOCATION"
#define FAULT_NO_REPOSITORY    "REPOSITORY_NOT_FOUND"
#define FAULT_GIT              "GIT_OPERATION_FAILED"
#define FAULT_UNKNOWN          "UNKNOWN_ERROR"

/* Gives err the code, unless what failed was that the engine is away or the
 * time was up, which have codes of their own. Returns -1. */
int fault_set(struct err *err, const char *code);
/* The message and what to do about it, for people. */
void fault_words(const struct err *err, char *out, size_t size);
/* Is it one of ours? Anything else is told as FAULT_UNKNOWN. */
const char *fault_code(const struct err *err);

/* -- the last ones ------------------------------------------------------ */
enum { FAULTS_KEPT = 1000 };
struct fault_record {
	char code[32], message[480], words[640];
	char instance[40], container[72], *component; /* owned */
	char operation[24];
	int64_t at, retry_at; /* wall ns */
};
struct faults {
	struct mtx mtx;
	struct fault_record *ring; /* guarded by mtx, like all below */
	uint64_t n;                /* ever */
};
void faults_init(struct faults *f);
void faults_fini(struct faults *f);
struct fault_context {
	const char *operation, *instance, *container, *component;
	int64_t retry_at; /* wall ns: no use before; 0: any time */
};
void faults_add(
    struct faults *f, const struct err *err, const struct fault_context *in);
/* An array, oldest first: the last `limit` (0: all), of one instance or (NULL)
 * of all. */
void faults_write(
    struct faults *f, const char *instance, int64_t limit, struct json *j);

#endif
