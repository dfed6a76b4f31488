/* Makes what the relay asks of its hub: see request.h. */
#include "worker/request.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"

/*
 * What a listener's directory has and an image has not: the file .runner.
 * $1 the runner's directory, $2 the file's content, $3 and $4 the pipes.
 */
static const char start_worker[] =
    "cd \"$1\" && printf '%s\\n' \"$2\" >.runner && "
    "exec bin/Runner.Worker spawnclient \"$3\" \"$4\"";

static void put(json_t *o, const char *key, const char *value)
{
	if (value != NULL && value[0] != '\0')
		IGNORE(json_object_set_new(o, key, json_string(value)));
}

/* GitHub's own name for a repository always fits; a stand-in's may not. */
static const char *repository(const struct message *m)
{
	const char *slash = strchr(m->repository, '/');

	return slash != NULL && slash != m->repository && slash[1] != '\0'
		   ? m->repository
		   : "unknown/unknown";
}

json_t *request_session(const struct settings *s, const struct message *m)
{
	json_t *o = json_object();
	char name[260];
	int64_t attempt;

	/* One name in lists, and no two jobs of a run share it. */
	snprintf(name, sizeof(name), "%s%s%s", m->job_name,
	    m->job_name[0] != '\0' && m->job_id[0] != '\0' ? " " : "",
	    m->job_id);
	put(o, "jobId", name[0] != '\0' ? name : "unknown");
	put(o, "runId", m->run_id[0] != '\0' ? m->run_id : m->job_id);
	if (json_object_get(o, "runId") == NULL)
		put(o, "runId", "unknown");
	put(o, "repository", repository(m));
	if (parse_int(m->attempt, 1, 1000000, &attempt) == 0)
		IGNORE(
		    json_object_set_new(o, "attempt", json_integer(attempt)));
	put(o, "workflow", m->workflow);
	put(o, "sha", m->sha);
	put(o, "ref", m->ref);
	put(o, "eventName", m->event_name);
	put(o, "actor", m->actor);
	put(o, "runnerName", s->runner_name);
	put(o, "profile", "runner");
	put(o, "image", s->image);
	if (s->timeout_s > 0)
		IGNORE(json_object_set_new(
		    o, "timeoutSeconds", json_integer(s->timeout_s)));
	IGNORE(json_object_set_new(o, "keepLog", json_true()));
	IGNORE(json_object_set_new(
	    o, "nested", json_pack("{s:s}", "work", s->work)));
	return o;
}

json_t *request_worker(const struct settings *s)
{
	char *file = json_dumps(s->runner, JSON_COMPACT);
	json_t *o = json_pack("{s:s, s:b, s:O, s:[s,s,s,s,s,s,s,s]}", "name",
	    "Runner.Worker", "pipes", 1, "env", s->env, "command", "/bin/sh",
	    "-c", start_worker, "runnerhub-worker", s->worker_root, file,
	    "{in}", "{out}");

	mem_free(file);
	return o;
}
