/*
 * Which version of the Engine API is spoken, and who the engine is: asked
 * once, remembered until the engine goes away. Called by engine_call before
 * the first request and by engine_info, on any thread: two that ask at the
 * same time both get the same answer.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"

/* "1.41" as 1041; -1 when it is not a version. */
static int api_number(const char *text)
{
	const char *dot = text != NULL ? strchr(text, '.') : NULL;
	char major_text[4];
	int64_t major, minor;

	if (dot == NULL || dot == text ||
	    (size_t)(dot - text) >= sizeof(major_text))
		return -1;
	snprintf(
	    major_text, sizeof(major_text), "%.*s", (int)(dot - text), text);
	if (parse_int(major_text, 0, 99, &major) != 0 ||
	    parse_int(dot + 1, 0, 999, &minor) != 0)
		return -1;
	return (int)(major * 1000 + minor);
}

int engine_api_choose(const char *server_min, const char *server_max,
    char ret[ENGINE_API_LEN], struct err *err)
{
	int min = api_number(server_min), max = api_number(server_max);
	int use = api_number(ENGINE_API_WANTED);

	if (max < 0)
		return err_set(err, ERR_INTERNAL, "engine_answer",
		    "the engine names no API version (\"%.32s\")",
		    server_max != NULL ? server_max : "");
	if (max < use)
		use = max;
	if (min > use)
		use = min;
	if (use < api_number(ENGINE_API_OLDEST))
		return err_set(err, ERR_INVALID, "engine_too_old",
		    "the engine speaks API %.16s at most, %s is needed: use "
		    "Docker 20.10 or later, or Podman 4 or later",
		    server_max, ENGINE_API_OLDEST);
	if (use > api_number(ENGINE_API_NEWEST))
		return err_set(err, ERR_INVALID, "engine_too_new",
		    "the engine wants API %.16s at least, this program speaks "
		    "%s at most: update runnerhub",
		    server_min, ENGINE_API_NEWEST);
	snprintf(ret, ENGINE_API_LEN, "%d.%d", use / 1000, use % 1000);
	return 0;
}

int engine_version_get(struct engine *e, const struct ctx *ctx, json_t **ret,
    char api[ENGINE_API_LEN], struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(json_decref) json_t *doc = NULL;
	const struct engine_request req = {.method = "GET",
	    .doing = "ask the engine for its version",
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	/* Without a version in front: engines answer this one to anybody. */
	TRY(engine_send(e, ctx, &req, "/version", &res, err));
	doc = answer_parse(buf_str(&res.body), res.body.len, req.doing, err);
	if (doc == NULL)
		return -1;
	if (engine_api_choose(answer_text(doc, "MinAPIVersion"),
		answer_text(doc, "ApiVersion"), api, err) != 0)
		return err_wrap(err, "engine at %s", engine_host(e));
	mtx_lock(&e->mtx);
	snprintf(e->api_version, sizeof(e->api_version), "%s", api);
	mtx_unlock(&e->mtx);
	*ret = STEAL(doc);
	return 0;
}

int engine_negotiate(struct engine *e, const struct ctx *ctx,
    char version[ENGINE_API_LEN], struct err *err)
{
	CLEANUP(json_decref) json_t *doc = NULL;

	mtx_lock(&e->mtx);
	snprintf(version, ENGINE_API_LEN, "%s", e->api_version);
	mtx_unlock(&e->mtx);
	if (version[0] != '\0')
		return 0;
	return engine_version_get(e, ctx, &doc, version, err);
}

void engine_forget_version(struct engine *e)
{
	mtx_lock(&e->mtx);
	e->api_version[0] = '\0';
	mtx_unlock(&e->mtx);
}

/* -- engine_info ------------------------------------------------------- */

static void info_from_version(
    const json_t *doc, const char *api, struct engine_info *info)
{
	const json_t *first = json_array_get(answer_at(doc, "Components"), 0);
	const char *name = answer_text(first, "Name");
	char os[24], arch[32];

	snprintf(info->product, sizeof(info->product), "%s",
	    name != NULL && strstr(name, "Podman") != NULL ? "podman"
							   : "docker");
	answer_str(doc, "Version", info->version, sizeof(info->version));
	snprintf(info->api_version, sizeof(info->api_version), "%s", api);
	answer_str(doc, "Os", os, sizeof(os));
	answer_str(doc, "Arch", arch, sizeof(arch));
	snprintf(info->os_arch, sizeof(info->os_arch), "%s/%s", os, arch);
}

/* "name=seccomp,profile=default" names seccomp. */
static bool security_option(const json_t *doc, const char *name)
{
	const json_t *options = answer_at(doc, "SecurityOptions");
	char want[48];
	size_t len = (size_t)snprintf(want, sizeof(want), "name=%s", name);

	for (size_t i = 0; i < json_array_size(options); i++) {
		const char *s = json_string_value(json_array_get(options, i));

		if (s != NULL && strncmp(s, want, len) == 0 &&
		    (s[len] == '\0' || s[len] == ','))
			return true;
	}
	return false;
}

static void info_from_info(const json_t *doc, struct engine_info *info)
{
	char cgroup[8];

	answer_str(doc, "ID", info->id, sizeof(info->id));
	answer_str(
	    doc, "DockerRootDir", info->root_dir, sizeof(info->root_dir));
	answer_str(doc, "DefaultRuntime", info->runtime, sizeof(info->runtime));
	answer_str(doc, "CgroupVersion", cgroup, sizeof(cgroup));
	info->cgroup_version = strcmp(cgroup, "2") == 0 ? 2 : 1;
	info->cpus = (int)answer_int(doc, "NCPU");
	info->memory_bytes = answer_int(doc, "MemTotal");
	info->rootless =
	    answer_bool(doc, "Rootless") || security_option(doc, "rootless");
	info->has_memory_limit = answer_bool(doc, "MemoryLimit");
	info->has_pids_limit = answer_bool(doc, "PidsLimit");
	info->has_cpu_limit = answer_bool(doc, "CpuCfsQuota");
	info->seccomp = security_option(doc, "seccomp");
	info->apparmor = security_option(doc, "apparmor");
}

int engine_info(struct engine *e, const struct ctx *ctx,
    struct engine_info *ret, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(json_decref) json_t *version = NULL;
	CLEANUP(json_decref) json_t *doc = NULL;
	struct engine_info info = {.cgroup_version = 0};
	char api[ENGINE_API_LEN];
	const struct engine_request req = {.method = "GET",
	    .target = "/info",
	    .doing = "ask the engine about itself",
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	TRY(engine_version_get(e, ctx, &version, api, err));
	TRY(engine_call(e, ctx, &req, &res, err));
	doc = answer_parse(buf_str(&res.body), res.body.len, req.doing, err);
	if (doc == NULL)
		return -1;
	info_from_version(version, api, &info);
	info_from_info(doc, &info);
	*ret = info;
	return 0;
}
