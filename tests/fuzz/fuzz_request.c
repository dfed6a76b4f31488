/*
 * Any bytes as the body of a delegation: refused with words, or split into
 * what the store keeps. Then all of that is sound JSON, secrets stand in
 * their own part alone, and the content read a second time is the same.
 */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/trace.h"
#include "jobs/request.h"
#include "jobs/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct request_limits limits = {.cpus_max = 8,
    .memory_max_bytes = INT64_C(8) << 30,
    .timeout_max_s = 86400};

static void assert_json(const char *text, json_type type)
{
	json_t *value = json_loads(text, 0, NULL);

	ASSERT(value != NULL && json_typeof(value) == type);
	json_decref(value);
}

static void assert_spec(const struct request *r)
{
	CLEANUP(spec_fini) struct spec spec = {0};
	struct step_spec step;
	struct err err = ERR_INIT;

	ASSERT(spec_load(&spec, r->spec, &err) == 0);
	ASSERT((spec.nsteps == 0) == r->is_session);
	ASSERT(spec.timeout_s >= 0 && spec.timeout_s <= limits.timeout_max_s);
	ASSERT(spec.memory_bytes <= limits.memory_max_bytes);
	ASSERT(spec.cpus >= 0 && spec.cpus <= limits.cpus_max);
	ASSERT(json_object_get(spec.root, "secrets") == NULL);
	for (size_t i = 0; i < spec.nsteps; i++) {
		spec_step(&spec, i, &step);
		ASSERT((step.run != NULL) != (step.command != NULL));
	}
}

static void assert_sound(const struct request *r)
{
	ASSERT(r->external_id[0] != '\0' && r->run_id[0] != '\0');
	ASSERT(strchr(r->repository, '/') != NULL);
	ASSERT(r->priority >= 0 && r->priority <= 100 && r->attempt >= 1);
	ASSERT(!r->has_github_job_id || r->github_job_id >= 0);
	assert_json(r->labels, JSON_ARRAY);
	assert_json(r->metadata, JSON_OBJECT);
	if (r->warnings != NULL)
		assert_json(r->warnings, JSON_ARRAY);
	if (r->secrets != NULL)
		assert_json(
		    secret_expose(r->secrets, &(size_t){0}), JSON_OBJECT);
	assert_spec(r);
}

/* The content decides whether a delegation is a repeat of another. */
static void assert_same_again(const struct request *r)
{
	CLEANUP(request_fini) struct request again = {0};
	struct err err = ERR_INIT;

	ASSERT(request_parse(&again, r->canonical, strlen(r->canonical),
		   &limits, &err) == 0);
	ASSERT(strcmp(again.canonical, r->canonical) == 0);
	ASSERT(strcmp(again.labels, r->labels) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace trace;
	CLEANUP(request_fini) struct request r = {0};
	struct err err = ERR_INIT;

	if (request_parse(&r, (const char *)data, size, &limits, &err) < 0) {
		ASSERT(err.kind == ERR_INVALID && err.msg[0] != '\0');
		return 0;
	}
	assert_sound(&r);
	assert_same_again(&r);
	trace_take(&trace, NULL);
	request_set_origin(&r, "a-request", &trace);
	assert_json(r.metadata, JSON_OBJECT);
	return 0;
}
