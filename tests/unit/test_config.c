/*
 * Options from every source: their order, their bounds, what a mistake is
 * answered with, and that no message or page ever shows a secret. Each test
 * runs in an empty directory with an environment of its own.
 */
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

#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/checks.h"
#include "config/config.h"
#include "config/options.h"
#include "config/yaml_doc.h"

DEFINE_CLEANUP(struct config *, config_free);

static char dir[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_config.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	clearenv();
	setenv("HOME", "/home/somebody", 1);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {".env", "hub.yml", "key"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlink(names[i]);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

static void write_file(const char *name, const char *text)
{
	struct err err = ERR_INIT;

	assert_int_equal(
	    fs_replace_file(name, text, strlen(text), 0600, &err), 0);
}

#define ARGV_MAX 8

/* Loads with the given arguments; the rest stands in rest (may be NULL). */
static struct config *load_args(const char *const *args, const char **rest)
{
	char *argv[ARGV_MAX + 2] = {(char *)"serve"};
	struct config *c = NULL;
	struct err err = ERR_INIT;
	int argc = 1;

	for (; args != NULL && args[argc - 1] != NULL; argc++)
		argv[argc] = (char *)args[argc - 1];
	if (config_load(&c, &argc, argv, &err) < 0)
		fail_msg("%s", err.msg);
	for (int i = 1; rest != NULL && i <= argc; i++)
		rest[i - 1] = argv[i];
	return c;
}

static struct config *load(void)
{
	return load_args(NULL, NULL);
}

/* The message of a load that must fail. */
static const char *load_error(const char *const *args)
{
	static struct err err;
	char *argv[ARGV_MAX + 2] = {(char *)"serve"};
	struct config *c = NULL;
	int argc = 1;

	for (; args != NULL && args[argc - 1] != NULL; argc++)
		argv[argc] = (char *)args[argc - 1];
	err = (struct err)ERR_INIT;
	assert_int_equal(config_load(&c, &argc, argv, &err), -1);
	assert_null(c);
	assert_null(strchr(err.msg, '\n'));
	return err.msg;
}

static const char *yaml_error(const char *text)
{
	write_file("hub.yml", text);
	setenv("RUNNERHUB_CONFIG", "hub.yml", 1);
	return load_error(NULL);
}

static struct config *load_yaml(const char *text)
{
	write_file("hub.yml", text);
	setenv("RUNNERHUB_CONFIG", "hub.yml", 1);
	return load();
}

static bool contains(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

/* -- defaults and order ------------------------------------------------------
 */

static void defaults_are_as_documented(void **state)
{
	CLEANUP(config_free) struct config *c = load();
	const struct options *o = config_options(c);

	(void)state;
	assert_string_equal(o->listen, "127.0.0.1");
	assert_int_equal(o->port, 3000);
	assert_null(o->api_key);
	assert_string_equal(o->url, "http://127.0.0.1:3000");
	assert_string_equal(o->engine_host, "unix:///var/run/docker.sock");
	assert_int_equal(o->job_timeout_ms, 3600000);
	assert_int_equal(o->session_timeout_ms, INT64_C(5) * 86400000);
	assert_int_equal(o->log_max_bytes, 256 << 20);
	assert_int_equal(o->log_age_ms, INT64_C(30) * 86400000);
	assert_true(o->cpu_limit > 1.99 && o->cpu_limit < 2.01);
	assert_int_equal(o->rate_window_ms, 900000);
	assert_string_equal(o->shutdown_mode, "handover");
	if (geteuid() == 0)
		assert_string_equal(o->state_dir, "/var/lib/runnerhub");
	else
		assert_string_equal(
		    o->state_dir, "/home/somebody/.local/state/runnerhub");
}

static void later_sources_win(void **state)
{
	const char *const flag[] = {"--port", "3004", NULL};
	int64_t want = 3001;

	(void)state;
	for (int step = 0; step < 4; step++, want++) {
		if (step == 0) {
			write_file("hub.yml", "http:\n  port: 3001\n");
			setenv("RUNNERHUB_CONFIG", "hub.yml", 1);
		} else if (step == 1) {
			write_file(".env", "PORT=3002\n");
		} else if (step == 2) {
			setenv("PORT", "3003", 1);
		}
		CLEANUP(config_free) struct config *c =
		    load_args(step == 3 ? flag : NULL, NULL);
		assert_int_equal(config_options(c)->port, want);
	}
}

static void the_file_may_be_named_in_dotenv(void **state)
{
	(void)state;
	write_file("hub.yml", "log: {level: debug}\n");
	write_file(".env", "RUNNERHUB_CONFIG=hub.yml\n");
	CLEANUP(config_free) struct config *c = load();
	assert_string_equal(config_options(c)->log_level, "debug");
}

static void an_empty_variable_is_not_set(void **state)
{
	(void)state;
	setenv("PORT", "", 1);
	write_file(".env", "PORT=3100\nLOG_LEVEL=\n");
	CLEANUP(config_free) struct config *c = load();
	assert_int_equal(config_options(c)->port, 3100);
	assert_string_equal(config_options(c)->log_level, "info");
}

static void the_first_of_two_names_wins(void **state)
{
	(void)state;
	setenv("DOCKER_HOST", "tcp://10.0.0.1:2375", 1);
	setenv("DOCKER_SOCKET_PROXY", "tcp://proxy:2375", 1);
	setenv("NODE_ENV", "production", 1);
	CLEANUP(config_free) struct config *c = load();
	assert_string_equal(config_options(c)->engine_host, "tcp://proxy:2375");
	assert_string_equal(config_options(c)->env, "production");
}

static void units_follow_the_name(void **state)
{
	(void)state;
	setenv("RUNNER_JOB_TIMEOUT", "60000", 1);   /* milliseconds */
	setenv("RUNNERHUB_DRAIN_TIMEOUT", "45", 1); /* seconds */
	setenv("RUNNERHUB_LOG_MAX_AGE", "12h", 1);
	setenv("RUNNERHUB_LOG_MAX_PER_JOB", "1GiB", 1);
	CLEANUP(config_free) struct config *c = load();
	assert_int_equal(config_options(c)->job_timeout_ms, 60000);
	assert_int_equal(config_options(c)->drain_ms, 45000);
	assert_int_equal(config_options(c)->log_age_ms, 12 * 3600000);
	assert_int_equal(config_options(c)->log_max_bytes, 1 << 30);
}

static void the_client_url_follows_the_address(void **state)
{
	static const struct {
		const char *listen, *url;
	} cases[] = {{"localhost", "http://127.0.0.1:3000"},
	    {"0.0.0.0", "http://127.0.0.1:3000"}, {"::", "http://[::1]:3000"},
	    {"10.1.2.3", "http://10.1.2.3:3000"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		setenv("RUNNERHUB_LISTEN", cases[i].listen, 1);
		CLEANUP(config_free) struct config *c = load();
		assert_string_equal(config_options(c)->url, cases[i].url);
	}
	setenv("RUNNERHUB_URL", "http://hub:3000//", 1);
	CLEANUP(config_free) struct config *c = load();
	assert_string_equal(config_options(c)->url, "http://hub:3000");
}

/* -- flags
 * --------------------------------------------------------------------- */

static void flags_are_taken_and_the_rest_stays(void **state)
{
	const char *const args[] = {"--port=3001", "--what", "--step-debug",
	    "x", "--log-level", "debug", "--", "--port=1"};
	const char *copy[ARGV_MAX + 1] = {0}, *rest[ARGV_MAX] = {0};

	(void)state;
	memcpy(copy, args, sizeof(args));
	CLEANUP(config_free) struct config *c = load_args(copy, rest);
	assert_int_equal(config_options(c)->port, 3001);
	assert_true(config_options(c)->step_debug);
	assert_string_equal(config_options(c)->log_level, "debug");
	assert_string_equal(rest[0], "--what");
	assert_string_equal(rest[1], "x");
	assert_string_equal(rest[2], "--");
	assert_string_equal(rest[3], "--port=1");
	assert_null(rest[4]);
}

static void a_flag_names_itself_in_errors(void **state)
{
	const char *const bad[] = {"--port", "70000", NULL};
	const char *const missing[] = {"--port", NULL};

	(void)state;
	assert_string_equal(load_error(bad),
	    "flag --port: http.port: \"70000\" is not accepted, expected a "
	    "whole number from 0 to 65535");
	assert_string_equal(
	    load_error(missing), "flag --port: its value is missing");
}

static void a_secret_is_not_taken_from_a_flag(void **state)
{
	const char *const args[] = {"--api-key=hunter2hunter2", NULL};
	const char *const by_file[] = {"--api-key-file", "key", NULL};
	const char *msg = load_error(args);

	(void)state;
	assert_false(contains(msg, "hunter2"));
	assert_true(contains(msg, "set RUNNERHUB_API_KEY"));
	write_file("key", "hunter2hunter2\r\n");
	CLEANUP(config_free) struct config *c = load_args(by_file, NULL);
	assert_string_equal(
	    secret_expose(config_options(c)->api_key, NULL), "hunter2hunter2");
}

/* -- values that are refused
 * ------------------------------------------------------ */

static void every_refusal_is_one_line_with_its_place(void **state)
{
	static const struct {
		const char *name, *value, *message;
	} cases[] = {
	    {"PORT", "abc",
		"environment variable PORT: http.port: \"abc\" is not "
		"accepted, expected a whole number from 0 to 65535"},
	    {"LOG_LEVEL", "inof",
		"environment variable LOG_LEVEL: log.level: \"inof\" is not "
		"accepted, expected debug, info, warn or error; did you mean "
		"\"info\"?"},
	    {"RUNNER_CPU_LIMIT", "0",
		"environment variable RUNNER_CPU_LIMIT: jobs.cpus: \"0\" is "
		"not accepted, expected a number from 0.01 to 1024"},
	    {"RUNNERHUB_DISK_RESERVE", "2 GB",
		"environment variable RUNNERHUB_DISK_RESERVE: disk.reserve: "
		"\"2 GB\" is not accepted, expected a size from 0 to 1t (as "
		"512k, 256m, 4g)"},
	    {"RUNNER_JOB_TIMEOUT", "99999999999999999999",
		"environment variable RUNNER_JOB_TIMEOUT: jobs.timeout: "
		"\"99999999999999999999\" is not accepted, expected a "
		"duration from 1s to 30d (as 500ms, 30s, 5m, 2h, 7d; a bare "
		"number is milliseconds)"},
	    {"ACTIONS_STEP_DEBUG", "maybe",
		"environment variable ACTIONS_STEP_DEBUG: jobs.stepDebug: "
		"\"maybe\" is not accepted, expected true or false"},
	    {"RUNNERHUB_LISTEN", "everywhere",
		"environment variable RUNNERHUB_LISTEN: http.listen: "
		"\"everywhere\" is not accepted, expected an IP address "
		"(127.0.0.1, ::1, 0.0.0.0) or localhost"},
	    {"RUNNERHUB_SUBNET", "10.213.1.0/16",
		"environment variable RUNNERHUB_SUBNET: network.subnet: "
		"\"10.213.1.0/16\" is not accepted, expected an IPv4 network "
		"such as 10.213.0.0/16, prefix 8 to 28"},
	    {"RUNNER_POOL_MIN", "-1",
		"environment variable RUNNER_POOL_MIN: runners.poolMin: "
		"\"-1\" is not accepted, expected a whole number from 0 to "
		"10000"},
	    {"RUNNER_IMAGE", "a\nb",
		"environment variable RUNNER_IMAGE: jobs.image: \"a\\x0ab\" "
		"is not accepted, expected an image reference"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		setenv(cases[i].name, cases[i].value, 1);
		assert_string_equal(load_error(NULL), cases[i].message);
		unsetenv(cases[i].name);
	}
}

static void a_refused_secret_is_not_shown(void **state)
{
	const char *msg;

	(void)state;
	setenv("ENCRYPTION_KEY", "tooshort", 1);
	msg = load_error(NULL);
	assert_false(contains(msg, "tooshort"));
	assert_true(contains(msg, "ENCRYPTION_KEY"));
	assert_true(contains(msg, "16 to 4096 characters"));
}

static void a_huge_value_is_shown_shortened(void **state)
{
	char value[2000];

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	setenv("PORT", value, 1);
	assert_true(contains(load_error(NULL), "xxx...\" is not accepted"));
}

/* -- YAML
 * ---------------------------------------------------------------------------
 */

static void yaml_mistakes_name_line_and_key(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
	    {"http:\n  prot: 1\n",
		"hub.yml:2: unknown key \"http.prot\"; did you mean "
		"\"http.port\"?"},
	    {"prot: 1\n", "hub.yml:1: unknown key \"prot\"; did you mean "
			  "\"http.port\"?"},
	    {"nonsense:\n  whatever: 1\n",
		"hub.yml:1: unknown key \"nonsense\"; `runnerhub config` "
		"lists all"},
	    {"http: 5\n",
		"hub.yml:1: http is a section: its options stand below it, "
		"indented"},
	    {"# note\nhttp:\n  port: [1]\n",
		"hub.yml:3: http.port: expected one value, found a list"},
	    {"http:\n  port: x\n",
		"hub.yml:2: http.port: \"x\" is not accepted, expected a "
		"whole number from 0 to 65535"},
	    {"http:\n  port: 1\n  port: 2\n",
		"hub.yml:3: this key stands here a second time"},
	    {"\"a\\nb\": 1\n",
		"hub.yml:1: unknown key \"a\\x0ab\"; `runnerhub config` "
		"lists all"},
	    {"- a\n", "hub.yml:1: expected `key: value` lines"},
	    {"http: &x\n  port: 1\n",
		"hub.yml:1: anchors and aliases are not accepted here"},
	    {"http: !!map {}\n", "hub.yml:1: tags are not accepted here"},
	    {"a: 1\n---\nb: 1\n",
		"hub.yml:2: a second document is not accepted"},
	    {"routes: {}\n", "hub.yml:1: routes: expected a list"},
	    {"routes:\n  - labels: x\n",
		"hub.yml:2: routes.labels: \"x\" is not accepted, expected "
		"a list of 1 to 32 label names"},
	    {"routes:\n  - lables: [x]\n",
		"hub.yml:2: unknown key \"lables\" in routes; did you mean "
		"\"labels\"?"},
	    {"pool:\n  - image: a\n    size: -1\n",
		"hub.yml:3: pool.size: \"-1\" is not accepted, expected a "
		"whole number from 0 to 1000"},
	    {"pool:\n  - {image: a, size: 1, hours: 8-18}\n",
		"hub.yml:2: pool.hours: \"8-18\" is not accepted, expected "
		"local hours such as 08:00-18:00"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(
		    yaml_error(cases[i].text), cases[i].message);
}

static void yaml_is_bounded(void **state)
{
	char deep[200];
	size_t n = 0;

	(void)state;
	while (n < sizeof(deep) - 1)
		deep[n++] = '[';
	deep[n] = '\0';
	assert_true(contains(yaml_error(deep), "nested too deeply"));
	assert_true(contains(yaml_error("http: {port: 1"), "hub.yml:"));
	setenv("RUNNERHUB_CONFIG", "missing.yml", 1);
	assert_true(contains(load_error(NULL), "missing.yml"));
}

static void routes_and_pools_are_lists(void **state)
{
	CLEANUP(config_free) struct config *c =
	    load_yaml("routes:\n"
		      "  - labels: [gpu, linux]\n"
		      "    image: cuda:12\n"
		      "  - {labels: [node], image: 'node:20'}\n"
		      "pool:\n"
		      "  - {image: 'node:20', size: 4}\n"
		      "  - image: cuda:12\n"
		      "    size: 1\n"
		      "    hours: \"08:30-24:00\"\n"
		      "    days: fri-mon,wed\n"
		      "  - {image: a, size: 1, days: sat}\n");
	const struct options *o = config_options(c);

	(void)state;
	assert_int_equal(o->nroutes, 2);
	assert_string_equal(o->routes[0].labels[1], "linux");
	assert_null(o->routes[0].labels[2]);
	assert_string_equal(o->routes[1].image, "node:20");
	assert_int_equal(o->npools, 3);
	assert_int_equal(o->pools[0].from_minute, o->pools[0].to_minute);
	assert_int_equal(o->pools[1].from_minute, 8 * 60 + 30);
	assert_int_equal(o->pools[1].to_minute, 24 * 60);
	/* Friday, Saturday, Sunday, Monday and Wednesday */
	assert_int_equal(o->pools[1].days, 0x20 | 0x40 | 0x01 | 0x02 | 0x08);
	assert_int_equal(o->pools[2].days, 0x40);
	assert_int_equal(o->pools[2].to_minute, 24 * 60);
}

static void yaml_null_leaves_the_default(void **state)
{
	CLEANUP(config_free) struct config *c =
	    load_yaml("http:\n  port:\n  workers: ~\nlog:\n");

	(void)state;
	assert_int_equal(config_options(c)->port, 3000);
	assert_int_equal(config_options(c)->workers, 8);
}

/* -- .env
 * ---------------------------------------------------------------------------
 */

static void dotenv_understands_quotes_and_comments(void **state)
{
	(void)state;
	write_file(".env",
	    "# comment\n"
	    "\n"
	    "export PORT = 3007   # why\n"
	    "RUNNERHUB_API_KEY='with # and \\n literal'\n"
	    "RUNNERHUB_TOKEN=\"a \\\"quoted\\\" \\$one\" # end\r\n"
	    "RUNNER_IMAGE=img#1\n");
	/* "img#1" keeps its '#', which no image has */
	assert_true(contains(load_error(NULL), ".env:6: jobs.image"));
	write_file(".env",
	    "export PORT = 3007   # why\n"
	    "RUNNERHUB_API_KEY='with # and \\n literal'\n"
	    "RUNNERHUB_TOKEN=\"a \\\"quoted\\\" \\$one\" # end\r\n"
	    "PORT=3008");
	CLEANUP(config_free) struct config *c = load();
	assert_int_equal(config_options(c)->port, 3008);
	assert_string_equal(secret_expose(config_options(c)->api_key, NULL),
	    "with # and \\n literal");
	assert_string_equal(
	    secret_expose(config_options(c)->token, NULL), "a \"quoted\" $one");
}

static void dotenv_mistakes_name_the_line_only(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
	    {"PORT=1\nhunter2\n", ".env:2: expected NAME=value"},
	    {"A='hunter2\nB=1\n",
		".env:1: the quote that opens here never closes"},
	    {"A=\"x\" hunter2\n", ".env:1: text after the closing quote"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_file(".env", cases[i].text);
		assert_string_equal(load_error(NULL), cases[i].message);
	}
}

/* -- secrets
 * ------------------------------------------------------------------------- */

static void secret_files_are_read_with_bounds(void **state)
{
	(void)state;
	write_file("key", "token-from-a-file\n");
	setenv("RUNNERHUB_TOKEN_FILE", "key", 1);
	CLEANUP(config_free) struct config *c = load();
	assert_string_equal(
	    secret_expose(config_options(c)->token, NULL), "token-from-a-file");

	setenv("RUNNERHUB_TOKEN", "both", 1);
	assert_string_equal(load_error(NULL),
	    "environment: RUNNERHUB_TOKEN and RUNNERHUB_TOKEN_FILE are both "
	    "set, set one of them");
	unsetenv("RUNNERHUB_TOKEN");
	setenv("RUNNERHUB_TOKEN_FILE", "/dev/zero", 1);
	assert_true(contains(load_error(NULL), "/dev/zero is larger than"));
	setenv("RUNNERHUB_TOKEN_FILE", "missing", 1);
	assert_true(contains(load_error(NULL), "open missing"));
	write_file("key", "\n");
	setenv("RUNNERHUB_TOKEN_FILE", "key", 1);
	assert_true(contains(load_error(NULL), "expected 1 to 4096"));
}

static void the_page_never_shows_a_secret(void **state)
{
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 20};

	(void)state;
	setenv("RUNNERHUB_API_KEY", "hunter2hunter2", 1);
	setenv("GITHUB_TOKEN", "hunter2-not-used", 1);
	setenv("DATABASE_URL", "postgres://u:hunter2@db/x", 1);
	CLEANUP(config_free) struct config *c = load();
	config_print(c, false, &out);
	config_print(c, true, &out);
	assert_false(contains(buf_str(&out), "hunter2"));
	assert_true(contains(buf_str(&out), "(set)"));
	assert_true(
	    contains(buf_str(&out), "environment variable RUNNERHUB_API_KEY"));
}

/* -- doubts
 * -----------------------------------------------------------------------------
 */

static void collect(void *arg, const char *line)
{
	IGNORE(buf_printf(arg, "%s\n", line));
}

static void collect_unused(void *arg, const char *key, const char *source)
{
	IGNORE(buf_printf(arg, "%s (%s)\n", key, source));
}

static void unused_names_are_told(void **state)
{
	CLEANUP(buf_fini) struct buf out = {.max = 4096};

	(void)state;
	setenv("RUNNER_POOL_MAX", "7", 1);
	setenv("REDIS_URL", "redis://x", 1);
	CLEANUP(config_free) struct config *c = load();
	config_unused(c, collect_unused, &out);
	assert_string_equal(buf_str(&out),
	    "redis.url (environment variable REDIS_URL)\n"
	    "runners.poolMax (environment variable RUNNER_POOL_MAX)\n");
}

static void only_near_misses_of_ours_are_told(void **state)
{
	CLEANUP(buf_fini) struct buf out = {.max = 4096};

	(void)state;
	setenv("RUNERHUB_LISTEN", "::1", 1);
	setenv("RUNNER_NAME", "somebody else's", 1);
	setenv("RUNNERHUB_FAULT", "x", 1);
	setenv("RUNNERHUB_SOMETHING_ELSE", "1", 1);
	setenv("POST", "1", 1);
	setenv("RUNNERHUB_API_KEY_FILE", "", 1);
	write_file(".env", "\nRUNNER_IMAG=x\n");
	CLEANUP(config_free) struct config *c = load();
	config_warnings(c, collect, &out);
	assert_string_equal(buf_str(&out),
	    ".env:2: RUNNER_IMAG is not known; did you mean RUNNER_IMAGE?\n"
	    "environment variable RUNERHUB_LISTEN is not known; did you mean "
	    "RUNNERHUB_LISTEN?\n");
}

static void a_readable_file_with_a_secret_is_told(void **state)
{
	CLEANUP(buf_fini) struct buf out = {.max = 4096};

	(void)state;
	write_file("hub.yml", "auth:\n  apiKey: 0123456789abcdef\n");
	assert_int_equal(chmod("hub.yml", 0644), 0);
	setenv("RUNNERHUB_CONFIG", "hub.yml", 1);
	CLEANUP(config_free) struct config *c = load();
	config_warnings(c, collect, &out);
	assert_true(contains(buf_str(&out), "chmod 600"));
}

/* -- may it serve
 * ---------------------------------------------------------------------- */

static const char *serve_error(void)
{
	static struct err err;
	CLEANUP(config_free) struct config *c = load();

	err = (struct err)ERR_INIT;
	if (config_check_serve(config_options(c), &err) == 0 &&
	    (config_options(c)->api_key != NULL ||
		config_check_open(config_options(c), &err) == 0))
		return "";
	return err.msg;
}

static void an_open_address_needs_a_key(void **state)
{
	(void)state;
	assert_string_equal(serve_error(), "");
	setenv("RUNNERHUB_LISTEN", "127.1.2.3", 1);
	assert_string_equal(serve_error(), "");
	setenv("RUNNERHUB_LISTEN", "::1", 1);
	assert_string_equal(serve_error(), "");
	setenv("RUNNERHUB_LISTEN", "0.0.0.0", 1);
	assert_true(contains(serve_error(), "set RUNNERHUB_API_KEY"));
	setenv("RUNNERHUB_LISTEN", "::ffff:127.0.0.1", 1);
	assert_true(contains(serve_error(), "set RUNNERHUB_API_KEY"));
	setenv("RUNNERHUB_API_KEY", "some key", 1);
	assert_string_equal(serve_error(), "");
}

static void production_refuses_weak_keys(void **state)
{
	static const char *const names[] = {
	    "RUNNERHUB_API_KEY", "ENCRYPTION_KEY", "JWT_SECRET"};
	static const char *const weak[] = {"0123456789abcdef",
	    "changeme-changeme-changeme-changeme",
	    "secret-secret-secret-secret-secret!",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "your-secret-key-change-me-in-production"};
	const char *msg;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(names); n++) {
		for (size_t i = 0; i < ARRAY_LEN(weak); i++) {
			unsetenv("RUNNERHUB_ENV");
			setenv(names[n], weak[i], 1);
			assert_string_equal(serve_error(), "");
			setenv("RUNNERHUB_ENV", "production", 1);
			msg = serve_error();
			assert_true(contains(msg, names[n]));
			assert_false(contains(msg, weak[i]));
		}
		setenv(names[n],
		    "4f1c9b02d7e85a6634be0d17c2f3a98e5b6d70c1e2f34a59", 1);
		assert_string_equal(serve_error(), "");
	}
}

/* -- the table itself
 * ---------------------------------------------------------------------- */

static bool is_in_text(const struct buf *text, const char *name)
{
	return contains(buf_str(text), name);
}

static void names_are_unique_and_documented(void **state)
{
	CLEANUP(buf_fini) struct buf env = {.max = 1 << 20};
	CLEANUP(buf_fini) struct buf page = {.max = 1 << 20};

	(void)state;
	config_env_example(&env);
	config_markdown(&page);
	assert_false(env.overflow || page.overflow);
	for (size_t i = 0; i < option_count; i++) {
		const struct option *a = &option_table[i];

		assert_true(is_in_text(&page, a->key));
		assert_non_null(a->doc);
		assert_true(a->env[0] == NULL || is_in_text(&env, a->env[0]));
		assert_true(a->type != OPTION_STRING ||
			    (a->check != NULL && a->accepts != NULL));
		assert_true(a->type != OPTION_DURATION || a->unit_ms > 0);
		for (size_t k = i + 1; k < option_count; k++) {
			const struct option *b = &option_table[k];

			assert_string_not_equal(a->key, b->key);
			assert_true(a->flag == NULL || b->flag == NULL ||
				    strcmp(a->flag, b->flag) != 0);
			assert_true(a->env[0] == NULL || b->env[0] == NULL ||
				    strcmp(a->env[0], b->env[0]) != 0);
			assert_true(a->offset != b->offset ||
				    a->offset == OPTION_NO_FIELD);
		}
	}
}

/* What .env.example says, uncommented, loads and changes nothing. */
static void the_example_is_the_defaults(void **state)
{
	CLEANUP(buf_fini) struct buf text = {.max = 1 << 20};
	CLEANUP(buf_fini) struct buf before = {.max = 1 << 20};
	CLEANUP(buf_fini) struct buf after = {.max = 1 << 20};
	CLEANUP(config_free) struct config *plain = load();

	(void)state;
	config_env_example(&text);
	for (char *p = text.data; (p = strstr(p, "\n#")) != NULL; p += 2)
		if (p[2] != ' ')
			p[1] = ' ';
	write_file(".env", buf_str(&text));
	CLEANUP(config_free) struct config *c = load();
	for (size_t i = 0; i < option_count; i++) {
		if (option_table[i].offset == OPTION_NO_FIELD)
			continue;
		option_render(config_options(plain), &option_table[i], &before);
		option_render(config_options(c), &option_table[i], &after);
		assert_string_equal(buf_str(&before), buf_str(&after));
	}
}

static void single_checks(void **state)
{
	(void)state;
	assert_true(check_image("ghcr.io/a/b:1@sha256:0f"));
	assert_false(check_image("a b"));
	assert_false(check_image(""));
	assert_false(check_image("-v"));
	assert_true(check_addresses("1.1.1.1,::1"));
	assert_false(check_addresses("1.1.1.1,"));
	assert_false(check_addresses(""));
	assert_true(check_url("http://[::1]:3000/x"));
	assert_true(check_url("https://x"));
	assert_false(check_url("http://"));
	assert_false(check_url("http://u:p@x"));
	assert_true(check_url("unix:///run/runnerhub/hub.sock"));
	assert_false(check_url("unix://hub.sock"));
	assert_true(check_origin("*"));
	assert_false(check_origin("https://x/path"));
	assert_true(check_origins("https://a.example,http://localhost:3000"));
	assert_true(check_origins("*"));
	assert_false(check_origins("https://a.example,*"));
	assert_false(check_origins("https://a.example, https://b.example"));
	assert_true(check_base_paths("/api/runner,/runner"));
	assert_false(check_base_paths("/"));
	assert_false(check_base_paths("/api/runner,/"));
	assert_false(check_base_paths("/a/../b"));
	assert_true(check_listen_port("[::1]:0"));
	assert_true(check_listen_port("127.0.0.1:7007"));
	assert_false(check_listen_port("::1:7007"));
	assert_false(check_listen_port("7007"));
	assert_false(check_listen_port("example.com:7007"));
	assert_false(check_listen_port("[127.0.0.1]:1"));
	assert_true(check_host("portal.example"));
	assert_false(check_host("portal.example:80"));
	assert_true(check_engine("/run/docker.sock"));
	assert_true(check_engine("unix:///run/docker.sock"));
	assert_false(check_engine("unix://run/docker.sock"));
	assert_false(check_engine("ssh://x"));
	assert_false(check_subnet("10.0.0.0"));
	assert_false(check_subnet("10.0.0.0/33"));
	assert_false(check_text("\xff\xfe"));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(defaults_are_as_documented),
	    CASE(later_sources_win),
	    CASE(the_file_may_be_named_in_dotenv),
	    CASE(an_empty_variable_is_not_set),
	    CASE(the_first_of_two_names_wins),
	    CASE(units_follow_the_name),
	    CASE(the_client_url_follows_the_address),
	    CASE(flags_are_taken_and_the_rest_stays),
	    CASE(a_flag_names_itself_in_errors),
	    CASE(a_secret_is_not_taken_from_a_flag),
	    CASE(every_refusal_is_one_line_with_its_place),
	    CASE(a_refused_secret_is_not_shown),
	    CASE(a_huge_value_is_shown_shortened),
	    CASE(yaml_mistakes_name_line_and_key),
	    CASE(yaml_is_bounded),
	    CASE(routes_and_pools_are_lists),
	    CASE(yaml_null_leaves_the_default),
	    CASE(dotenv_understands_quotes_and_comments),
	    CASE(dotenv_mistakes_name_the_line_only),
	    CASE(secret_files_are_read_with_bounds),
	    CASE(the_page_never_shows_a_secret),
	    CASE(unused_names_are_told),
	    CASE(only_near_misses_of_ours_are_told),
	    CASE(a_readable_file_with_a_secret_is_told),
	    CASE(an_open_address_needs_a_key),
	    CASE(production_refuses_weak_keys),
	    CASE(names_are_unique_and_documented),
	    CASE(the_example_is_the_defaults),
	    CASE(single_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
