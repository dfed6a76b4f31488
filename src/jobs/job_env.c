/*
 * GITHUB_* and RUNNER_* as jobs on GitHub's runners find them, as far as the
 * delegation tells. Source: "Variables reference", docs.github.com/actions.
 */
#include "jobs/job_env.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/trace.h"
#include "jobs/request.h"

static void put(json_t *env, const char *key, const char *value)
{
	if (value != NULL)
		json_object_set_new(env, key, json_string(value));
}

static const char *arch(void)
{
	static const char *const names[][2] = {{"x86_64", "X64"},
	    {"aarch64", "ARM64"}, {"armv7l", "ARM"}, {"i686", "X86"}};
	struct utsname u;

	if (uname(&u) == 0)
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if (strcmp(u.machine, names[i][0]) == 0)
				return names[i][1];
	return "X64";
}

static void put_ref(json_t *env, const char *ref)
{
	static const struct {
		const char *prefix, *type;
	} kinds[] = {{"refs/heads/", "branch"}, {"refs/tags/", "tag"},
	    {"refs/pull/", "branch"}};

	put(env, "GITHUB_REF", ref);
	for (size_t i = 0; ref != NULL && i < ARRAY_LEN(kinds); i++)
		if (strncmp(ref, kinds[i].prefix, strlen(kinds[i].prefix)) ==
		    0) {
			put(env, "GITHUB_REF_NAME",
			    ref + strlen(kinds[i].prefix));
			put(env, "GITHUB_REF_TYPE", kinds[i].type);
		}
}

static void put_repository(json_t *env, const char *repository)
{
	const char *slash = strchr(repository, '/');
	char owner[128];

	put(env, "GITHUB_REPOSITORY", repository);
	if (slash == NULL)
		return;
	snprintf(owner, sizeof(owner), "%.*s", (int)(slash - repository),
	    repository);
	put(env, "GITHUB_REPOSITORY_OWNER", owner);
}

static void put_github(json_t *env, const struct job *job)
{
	json_t *meta = json_loads(job->metadata, 0, NULL);
	char number[16];

	put(env, "CI", "true");
	put(env, "GITHUB_ACTIONS", "true");
	put_repository(env, job->repository);
	put(env, "GITHUB_RUN_ID", job->run_id);
	snprintf(number, sizeof(number), "%d", job->attempt);
	put(env, "GITHUB_RUN_ATTEMPT", number);
	put(env, "GITHUB_JOB", job->external_id);
	put(env, "GITHUB_WORKFLOW", job->workflow);
	put(env, "GITHUB_SHA", json_string_value(json_object_get(meta, "sha")));
	put_ref(env, json_string_value(json_object_get(meta, "ref")));
	put(env, "GITHUB_EVENT_NAME",
	    json_string_value(json_object_get(meta, "eventName")));
	put(env, "GITHUB_ACTOR",
	    json_string_value(json_object_get(meta, "actor")));
	put(env, "GITHUB_WORKSPACE", JOB_WORKSPACE);
	put(env, "GITHUB_SERVER_URL", "https://github.com");
	put(env, "GITHUB_API_URL", "https://api.github.com");
	json_decref(meta);
}

/* What the steps call goes on with the trace of the delegation. */
static void put_trace(json_t *env, const struct job *job)
{
	json_t *meta = json_loads(job->metadata, 0, NULL);
	char text[TRACE_PARENT_LEN];
	struct trace t;

	request_trace(meta, &t);
	if (*t.id != '\0')
		put(env, "TRACEPARENT", trace_text(&t, text));
	json_decref(meta);
}

json_t *job_env_make(const struct options *options, const struct job *job,
    const struct spec *spec)
{
	json_t *env = json_object();
	char id[UUID_TEXT_LEN];

	put_github(env, job);
	put(env, "RUNNER_OS", "Linux");
	put(env, "RUNNER_ARCH", arch());
	put(env, "RUNNER_NAME",
	    job->runner_name != NULL ? job->runner_name : "runnerhub");
	put(env, "RUNNER_ENVIRONMENT", "self-hosted");
	put(env, "RUNNER_TEMP", JOB_TEMP);
	put(env, "RUNNER_WORKSPACE", "/github");
	put(env, "RUNNERHUB_JOB_ID", uuid_text(job->id.u, id));
	put_trace(env, job);
	if (options->step_debug) {
		put(env, "ACTIONS_STEP_DEBUG", "true");
		put(env, "RUNNER_DEBUG", "1");
	}
	json_object_update(env, json_object_get(spec->root, "env"));
	return env;
}
