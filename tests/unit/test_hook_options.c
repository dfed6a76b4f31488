/* What the hook makes of `options:`, ports, mounts and its policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/defs.h"
#include "base/mem.h"
#include "containers/body.h"
#include "containers/registry.h"
#include "containers/values.h"
#include "hook/direct_internal.h"

static const struct policy nothing = {.setting = POLICY_SETTING};
static const struct policy everything = {.setting = POLICY_SETTING,
    .granted = {true, true, true, true, true, true, true, true}};

/* Consumes actual. */
static void expect_json(json_t *actual, const char *wanted)
{
	char *text = json_dumps(actual, JSON_COMPACT | JSON_SORT_KEYS);

	assert_non_null(text);
	assert_string_equal(text, wanted);
	free(text); /* allow: free, jansson allocated it */
	json_decref(actual);
}

static void expect_options(
    const char *text, const char *config, const char *host)
{
	struct err err = ERR_INIT;
	struct create_options o;

	if (create_options_parse(text, &everything, &o, &err) != 0)
		fail_msg("%s: %s", text, err.msg);
	expect_json(json_incref(o.config), config);
	expect_json(json_incref(o.host), host);
	create_options_fini(&o);
}

static void options_become_fields(void **state)
{
	(void)state;
	expect_options(NULL, "{}", "{}");
	expect_options(
	    "--cpus 1.5 --memory=512m --memory-swap -1 --shm-size 1g", "{}",
	    "{\"Memory\":536870912,\"MemorySwap\":-1,\"NanoCpus\":1500000000,"
	    "\"ShmSize\":1073741824}");
	expect_options("-u 1001:127 -w '/a b' -h box -e A=1 -eB=2 -e=C= -it",
	    "{\"Env\":[\"A=1\",\"B=2\",\"C=\"],\"Hostname\":\"box\","
	    "\"User\":\"1001:127\",\"WorkingDir\":\"/a b\"}",
	    "{}");
	expect_options("--health-cmd \"pg_isready -U x\" --health-interval 10s "
		       "--health-timeout 1m30s --health-retries 5 "
		       "--health-start-period 500ms",
	    "{\"Healthcheck\":{\"Interval\":10000000000,\"Retries\":5,"
	    "\"StartPeriod\":500000000,\"Test\":[\"CMD-SHELL\","
	    "\"pg_isready -U x\"],\"Timeout\":90000000000}}",
	    "{}");
	expect_options("--no-healthcheck --label a=b=c -l d --stop-timeout 3",
	    "{\"Healthcheck\":{\"Test\":[\"NONE\"]},\"Labels\":{\"a\":\"b=c\","
	    "\"d\":\"\"},\"StopTimeout\":3}",
	    "{}");
	expect_options("--ulimit nofile=1:2 --ulimit core=-1 --tmpfs /run "
		       "--tmpfs /x:size=1m,ro --sysctl net.a=1 --dns 1.1.1.1",
	    "{}",
	    "{\"Dns\":[\"1.1.1.1\"],\"Sysctls\":{\"net.a\":\"1\"},\"Tmpfs\":{"
	    "\"/run\":\"\",\"/x\":\"size=1m,ro\"},\"Ulimits\":[{\"Hard\":2,"
	    "\"Name\":\"nofile\",\"Soft\":1},{\"Hard\":-1,\"Name\":\"core\","
	    "\"Soft\":-1}]}");
	expect_options("--restart on-failure:3 --log-driver local "
		       "--log-opt max-size=1m --read-only --init=false",
	    "{}",
	    "{\"Init\":false,\"LogConfig\":{\"Config\":{\"max-size\":\"1m\"},"
	    "\"Type\":\"local\"},\"ReadonlyRootfs\":true,\"RestartPolicy\":{"
	    "\"MaximumRetryCount\":3,\"Name\":\"on-failure\"}}");
	expect_options("--rm --pull always -q", "{}", "{}");
}

static void granted_options_become_fields(void **state)
{
	(void)state;
	expect_options("--privileged --pid=host --cap-add ALL --gpus all "
		       "--device /dev/a:/dev/b:r --device /dev/c:rw "
		       "--security-opt seccomp=unconfined --runtime x",
	    "{}",
	    "{\"CapAdd\":[\"ALL\"],\"DeviceRequests\":[{\"Capabilities\":[["
	    "\"gpu\"]],\"Count\":-1}],\"Devices\":[{\"CgroupPermissions\":"
	    "\"r\",\"PathInContainer\":\"/dev/b\",\"PathOnHost\":\"/dev/a\"},{"
	    "\"CgroupPermissions\":\"rw\",\"PathInContainer\":\"/dev/c\","
	    "\"PathOnHost\":\"/dev/c\"}],\"PidMode\":\"host\",\"Privileged\":"
	    "true,\"Runtime\":\"x\",\"SecurityOpt\":[\"seccomp=unconfined\"]}");
}

static void options_are_refused(void **state)
{
	static const struct {
		const char *text, *code, *says;
	} bad[] = {
	    {"--privileged", "forbidden_option", "option --privileged"},
	    {"--privileged=true", "forbidden_option", "=privileged"},
	    {"--device /dev/sda", "forbidden_option", "=devices"},
	    {"--gpus 1", "forbidden_option", "=devices"},
	    {"--pid host", "forbidden_option", "=host-namespaces"},
	    {"--pid container:x", "forbidden_option", "=host-namespaces"},
	    {"--ipc host", "forbidden_option", "=host-namespaces"},
	    {"--userns=host", "forbidden_option", "=host-namespaces"},
	    {"--cgroupns host", "forbidden_option", "=host-namespaces"},
	    {"--cap-add sys_admin", "forbidden_option", "=capabilities"},
	    {"--cap-add CAP_NET_ADMIN", "forbidden_option", "=capabilities"},
	    {"--security-opt apparmor=unconfined", "forbidden_option",
		"=security-opt"},
	    {"--security-opt seccomp:unconfined", "forbidden_option",
		"=security-opt"},
	    {"--runtime runc", "forbidden_option", "=runtime"},
	    {"--oom-score-adj -1", "forbidden_option", "=privileged"},
	    {"--network host", "bad_option", "network of its own"},
	    {"--entrypoint sh", "bad_option", "--entrypoint"},
	    {"--env-file /etc/passwd", "bad_option", "--env-file"},
	    {"-e HOME", "bad_option", "NAME=VALUE"},
	    {"--label runnerhub.hook=x", "bad_option", "taken"},
	    {"--memory much", "bad_option", "--memory"},
	    {"--cpus", "bad_option", "wants a value"},
	    {"--log-driver syslog", "bad_option", "json-file"},
	    {"--volume-driver x", "unknown_option", "--volume-driver"},
	    {"--unknown", "unknown_option", "docs/HOOKS.md"},
	    {"-x", "unknown_option", "-x"},
	    {"image", "unknown_option", "image"},
	    {"--", "unknown_option", "--"},
	    {"-e 'A=1", "unclosed_quote", "never closed"},
	    {"-v a:b:c:d", "bad_mount", "-v"},
	    {"-v rel/path:/x", "bad_mount", "rel/path"},
	    {"--mount type=volume,dst=/x,volume-opt=device=/", "bad_mount",
		"--mount"},
	    {"--mount type=volume,src=/etc,dst=/x", "bad_mount", "--mount"},
	    {"--mount type=bind,dst=/x", "bad_mount", "--mount"},
	    {"--mount type=npipe,src=/a,dst=/x", "bad_mount", "--mount"},
	    {"-p 80:http", "bad_port", "80:http"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = ERR_INIT;
		struct create_options o;

		assert_int_equal(
		    create_options_parse(bad[i].text, &nothing, &o, &err), -1);
		assert_string_equal(err.code, bad[i].code);
		if (strcmp(bad[i].says, "-v") != 0)
			assert_non_null(strstr(err.msg, bad[i].says));
	}
}

static void harmless_options_need_no_grant(void **state)
{
	struct err err = ERR_INIT;
	struct create_options o;

	(void)state;
	assert_int_equal(
	    create_options_parse("--cap-add SYS_PTRACE --cap-add cap_ipc_lock "
				 "--cap-drop ALL --ipc=private --pid= "
				 "--security-opt no-new-privileges:true "
				 "--privileged=false --oom-score-adj 500 "
				 "--name db --network-alias x --platform a/b",
		&nothing, &o, &err),
	    0);
	expect_json(json_incref(o.aliases), "[\"db\",\"x\"]");
	assert_string_equal(o.platform, "a/b");
	assert_null(json_object_get(o.host, "Privileged"));
	create_options_fini(&o);
}

static void ports(void **state)
{
	json_t *exposed = json_object(), *bindings = json_object();
	struct err err = ERR_INIT;
	static const char *const bad[] = {"", "0", "65536", "a", "80/icmp",
	    "80:", ":80", "1-2:3-5", "5-4", "x:80:80", "1:2:3:4 ", "80/",
	    "-80"};

	(void)state;
	assert_int_equal(value_publish("8080", exposed, bindings, &err), 0);
	assert_int_equal(
	    value_publish("53:5353/udp", exposed, bindings, &err), 0);
	assert_int_equal(
	    value_publish("127.0.0.1:1:2", exposed, bindings, &err), 0);
	assert_int_equal(
	    value_publish("[::1]:3:2", exposed, bindings, &err), 0);
	assert_int_equal(
	    value_publish("127.0.0.1::7-8", exposed, bindings, &err), 0);
	assert_int_equal(value_expose("9", exposed, &err), 0);
	expect_json(bindings,
	    "{\"2/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"1\"},{"
	    "\"HostIp\":\"::1\",\"HostPort\":\"3\"}],\"5353/udp\":[{\"HostIp\":"
	    "\"\",\"HostPort\":\"53\"}],\"7/tcp\":[{\"HostIp\":\"127.0.0.1\","
	    "\"HostPort\":\"\"}],\"8/tcp\":[{\"HostIp\":\"127.0.0.1\","
	    "\"HostPort\":\"\"}],\"8080/tcp\":[{\"HostIp\":\"\",\"HostPort\":"
	    "\"\"}]}");
	bindings = json_object();
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
		    value_publish(bad[i], exposed, bindings, &err), -1);
	json_decref(bindings);
	expect_json(exposed,
	    "{\"2/tcp\":{},\"5353/udp\":{},\"7/tcp\":{},\"8/tcp\":{},"
	    "\"8080/tcp\":{},\"9/tcp\":{}}");
}

static void sizes_and_durations(void **state)
{
	int64_t v;

	(void)state;
	assert_int_equal(value_bytes("1.5k", &v), 0);
	assert_int_equal(v, 1536);
	assert_int_equal(value_bytes("2MiB", &v), 0);
	assert_int_equal(v, 2 << 20);
	assert_int_equal(value_bytes("7b", &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(value_bytes("", &v), -1);
	assert_int_equal(value_bytes("1x", &v), -1);
	assert_int_equal(value_bytes("1kk", &v), -1);
	assert_int_equal(value_bytes("99999999p", &v), -1);
	assert_int_equal(value_duration_ns("1h2m3s4ms5us6ns", &v), 0);
	assert_int_equal(v, 3723004005006);
	assert_int_equal(value_duration_ns("1.5s", &v), 0);
	assert_int_equal(v, 1500000000);
	assert_int_equal(value_duration_ns("0", &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(value_duration_ns("10", &v), -1);
	assert_int_equal(value_duration_ns("s", &v), -1);
	assert_int_equal(value_duration_ns("9999999999h", &v), -1);
}

static void volumes_as_workflows_write_them(void **state)
{
	json_t *wishes = json_array();
	struct err err = ERR_INIT;
	static const char *const good[] = {"/src:/dst:ro", "/src:/dst",
	    "name:/dst:rw,z", "/dst", "/dst:ro", "/src:/dst:Z,ro"};
	static const char *const bad[] = {
	    "", "x", "/a:/b:exec", "na/me:/b", ":/b", "/a:b:ro"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(mount_wish_volume(wishes, good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(mount_wish_volume(wishes, bad[i], &err), -1);
	assert_int_equal(
	    mount_wish_mount(wishes, "type=tmpfs,dst=/t,tmpfs-size=1m", &err),
	    0);
	assert_int_equal(
	    mount_wish_mount(wishes, "source=v,target=/v,readonly", &err), 0);
	expect_json(wishes,
	    "[{\"ReadOnly\":true,\"Source\":\"/src\",\"Target\":\"/dst\","
	    "\"Type\":\"bind\"},{\"ReadOnly\":false,\"Source\":\"/src\","
	    "\"Target\":\"/dst\",\"Type\":\"bind\"},{\"ReadOnly\":false,"
	    "\"Source\":\"name\",\"Target\":\"/dst\",\"Type\":\"volume\"},{"
	    "\"ReadOnly\":false,\"Target\":\"/dst\",\"Type\":\"volume\"},{"
	    "\"ReadOnly\":true,\"Target\":\"/dst\",\"Type\":\"volume\"},{"
	    "\"ReadOnly\":true,\"Source\":\"/src\",\"Target\":\"/dst\","
	    "\"Type\":\"bind\"},{\"Target\":\"/t\",\"TmpfsOptions\":{"
	    "\"SizeBytes\":1048576},\"Type\":\"tmpfs\"},{\"ReadOnly\":true,"
	    "\"Source\":\"v\",\"Target\":\"/v\",\"Type\":\"volume\"}]");
}

/* -- policy of mounts -------------------------------------------------------
 */

struct folder {
	char root[64];
	char work[96], tools[96], away[96];
};

static void folder_make(struct folder *f)
{
	char link[128];

	snprintf(f->root, sizeof(f->root), "/tmp/hook-options-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->work, sizeof(f->work), "%s/work", f->root);
	snprintf(f->tools, sizeof(f->tools), "%s/tools", f->root);
	snprintf(f->away, sizeof(f->away), "%s/work-away", f->root);
	snprintf(link, sizeof(link), "%s/link", f->work);
	assert_int_equal(mkdir(f->work, 0755), 0);
	assert_int_equal(mkdir(f->tools, 0755), 0);
	assert_int_equal(mkdir(f->away, 0755), 0);
	assert_int_equal(symlink(f->away, link), 0);
}

static void folder_remove(struct folder *f)
{
	char link[128];

	snprintf(link, sizeof(link), "%s/link", f->work);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(f->work), 0);
	assert_int_equal(rmdir(f->tools), 0);
	assert_int_equal(rmdir(f->away), 0);
	assert_int_equal(rmdir(f->root), 0);
}

static int judge(const struct folder *f, const struct policy *policy,
    const char *source, bool read_only, struct err *err)
{
	const struct wish_mount roots[] = {
	    {.source = f->work, .target = "/__w"},
	    {.source = f->tools, .target = "/__e", .read_only = true}};
	const struct paths same = {.n = 0};
	const struct mount_rules rules = {.policy = policy,
	    .paths = &same,
	    .roots = roots,
	    .nroots = 2,
	    .volume_prefix = "own-"};
	json_t *wishes = json_array(), *out = json_array();
	const struct container_wish none = {.image = NULL};
	bool dropped = false;
	int r;

	assert_int_equal(mount_wish(wishes, source, "/x", read_only, err), 0);
	r = mounts_put(out, &none, wishes, &rules, &dropped, err);
	json_decref(wishes);
	json_decref(out);
	return r;
}

static void mounts_stay_within_the_work_directories(void **state)
{
	struct err err = ERR_INIT;
	struct folder f;
	char path[160];

	(void)state;
	folder_make(&f);
	assert_int_equal(judge(&f, &nothing, f.work, false, &err), 0);
	assert_int_equal(judge(&f, &nothing, f.tools, true, &err), 0);
	assert_int_equal(judge(&f, &nothing, "name", false, &err), 0);
	assert_int_equal(judge(&f, &nothing, f.tools, false, &err), -1);
	assert_int_equal(judge(&f, &nothing, f.away, true, &err), -1);
	assert_int_equal(judge(&f, &nothing, f.root, true, &err), -1);
	assert_int_equal(judge(&f, &nothing, "/", true, &err), -1);
	snprintf(path, sizeof(path), "%s/link", f.work);
	assert_int_equal(judge(&f, &nothing, path, true, &err), -1);
	snprintf(path, sizeof(path), "%s/../work-away", f.work);
	assert_int_equal(judge(&f, &nothing, path, true, &err), -1);
	snprintf(path, sizeof(path), "%s/not-there", f.work);
	assert_int_equal(judge(&f, &nothing, path, true, &err), -1);
	assert_string_equal(err.code, "forbidden_option");
	assert_non_null(strstr(err.msg, "host-mounts"));
	assert_int_equal(
	    judge(&f, &nothing, "/var/run/docker.sock", true, &err), -1);
	assert_non_null(strstr(err.msg, "engine-socket"));
	assert_int_equal(judge(&f, &everything, "/", false, &err), 0);
	folder_remove(&f);
}

static void policy_names(void **state)
{
	struct err err = ERR_INIT;
	struct policy p;

	(void)state;
	assert_int_equal(policy_parse(NULL, POLICY_SETTING, &p, &err), 0);
	assert_int_equal(policy_parse(" , ", POLICY_SETTING, &p, &err), 0);
	assert_false(p.granted[POLICY_PRIVILEGED]);
	assert_int_equal(
	    policy_parse("devices,privileged", POLICY_SETTING, &p, &err), 0);
	assert_true(p.granted[POLICY_PRIVILEGED] && p.granted[POLICY_DEVICES]);
	assert_false(p.granted[POLICY_HOST_MOUNTS]);
	assert_int_equal(
	    policy_parse("privilege", POLICY_SETTING, &p, &err), -1);
	assert_int_equal(policy_parse("all", POLICY_SETTING, &p, &err), -1);
}

/* -- paths -------------------------------------------------------------------
 */

static void expect_host(
    const struct paths *p, const char *path, const char *wanted)
{
	CLEANUP(buf_fini) struct buf host = {.max = 4096};
	struct err err = ERR_INIT;
	int r = paths_to_host(p, path, &host, &err);

	if (wanted == NULL)
		assert_string_equal(err.code, "path_unreachable");
	else
		assert_string_equal(buf_str(&host), wanted);
	assert_int_equal(r, wanted == NULL ? -1 : 0);
}

static void paths_are_translated(void **state)
{
	static const char document[] =
	    "{\"Mounts\":[{\"Source\":\"/host/w\",\"Destination\":\"/r/w\"},"
	    "{\"Source\":\"/vol/_data\",\"Destination\":\"/r/w/_tool\"},"
	    "{\"Source\":\"name\",\"Destination\":\"/odd\"},{},1]}";
	struct err err = ERR_INIT;
	struct paths p = {.n = 0};

	(void)state;
	expect_host(&p, "/any", "/any");
	assert_int_equal(
	    paths_from_document(&p, document, strlen(document), &err), 0);
	assert_int_equal(p.n, 2);
	expect_host(&p, "/r/w", "/host/w");
	expect_host(&p, "/r/w/_temp/x", "/host/w/_temp/x");
	expect_host(&p, "/r/w/_tool/x", "/vol/_data/x");
	expect_host(&p, "/r/wide", NULL);
	expect_host(&p, "/r", NULL);
	paths_add(&p, "/", "/root");
	expect_host(&p, "/r", "/root/r");
	paths_fini(&p);
	assert_int_equal(paths_from_document(&p, "{", 1, &err), -1);
}

static int count_ids(void *arg, const char id[65])
{
	assert_int_equal(strlen(id), 64);
	++*(int *)arg;
	return 0;
}

static void own_container_is_found(void **state)
{
	char hex[65], text[1024];
	int n = 0;

	(void)state;
	memset(hex, 'a', 64);
	hex[64] = '\0';
	snprintf(text, sizeof(text),
	    "71 60 8:1 /var/lib/docker/containers/%s/hostname /etc/hostname "
	    "rw\n"
	    "72 60 8:1 /lib/docker/containers/%s/hosts /etc/hosts rw - ext4\n"
	    "73 60 8:1 /x/containers/short/y /etc/hosts rw\n74 containers/\n\n",
	    hex, hex);
	assert_int_equal(paths_container_ids(text, count_ids, &n), 0);
	assert_int_equal(n, 1);
}

/* What the machine sees of a container beside it. */
static void another_container_is_not_ours(void **state)
{
	char hex[65], text[1024];
	int n = 0;

	(void)state;
	memset(hex, 'a', 64);
	hex[64] = '\0';
	snprintf(text, sizeof(text),
	    "71 29 0:50 / /var/lib/docker/containers/%s/mounts/shm rw - tmpfs\n"
	    "72 29 0:51 /containers/%s/x /srv rw - tmpfs shm rw",
	    hex, hex);
	assert_int_equal(paths_container_ids(text, count_ids, &n), 0);
	assert_int_equal(n, 0);
}

/* -- the document ------------------------------------------------------------
 */

/* RFC 4648 url-safe digits with padding, by python3's base64. */
static void credentials_are_a_header(void **state)
{
	const struct container_wish c = {.has_registry = true,
	    .registry_user = "u",
	    .registry_password = "p\xc3\xbf\xc3\xbe?>",
	    .registry_server = "ghcr.io"};
	char *auth = registry_auth(&c);

	(void)state;
	assert_string_equal(auth,
	    "eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InDDv8O-Pz4iLCJzZXJ2ZXJhZGRyZX"
	    "NzIjoiZ2hjci5pbyJ9");
	mem_free(auth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_become_fields),
	    cmocka_unit_test(granted_options_become_fields),
	    cmocka_unit_test(options_are_refused),
	    cmocka_unit_test(harmless_options_need_no_grant),
	    cmocka_unit_test(ports),
	    cmocka_unit_test(sizes_and_durations),
	    cmocka_unit_test(volumes_as_workflows_write_them),
	    cmocka_unit_test(mounts_stay_within_the_work_directories),
	    cmocka_unit_test(policy_names),
	    cmocka_unit_test(paths_are_translated),
	    cmocka_unit_test(own_container_is_found),
	    cmocka_unit_test(another_container_is_not_ours),
	    cmocka_unit_test(credentials_are_a_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
