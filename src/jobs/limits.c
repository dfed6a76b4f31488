/*
 * What a job gets: its image, its resources, its place in the queue.
 * Called by delegation, carriers and recovery; any thread.
 */
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "jobs/hub_internal.h"
#include "jobs/spec.h"

#define TIMEOUT_MAX_S (INT64_C(7) * 24 * 3600)

unsigned hub_slots(const struct options *o)
{
	long cores;

	if (o->capacity > 0)
		return (unsigned)o->capacity;
	cores = sysconf(_SC_NPROCESSORS_ONLN);
	return cores > 2 ? (unsigned)cores : 2;
}

static int64_t budget(struct hub *h)
{
	struct hub_engine_state e;

	hub_engine_state(h, &e);
	return e.known ? e.info.memory_bytes / 100 * h->options->memory_percent
		       : 0;
}

void hub_request_limits(struct hub *h, struct request_limits *ret)
{
	struct hub_engine_state e;

	hub_engine_state(h, &e);
	*ret = (struct request_limits){.cpus_max = e.known ? e.info.cpus : 0,
	    .memory_max_bytes = budget(h),
	    .timeout_max_s = TIMEOUT_MAX_S,
	    .network = h->options->network_mode};
}

struct sandbox_limits hub_limits_of(struct hub *h, const struct spec *spec)
{
	const struct options *o = h->options;
	struct hub_engine_state e;
	struct sandbox_limits l = {.memory_bytes = o->memory_mb << 20,
	    .nano_cpus = (int64_t)(o->cpu_limit * 1e9),
	    .pids = o->pids_limit};
	int64_t most = budget(h);

	hub_engine_state(h, &e);
	if (spec != NULL && spec->memory_bytes > 0)
		l.memory_bytes = spec->memory_bytes;
	if (spec != NULL && spec->cpus > 0)
		l.nano_cpus = (int64_t)(spec->cpus * 1e9);
	if (spec != NULL && spec->pids > 0)
		l.pids = spec->pids;
	if (most > 0 && l.memory_bytes > most)
		l.memory_bytes = most; /* a small host: all it may have */
	if (e.known && l.nano_cpus > e.info.cpus * INT64_C(1000000000))
		l.nano_cpus = e.info.cpus * INT64_C(1000000000);
	return l;
}

static bool has_label(const json_t *labels, const char *wanted)
{
	const json_t *label;
	size_t i;

	json_array_foreach(
	    labels, i, label) if (strcmp(json_string_value(label), wanted) ==
				  0) return true;
	return false;
}

static bool rule_matches(const struct route_rule *rule, const json_t *labels)
{
	for (char **l = rule->labels; *l != NULL; l++)
		if (!has_label(labels, *l))
			return false;
	return true;
}

const char *hub_image_for(
    const struct options *o, const struct spec *spec, const char *labels)
{
	const char *image = spec->image;
	json_t *have;

	if (image != NULL)
		return image;
	have = json_loads(labels, 0, NULL);
	for (size_t i = 0; image == NULL && i < o->nroutes; i++)
		if (rule_matches(&o->routes[i], have))
			image = o->routes[i].image;
	json_decref(have);
	return image != NULL ? image : o->image;
}

void hub_schedule_entry(
    struct hub *h, const struct job *job, struct schedule_job *ret)
{
	struct spec spec = {0};
	struct err ignored = ERR_INIT;

	/* A damaged spec is told when the job is carried. */
	IGNORE(spec_load(&spec, job->spec, &ignored));
	*ret = (struct schedule_job){.id = job->id,
	    .priority = job->priority,
	    .memory_bytes = hub_limits_of(h, &spec).memory_bytes,
	    .since = job->created_at,
	    .session = job->is_session};
	ret->child = job->parent_id != NULL &&
		     uuid_parse(job->parent_id, &ret->parent.u) == 0;
	spec_fini(&spec);
}

int hub_schedule_job(
    struct hub *h, const struct job *job, int64_t not_before, struct err *err)
{
	struct schedule_job entry;

	hub_schedule_entry(h, job, &entry);
	entry.not_before = not_before;
	return hub_queue(h, &entry, job->repository, err);
}
