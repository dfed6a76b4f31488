/*
 * The create document of a session's container: what containers/body.h makes
 * of a wish, and what is left of that under the sandbox's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "containers/body.h"
#include "sandbox/sandbox_internal.h"

/* -- the wish's document ----------------------------------------------- */

static int make(const char *options, const char *allow, struct body_made *ret,
    struct err *err)
{
	const struct body_label labels[] = {{NULL, NULL}};
	const struct grounds grounds = {.n = 0};
	struct policy policy;
	const struct body_session session = {.policy = &policy,
	    .grounds = &grounds,
	    .volume_prefix = "own-",
	    .env_apart = true,
	    .publish_on = "127.0.0.1",
	    .memory_bytes = 64 << 20,
	    .nano_cpus = 2000000000,
	    .pids = 100};
	json_t *object = json_pack("{ss?,s{ss},s[sss]}", "createOptions",
	    options, "environmentVariables", "TOKEN", "t", "portMappings", "80",
	    "8080:81", "0.0.0.0:8082:82");
	struct container_wish wish = {.image = NULL};
	const struct body body = {.container = &wish,
	    .image = "img",
	    .network = "net",
	    .labels = labels,
	    .with_ports = true,
	    .session = &session};
	int r;

	*err = (struct err)ERR_INIT;
	*ret = (struct body_made){.json = NULL};
	assert_int_equal(
	    policy_parse(allow, "RUNNERHUB_SESSION_ALLOW", &policy, err), 0);
	assert_int_equal(container_wish_read(object, &wish, err), 0);
	r = body_make(&body, ret, err);
	container_wish_fini(&wish);
	json_decref(object);
	return r;
}

static json_t *made(const char *options, const char *allow)
{
	CLEANUP(body_made_fini) struct body_made m;
	struct err err;
	json_t *doc;

	assert_int_equal(make(options, allow, &m, &err), 0);
	doc = json_loads(m.json, 0, NULL);
	assert_non_null(doc);
	return doc;
}

static json_int_t limit(json_t *doc, const char *key)
{
	return json_integer_value(
	    json_object_get(json_object_get(doc, "HostConfig"), key));
}

static void assert_limits(
    const char *options, json_int_t memory, json_int_t cpus, json_int_t pids)
{
	json_t *doc = made(options, NULL);

	assert_int_equal(limit(doc, "Memory"), memory);
	assert_int_equal(limit(doc, "MemorySwap"), memory);
	assert_int_equal(limit(doc, "NanoCpus"), cpus);
	assert_int_equal(limit(doc, "PidsLimit"), pids);
	assert_int_equal(limit(doc, "CpuQuota"), 0);
	json_decref(doc);
}

static void limits_are_the_hubs_or_lower(void **state)
{
	(void)state;
	assert_limits(NULL, 64 << 20, 2000000000, 100);
	assert_limits("--memory 32m --memory-swap -1 --cpus 0.5 --pids-limit 9",
	    32 << 20, 500000000, 9);
	assert_limits(
	    "--cpu-period 50000 --cpu-quota 25000", 64 << 20, 500000000, 100);
	assert_limits("--memory 0 --pids-limit -1 --cpu-quota -1", 64 << 20,
	    2000000000, 100);
}

static void assert_refused(
    const char *options, const char *code, const char *names)
{
	CLEANUP(body_made_fini) struct body_made m;
	struct err err;

	assert_int_equal(make(options, NULL, &m, &err), -1);
	assert_string_equal(err.code, code);
	assert_non_null(strstr(err.msg, names));
}

static void more_than_the_hub_gives_is_refused(void **state)
{
	(void)state;
	assert_refused("--memory 65m", "over_limit", "RUNNER_MEMORY_MB");
	assert_refused("--cpus 2.5", "over_limit", "RUNNER_CPU_LIMIT");
	assert_refused("--cpu-quota 250000", "over_limit", "RUNNER_CPU_LIMIT");
	assert_refused("--cpu-quota 9223372036854775807 --cpu-period 1",
	    "over_limit", "RUNNER_CPU_LIMIT");
	assert_refused("--pids-limit 101", "over_limit", "RUNNER_PIDS_LIMIT");
	assert_refused("--cap-add NET_RAW", "forbidden_option",
	    "RUNNERHUB_SESSION_ALLOW=capabilities");
	assert_refused("--cap-add cap_mknod", "forbidden_option", "MKNOD");
}

static void the_environment_stands_apart(void **state)
{
	CLEANUP(body_made_fini) struct body_made m;
	struct err err;
	char *env;

	(void)state;
	assert_int_equal(make("-e A=b", NULL, &m, &err), 0);
	assert_null(strstr(m.json, "TOKEN"));
	assert_null(strstr(m.json, "A=b"));
	env = json_dumps(m.env, JSON_COMPACT);
	assert_string_equal(
	    env, "[\"TOKEN=t\",\"GITHUB_ACTIONS=true\",\"CI=true\",\"A=b\"]");
	free(env); /* allow: free, jansson allocated it */
}

static void ports_are_the_machines_own(void **state)
{
	static const char *const ports[] = {"80/tcp", "81/tcp", "82/tcp"};
	static const char *const ips[] = {"127.0.0.1", "127.0.0.1", "0.0.0.0"};
	json_t *doc = made(NULL, NULL);
	const json_t *bound =
	    json_object_get(json_object_get(doc, "HostConfig"), "PortBindings");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ports); i++)
		assert_string_equal(
		    json_string_value(json_object_get(
			json_array_get(json_object_get(bound, ports[i]), 0),
			"HostIp")),
		    ips[i]);
	json_decref(doc);
}

/* -- under the sandbox's own ------------------------------------------- */

struct fixture {
	struct container_plan plan;
	struct sandboxes sandboxes;
	struct sandbox sb;
	const char *aliases[3];
	struct sandbox_spec spec;
};

static struct fixture *fixture_new(enum sandbox_profile profile)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	f->sandboxes.config =
	    (struct sandboxes_config){.state_dir = "/state", .hub_id = "hub"};
	f->aliases[0] = "job";
	f->spec = (struct sandbox_spec){.image = "img",
	    .profile = profile,
	    .document = "{}",
	    .session_network = "net",
	    .aliases = f->aliases,
	    .limits = {64 << 20, 1000000000, 50},
	    .job_id = "job-1"};
	return f;
}

static json_t *merged(struct fixture *f, const char *document, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.max = 65536};

	*err = (struct err)ERR_INIT;
	f->spec.document = document;
	assert_int_equal(container_plan_make(&f->plan, &f->sandboxes, &f->spec,
			     &f->sb, NETWORK_ENGINE, "net", err),
	    0);
	if (container_plan_json(&f->plan, document, &out, err) != 0)
		return NULL;
	return json_loads(buf_str(&out), 0, NULL);
}

static void assert_at(const json_t *doc, const char *key, const char *want)
{
	char *text = json_dumps(
	    json_object_get(doc, key), JSON_COMPACT | JSON_ENCODE_ANY);

	if (want == NULL)
		assert_null(text);
	else
		assert_string_equal(text, want);
	free(text); /* allow: free, jansson allocated it */
}

static void ours_counts(void **state)
{
	static const char document[] =
	    "{\"Image\":\"evil\",\"Entrypoint\":[\"/x\"],\"Cmd\":[\"y\"],"
	    "\"User\":\"1000\",\"Env\":[\"A=b\"],\"WorkingDir\":\"/w\","
	    "\"Labels\":{\"a\":\"b\",\"runnerhub.hub\":\"other\"},"
	    "\"Healthcheck\":{\"Test\":[\"CMD\"]},\"Hostname\":\"db\","
	    "\"HostConfig\":{\"Binds\":[\"/:/host\"],\"NetworkMode\":\"host\","
	    "\"Memory\":1024,\"PidsLimit\":5000,\"Init\":true,"
	    "\"RestartPolicy\":{\"Name\":\"always\"},"
	    "\"LogConfig\":{\"Type\":\"local\"},\"ShmSize\":7,"
	    "\"Mounts\":[{\"Type\":\"tmpfs\"}]},\"NetworkingConfig\":"
	    "{\"EndpointsConfig\":{\"x\":{\"Aliases\":[\"db\"]}}}}";
	struct fixture *f = fixture_new(SANDBOX_RUNNER);
	struct err err;
	json_t *doc = merged(f, document, &err);
	const json_t *host = json_object_get(doc, "HostConfig");
	char *user = container_plan_user(document);

	(void)state;
	assert_at(doc, "Image", "\"img\"");
	assert_at(doc, "Entrypoint", "[\"/.runnerhub-agent\"]");
	assert_at(doc, "Cmd", "[\"/hub/s\"]");
	assert_at(doc, "User", "\"0:0\"");
	assert_at(doc, "Env", NULL);
	assert_at(doc, "WorkingDir", "\"/github\"");
	assert_at(doc, "Hostname", "\"db\"");
	assert_at(doc, "Healthcheck", "{\"Test\":[\"CMD\"]}");
	assert_at(json_object_get(doc, "Labels"), "a", "\"b\"");
	assert_at(json_object_get(doc, "Labels"), "runnerhub.hub", "\"hub\"");
	assert_at(
	    json_object_get(doc, "Labels"), "runnerhub.session", "\"job-1\"");
	assert_at(host, "NetworkMode", "\"net\"");
	assert_at(host, "Memory", "1024");
	assert_at(host, "PidsLimit", "50");
	assert_at(host, "Init", NULL);
	assert_at(host, "RestartPolicy", NULL);
	assert_at(host, "LogConfig", "{\"Type\":\"none\"}");
	assert_at(host, "ShmSize", "7");
	assert_at(host, "Mounts", "[{\"Type\":\"tmpfs\"}]");
	assert_int_equal(json_array_size(json_object_get(host, "Binds")), 2);
	assert_at(json_object_get(doc, "NetworkingConfig"), "EndpointsConfig",
	    "{\"net\":{\"Aliases\":[\"job\",\"db\"]}}");
	assert_string_equal(user, "1000");
	mem_free(user);
	json_decref(doc);
	mem_free(f);
}

static void assert_capabilities(
    const char *host_config, const char *drop, const char *add)
{
	struct fixture *f = fixture_new(SANDBOX_RUNNER);
	char *document = mem_printf("{\"HostConfig\":{%s}}", host_config);
	struct err err;
	json_t *doc = merged(f, document, &err);

	assert_at(json_object_get(doc, "HostConfig"), "CapDrop", drop);
	assert_at(json_object_get(doc, "HostConfig"), "CapAdd", add);
	json_decref(doc);
	mem_free(document);
	mem_free(f);
}

static void the_agent_keeps_what_it_needs(void **state)
{
	(void)state;
	assert_capabilities("", "[\"NET_RAW\",\"MKNOD\"]", NULL);
	assert_capabilities("\"CapAdd\":[\"CAP_NET_RAW\"],\"CapDrop\":[]",
	    "[\"MKNOD\"]", "[\"CAP_NET_RAW\"]");
	assert_capabilities("\"CapDrop\":[\"cap_setuid\",\"KILL\"]",
	    "[\"NET_RAW\",\"MKNOD\",\"KILL\"]", NULL);
	assert_capabilities("\"CapDrop\":[\"ALL\"]",
	    "[\"NET_RAW\",\"MKNOD\",\"ALL\"]",
	    "[\"CHOWN\",\"SETUID\",\"SETGID\"]");
}

static void the_hosts_processes_are_out_of_reach(void **state)
{
	static const char *const modes[] = {"host", "container:abc"};
	struct fixture *f = fixture_new(SANDBOX_RUNNER);
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		char *document = mem_printf(
		    "{\"HostConfig\":{\"PidMode\":\"%s\"}}", modes[i]);

		assert_null(merged(f, document, &err));
		assert_string_equal(err.code, "bad_option");
		mem_free(document);
	}
	mem_free(f);
}

static void strict_stays_strict(void **state)
{
	struct fixture *f = fixture_new(SANDBOX_STRICT);
	struct err err;
	json_t *doc = merged(f, NULL, &err);
	const json_t *host = json_object_get(doc, "HostConfig");

	(void)state;
	assert_at(host, "CapDrop", "[\"ALL\"]");
	assert_at(host, "CapAdd", "[\"CHOWN\",\"SETUID\",\"SETGID\"]");
	assert_at(host, "SecurityOpt", "[\"no-new-privileges\"]");
	json_decref(doc);
	mem_free(f);
}

static void too_many_volumes_are_refused(void **state)
{
	const char *volumes[PLAN_BINDS + 1];
	struct fixture *f = fixture_new(SANDBOX_RUNNER);
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < PLAN_BINDS; i++)
		volumes[i] = "v:/v";
	volumes[PLAN_BINDS] = NULL;
	f->spec.volumes = volumes;
	assert_int_equal(container_plan_make(&f->plan, &f->sandboxes, &f->spec,
			     &f->sb, NETWORK_ENGINE, "net", &err),
	    -1);
	assert_string_equal(err.code, "too_many_volumes");
	mem_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(limits_are_the_hubs_or_lower),
	    cmocka_unit_test(more_than_the_hub_gives_is_refused),
	    cmocka_unit_test(the_environment_stands_apart),
	    cmocka_unit_test(ports_are_the_machines_own),
	    cmocka_unit_test(ours_counts),
	    cmocka_unit_test(the_agent_keeps_what_it_needs),
	    cmocka_unit_test(the_hosts_processes_are_out_of_reach),
	    cmocka_unit_test(strict_stays_strict),
	    cmocka_unit_test(too_many_volumes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
