/* Codes of faults, their meaning, and the ring of the last: see faults.h. */
#include "components/faults.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

struct meaning {
	const char *code, *severity;
	bool recoverable, retryable;
	const char *advice;
};

static const struct meaning meanings[] = {
    {FAULT_ENGINE_DOWN, "high", true, true,
	"Start the container engine and try again."},
    {FAULT_PORT, "medium", true, false,
	"Free the port or choose another one in the configuration."},
    {FAULT_NO_DOCKERFILE, "high", false, false,
	"Check runner.dockerfile: it is relative to the component."},
    {FAULT_BUILD, "high", false, true,
	"The log of the instance has the output of the build."},
    {FAULT_TIMEOUT, "medium", true, true,
	"A slow network or a large image may need another try."},
    {FAULT_ENGINE, "medium", true, true, "Try again."},
    {FAULT_START, "high", false, false,
	"Check the command of the image and the configuration."},
    {FAULT_EXITED, "high", false, true,
	"The log of the instance has what it said."},
    {FAULT_UNHEALTHY, "high", false, true,
	"Check healthCheck, and the log of the instance."},
    {FAULT_CONFIGURATION, "high", false, false,
	"Correct the runner configuration of the component."},
    {FAULT_NO_SECRET, "high", false, false,
	"Put it into the hub: runnerhub secret set NAME."},
    {FAULT_SECRET_RULE, "high", false, false,
	"Let components have it: runnerhub secret set NAME --use both."},
    {FAULT_VAULT, "medium", true, true,
	"Try again when Vault answers: runnerhub doctor says how it does."},
    {FAULT_CONFIG_NOT_FOUND, "high", false, false,
	"Add .runner/config.yml, or name it in the annotation "
	"runner.backstage.io/config-path."},
    {FAULT_ANNOTATION, "medium", false, false,
	"Add the annotation backstage.io/source-location."},
    {FAULT_SOURCE, "high", false, false,
	"Correct the annotation backstage.io/source-location."},
    {FAULT_NO_REPOSITORY, "high", false, false,
	"Check the address and the rights."},
    {"REF_NOT_FOUND", "high", false, false, "Check the branch or tag."},
    {"GIT_AUTHENTICATION_FAILED", "high", false, false,
	"Check the credentials of the integration."},
    {"GIT_OPERATION_FAILED", "medium", true, true, "Try again."},
    {"GITHUB_RATE_LIMITED", "medium", true, true, "Wait, then try again."},
    {"SOURCE_TOO_LARGE", "high", false, false, "Make the repository smaller."},
    {"CONFIGURATION_ERROR", "medium", false, false,
	"Check the configuration of the component."},
    {FAULT_UNKNOWN, "medium", true, true, "Try again."},
};

static const struct meaning *meaning_of(const char *code)
{
	const struct meaning *last = &meanings[ARRAY_LEN(meanings) - 1];

	for (const struct meaning *m = meanings; m < last; m++)
		if (strcmp(m->code, code) == 0)
			return m;
	return last;
}

const char *fault_code(const struct err *err)
{
	return meaning_of(err->code)->code;
}

int fault_set(struct err *err, const char *code)
{
	if (strcmp(err->code, "engine_down") == 0)
		code = FAULT_ENGINE_DOWN;
	else if (err->kind == ERR_TIMEOUT)
		code = FAULT_TIMEOUT;
	if (strcmp(fault_code(err), FAULT_UNKNOWN) == 0) /* else: set before */
		snprintf(err->code, sizeof(err->code), "%s", code);
	return -1;
}

void fault_words(const struct err *err, char *out, size_t size)
{
	size_t n = strlen(err->msg);
	bool ends = n > 0 && strchr(".!?", err->msg[n - 1]) != NULL;

	snprintf(out, size, "%s%s %s", err->msg, ends ? "" : ".",
	    meaning_of(err->code)->advice);
}

/* -- the ring ---------------------------------------------------------- */

void faults_init(struct faults *f)
{
	mtx_init(&f->mtx, "faults");
	f->ring = mem_calloc(FAULTS_KEPT, sizeof(*f->ring));
	f->n = 0;
}

void faults_fini(struct faults *f)
{
	for (size_t i = 0; i < FAULTS_KEPT; i++)
		mem_free(f->ring[i].component);
	mem_free(f->ring);
	mtx_fini(&f->mtx);
}

static void put(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text != NULL ? text : "");
}

void faults_add(
    struct faults *f, const struct err *err, const struct fault_context *in)
{
	struct fault_record *r;

	mtx_lock(&f->mtx);
	r = &f->ring[f->n++ % FAULTS_KEPT];
	mem_free(r->component);
	r->component = mem_strdup_or_null(in->component);
	put(r->code, sizeof(r->code), fault_code(err));
	put(r->message, sizeof(r->message), err->msg);
	fault_words(err, r->words, sizeof(r->words));
	put(r->operation, sizeof(r->operation), in->operation);
	put(r->instance, sizeof(r->instance), in->instance);
	put(r->container, sizeof(r->container), in->container);
	r->at = clock_wall_ns();
	r->retry_at = in->retry_at;
	mtx_unlock(&f->mtx);
}

static void optional(struct json *j, const char *key, const char *text)
{
	if (text != NULL && *text != '\0')
		json_kstr(j, key, text);
}

/* As Retry-After would say it, were there a reply to bear it. */
static void write_retry(const struct fault_record *r, struct json *j)
{
	int64_t wait = r->retry_at - r->at;

	json_kobj(j, "metadata");
	json_kint(j, "retryAfter",
	    wait > 0 ? (wait + CLOCK_NS_PER_S - 1) / CLOCK_NS_PER_S : 0);
	json_ktime(j, "retryAt", r->retry_at);
	json_end(j);
}

static void write_record(const struct fault_record *r, struct json *j)
{
	const struct meaning *m = meaning_of(r->code);

	json_obj(j);
	json_kstr(j, "code", r->code);
	json_kstr(j, "message", r->message);
	json_kstr(j, "userMessage", r->words);
	json_kobj(j, "context");
	json_kstr(j, "operation", r->operation);
	optional(j, "instanceId", r->instance);
	optional(j, "containerId", r->container);
	optional(j, "componentRef", r->component);
	json_ktime(j, "timestamp", r->at);
	if (r->retry_at != 0)
		write_retry(r, j);
	json_end(j);
	json_kobj(j, "originalError");
	json_end(j);
	json_kstr(j, "severity", m->severity);
	json_kbool(j, "recoverable", m->recoverable);
	json_kbool(j, "retryable", m->retryable);
	json_end(j);
}

static bool is_of(const struct fault_record *r, const char *instance)
{
	return instance == NULL || strcmp(r->instance, instance) == 0;
}

void faults_write(
    struct faults *f, const char *instance, int64_t limit, struct json *j)
{
	uint64_t first, from, left = 0;

	mtx_lock(&f->mtx);
	first = f->n > FAULTS_KEPT ? f->n - FAULTS_KEPT : 0;
	for (from = f->n; from > first; from--) {
		if (limit > 0 && left == (uint64_t)limit)
			break;
		left += is_of(&f->ring[(from - 1) % FAULTS_KEPT], instance);
	}
	json_arr(j);
	for (uint64_t i = from; i < f->n; i++)
		if (is_of(&f->ring[i % FAULTS_KEPT], instance))
			write_record(&f->ring[i % FAULTS_KEPT], j);
	json_end(j);
	mtx_unlock(&f->mtx);
}
