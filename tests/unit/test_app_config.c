/* app-config.yaml: what is taken, what is refused and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "components/app_config.h"

static char dir[] = "/tmp/runnerhub-app-config-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) != NULL && chdir(dir) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"a.yaml", "b.yaml", "app.yaml",
	    "key", "packages/backend/there.yaml", "packages/backend",
	    "packages"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		remove(names[i]);
	return chdir("/") == 0 && rmdir(dir) == 0 ? 0 : -1;
}

static void put(const char *name, const char *text)
{
	struct err err = ERR_INIT;

	assert_int_equal(
	    fs_replace_file(name, text, strlen(text), 0600, &err), 0);
}

static void take(const char *files, struct app_config *a)
{
	struct err err = ERR_INIT;

	if (app_config_read(files, false, a, &err) < 0)
		fail_msg("%s", err.msg);
}

/* The whole message. */
static void refuses(const char *text, const char *message)
{
	struct app_config a = {0};
	struct err err = ERR_INIT;

	put("a.yaml", text);
	assert_int_equal(app_config_read("a.yaml", false, &a, &err), -1);
	assert_string_equal(err.msg, message);
}

/* -- what is taken ------------------------------------------------------ */

static const char whole[] =
    "app:\n"
    "  title: ${NOT_SET_ANYWHERE}\n"
    "backend:\n"
    "  baseUrl: http://localhost:7007\n"
    "integrations:\n"
    "  github:\n"
    "    - host: github.com\n"
    "      token: ${TEST_TOKEN}\n"
    "    - host: ghe.example\n"
    "      apiBaseUrl: https://ghe.example/api/v3\n"
    "      rawBaseUrl: https://ghe.example/raw\n"
    "      apps:\n"
    "        - appId: 42\n"
    "          clientId: Iv1\n"
    "          webhookSecret: ${NOT_SET_ANYWHERE}\n"
    "          privateKey: |\n"
    "            -----BEGIN\n"
    "            x\n"
    "          allowedInstallationOwners: ['acme', b]\n"
    "        - $include: app.yaml\n"
    "catalog:\n"
    "  rules:\n"
    "    - allow: [Component]\n"
    "  locations:\n"
    "    - type: file\n"
    "      target: ../here.yaml\n"
    "    - type: file\n"
    "      target: there.yaml\n"
    "    - type: url\n"
    "      target: https://github.com/o/r/blob/main/x.yaml\n"
    "    - type: ldap\n"
    "      target: x\n";

static void check_integrations(const struct app_config *a)
{
	const struct integration *ghe = &a->integrations[1];

	assert_int_equal(a->nintegrations, 2);
	assert_string_equal(a->integrations[0].host, "github.com");
	assert_string_equal(a->integrations[0].token, "t0p");
	assert_null(a->integrations[0].api_base_url);
	assert_string_equal(ghe->api_base_url, "https://ghe.example/api/v3");
	assert_null(ghe->token);
	assert_int_equal(ghe->napps, 2);
	assert_string_equal(ghe->apps[0].id, "42");
	assert_string_equal(ghe->apps[0].key, "-----BEGIN\nx\n");
	assert_string_equal(ghe->apps[0].owners[0], "acme");
	assert_string_equal(ghe->apps[0].owners[1], "b");
	assert_null(ghe->apps[0].owners[2]);
	assert_string_equal(ghe->apps[1].id, "Iv23x");
	assert_string_equal(ghe->apps[1].key, "from a file");
	assert_null(ghe->apps[1].owners);
}

static void what_a_portal_writes(void **state)
{
	CLEANUP(app_config_fini) struct app_config a = {0};
	struct err err = ERR_INIT;

	(void)state;
	setenv("TEST_TOKEN", "t0p", 1);
	put("a.yaml", whole);
	put("app.yaml", "appId: Iv23x\nprivateKey:\n  $file: key\n");
	put("key", "\n from a file \n\n");
	assert_int_equal(fs_mkdir_p("packages/backend", 0700, &err), 0);
	put("packages/backend/there.yaml", "");
	take("a.yaml", &a);
	check_integrations(&a);
	assert_int_equal(a.nlocations, 3);
	assert_false(a.locations[0].is_url);
	assert_string_equal(a.locations[0].target, "../here.yaml");
	assert_string_equal(a.locations[0].where, "a.yaml:26");
	assert_string_equal(
	    a.locations[1].target, "packages/backend/there.yaml");
	assert_true(a.locations[2].is_url);
	assert_string_equal(
	    a.locations[2].target, "https://github.com/o/r/blob/main/x.yaml");
	assert_null(a.base_url);
	assert_int_equal(a.nnotes, 2);
	assert_non_null(strstr(a.notes[0], "a.yaml:22: catalog.rules"));
	assert_non_null(strstr(a.notes[1], "a.yaml:31: catalog.locations[3]"));
}

static void the_limits_of_a_portals_runner(void **state)
{
	CLEANUP(app_config_fini) struct app_config a = {0};

	(void)state;
	put("a.yaml", "runner:\n"
		      "  docker:\n"
		      "    buildTimeout: 60000\n"
		      "    runTimeout: 1\n"
		      "    resourceLimits: {memory: '512m', cpus: '1.5'}\n");
	put("b.yaml", "runner: {docker: {resourceLimits: {memory: 1g}}}\n");
	take("a.yaml,b.yaml", &a);
	assert_int_equal(a.docker.build_ms, 60000);
	assert_int_equal(a.docker.memory_bytes, 1024 * 1024 * 1024);
	assert_true(a.docker.cpus > 1.49 && a.docker.cpus < 1.51);
	assert_int_equal(a.nnotes, 1);
	refuses("runner: {docker: {buildTimeout: 5}}\n",
	    "a.yaml:1: runner.docker.buildTimeout: expected milliseconds, from "
	    "10000 to a day");
}

static void later_files_win(void **state)
{
	CLEANUP(app_config_fini) struct app_config a = {0};
	struct err err = ERR_INIT;

	(void)state;
	put("a.yaml", "integrations:\n"
		      "  github: [{host: one, token: '${NOT_SET_ANYWHERE}'}]\n"
		      "backend: {baseUrl: 'http://a', x: 1}\n"
		      "catalog: {locations: [{type: url, target: u}]}\n");
	put("b.yaml", "integrations: {github: [{host: two}]}\n"
		      "backend: {baseUrl: 'http://${TEST_HOST}'}\n"
		      "catalog:\n");
	setenv("TEST_HOST", "b", 1);
	assert_int_equal(app_config_read("a.yaml, b.yaml", true, &a, &err), 0);
	assert_int_equal(a.nintegrations, 1);
	assert_string_equal(a.integrations[0].host, "two");
	assert_string_equal(a.base_url, "http://b");
	assert_int_equal(a.nlocations, 1);
}

static void nothing_at_all(void **state)
{
	static const char *const empty[] = {"", "# nothing\n", "a: 1\n",
	    "integrations:\n  github:\ncatalog: ~\n", "integrations: []\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
		CLEANUP(app_config_fini) struct app_config a = {0};

		put("a.yaml", empty[i]);
		take("a.yaml", &a);
		assert_int_equal(a.nintegrations, 0);
		assert_int_equal(a.nlocations, 0);
	}
}

/* -- texts --------------------------------------------------------------- */

static void texts(void **state)
{
	static const struct {
		const char *written, *read;
	} rows[] = {{"'${TEST_TOKEN}'", "t0p"}, {"'a${TEST_TOKEN}b'", "at0pb"},
	    {"'${ TEST_TOKEN }x${TEST_TOKEN}'", "t0pxt0p"},
	    {"'$${TEST_TOKEN}'", "${TEST_TOKEN}"}, {"'$5'", "$5"},
	    {"'a$'", "a$"}, {"'${x'", "${x"}, {"'${a{b}'", "${a{b}"},
	    {"'${NOT_SET_ANYWHERE:- d }'", "d"}, {"'${TEST_TOKEN:-d}'", "t0p"},
	    {"'$$'", "$$"}, {"12345", "12345"}, {"{$env: TEST_TOKEN}", "t0p"},
	    {"{$file: key}", "k"}};

	(void)state;
	setenv("TEST_TOKEN", "t0p", 1);
	put("key", "  k\r\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(app_config_fini) struct app_config a = {0};
		CLEANUP(mem_free)
		char *text = mem_printf(
		    "integrations: {github: [{token: %s}]}\n", rows[i].written);

		put("a.yaml", text);
		take("a.yaml", &a);
		assert_string_equal(a.integrations[0].token, rows[i].read);
		assert_string_equal(a.integrations[0].host, "github.com");
	}
}

/* -- what is wrong -------------------------------------------------------- */

static void what_is_refused(void **state)
{
	struct app_config a = {0};
	struct err err = ERR_INIT;

	(void)state;
	refuses(
	    "integrations:\n  github:\n    - host: x\n      token: ${NO_1}\n",
	    "a.yaml:4: integrations.github[0].token: the environment variable "
	    "NO_1 is not set");
	refuses("integrations: {github: {host: x}}\n",
	    "a.yaml:1: integrations.github: expected a list");
	refuses("integrations:\n  github:\n  - host: https://github.com\n",
	    "a.yaml:3: integrations.github[0].host: expected a host such as "
	    "github.com, without https://");
	refuses("integrations:\n  github:\n  - token: {a: b}\n",
	    "a.yaml:3: integrations.github[0].token: expected a text");
	refuses("integrations:\n  github:\n  - token: {$env: NO_1}\n",
	    "a.yaml:3: integrations.github[0].token: the environment variable "
	    "NO_1 is not set");
	refuses("integrations:\n  github:\n  - apps: [{appId: 1}]\n",
	    "a.yaml:3: integrations.github[0].apps[0].privateKey: it is "
	    "missing");
	refuses("catalog:\n  locations:\n  - type: url\n",
	    "a.yaml:3: catalog.locations[0].target: it is missing");
	refuses("x: [\n", "components.appConfig: a.yaml:2: did not find "
			  "expected node content");
	assert_int_equal(app_config_read("no.yaml", false, &a, &err), -1);
	assert_non_null(strstr(err.msg, "no.yaml"));
	put("a.yaml", "app: 1\n");
	assert_int_equal(app_config_read("a.yaml", true, &a, &err), -1);
	assert_string_equal(
	    err.msg, "a.yaml:1: backend.baseUrl: it is missing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_a_portal_writes),
	    cmocka_unit_test(the_limits_of_a_portals_runner),
	    cmocka_unit_test(later_files_win),
	    cmocka_unit_test(nothing_at_all),
	    cmocka_unit_test(texts),
	    cmocka_unit_test(what_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
