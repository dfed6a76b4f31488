/* Delegations as they come from outside: each rule, its words, its bounds;
 * and what is read back from the normalised spec. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/mem.h"
#include "base/thread.h"
#include "base/trace.h"
#include "jobs/job_env.h"
#include "jobs/request.h"
#include "jobs/spec.h"

#define KIB 1024

static const struct request_limits limits = {
    .cpus_max = 8, .memory_max_bytes = INT64_C(8) << 30, .timeout_max_s = 3600};

#define NEEDED "\"jobId\":\"7\",\"runId\":\"r\",\"repository\":\"o/r\""

static int parse(struct request *r, const char *body, struct err *err)
{
	*err = (struct err)ERR_INIT;
	return request_parse(r, body, strlen(body), &limits, err);
}

static char *PRINTF(1, 2) text_of(const char *fmt, ...)
{
	struct buf b;
	va_list ap;

	buf_init(&b, 64 << 20);
	va_start(ap, fmt);
	assert_int_equal(buf_vprintf(&b, fmt, ap), 0);
	va_end(ap);
	return buf_steal(&b, NULL);
}

/* A request of the needed fields and these. */
static struct request good(const char *more)
{
	struct request r;
	struct err err;
	char *body =
	    text_of("{" NEEDED "%s%s}", *more != '\0' ? "," : "", more);

	if (parse(&r, body, &err) < 0)
		fail_msg("%.200s: %s", more, err.msg);
	mem_free(body);
	return r;
}

static void bad_body(const char *body, const char *code, const char *words)
{
	struct request r;
	struct err err;

	if (parse(&r, body, &err) == 0)
		fail_msg("accepted: %.200s", body);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err.code, code);
	if (strstr(err.msg, words) == NULL)
		fail_msg(
		    "%.200s\nsays \"%s\"\nnot \"%s\"", body, err.msg, words);
	assert_null(r.spec); /* nothing is left behind */
}

static void bad(const char *more, const char *words)
{
	char *body = text_of("{" NEEDED ",%s}", more);

	bad_body(body, "invalid_field", words);
	mem_free(body);
}

/* prefix + n times c + suffix */
static char *filled(const char *prefix, char c, size_t n, const char *suffix)
{
	size_t at = strlen(prefix);
	char *text = mem_calloc(1, at + n + strlen(suffix) + 1);

	memcpy(text, prefix, at);
	memset(text + at, c, n);
	strcat(text, suffix);
	return text;
}

static void bad_filled(
    const char *prefix, size_t n, const char *suffix, const char *words)
{
	char *text = filled(prefix, 'x', n, suffix);

	bad(text, words);
	mem_free(text);
}

static void good_filled(const char *prefix, size_t n, const char *suffix)
{
	char *text = filled(prefix, 'x', n, suffix);
	struct request r = good(text);

	request_fini(&r);
	mem_free(text);
}

/* n times `each`, in which %d counts, between two texts */
static char *repeated(
    const char *prefix, const char *each, int n, const char *suffix)
{
	struct buf b;

	buf_init(&b, 64 << 20);
	assert_int_equal(buf_append_str(&b, prefix), 0);
	for (int i = 0; i < n; i++) {
		assert_int_equal(buf_append_str(&b, i > 0 ? "," : ""), 0);
		assert_int_equal(buf_printf(&b, each, i), 0);
	}
	assert_int_equal(buf_append_str(&b, suffix), 0);
	return buf_steal(&b, NULL);
}

/* -- the body ------------------------------------------------------------- */

static void test_the_body_is_a_json_object(void **state)
{
	(void)state;
	bad_body("", "invalid_json", "not valid JSON");
	bad_body("{", "invalid_json", "line 1");
	bad_body("[]", "invalid_json", "must be a JSON object");
	bad_body("{\"a\":1,\"a\":2}", "invalid_json", "duplicate");
	bad_body("{\"jobId\":\"\\u0000\"}", "invalid_json", "not valid JSON");
	bad_body("{\"jobId\":\"\xff\"}", "invalid_json", "not valid JSON");
}

static void *parse_deep(void *arg)
{
	bad_body(arg, "invalid_json", "nests deeper than 32 levels");
	return NULL;
}

/* Handlers have small stacks, and jansson recurses. */
static void test_deep_nesting_is_refused(void **state)
{
	char *open = filled("{" NEEDED ",\"x\":", '[', 2000, "");
	char *body = filled(open, ']', 2000, "}");
	struct err err = ERR_INIT;
	struct request r;
	pthread_t t;

	(void)state;
	assert_int_equal(thread_start(&t, "deep", parse_deep, body, &err), 0);
	thread_join(t);
	mem_free(open);
	mem_free(body);
	/* Brackets in strings do not nest. */
	body = filled("\"workflow\":\"\\\"", '[', 500, "\"");
	r = good(body);
	request_fini(&r);
	mem_free(body);
}

static void test_needed_fields(void **state)
{
	(void)state;
	bad_body("{\"runId\":\"r\",\"repository\":\"o/r\"}", "missing_field",
	    "Missing required field: jobId");
	bad_body("{\"jobId\":\"j\",\"repository\":\"o/r\"}", "missing_field",
	    "Missing required field: runId");
	bad_body("{\"jobId\":\"j\",\"runId\":null}", "missing_field",
	    "Missing required field: runId");
	bad_body("{\"jobId\":\"j\",\"runId\":\"r\"}", "missing_field",
	    "Missing required field: repository");
	bad_body("{\"jobId\":7,\"runId\":\"r\",\"repository\":\"o/r\"}",
	    "invalid_field", "Field \"jobId\": expected a string of 1 to 256");
	bad_body("{\"jobId\":\"\"}", "invalid_field", "Field \"jobId\"");
}

static void test_the_least_request(void **state)
{
	struct request r = good("");

	(void)state;
	assert_string_equal(r.external_id, "7");
	assert_true(r.has_github_job_id);
	assert_int_equal(r.github_job_id, 7);
	assert_string_equal(r.run_id, "r");
	assert_string_equal(r.repository, "o/r");
	assert_null(r.workflow);
	assert_null(r.runner_name);
	assert_string_equal(r.labels, "[]");
	assert_string_equal(r.metadata, "{}");
	assert_string_equal(r.spec, "{}");
	assert_int_equal(r.attempt, 1);
	assert_int_equal(r.priority, 50);
	assert_true(r.is_session);
	assert_null(r.secrets);
	assert_null(r.warnings);
	request_fini(&r);
}

static void test_job_ids_that_are_no_numbers(void **state)
{
	static const char *const ids[] = {
	    "test-123", "-1", "9223372036854775808", "1.5", " 7"};
	struct request r;
	struct err err;
	char body[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		snprintf(body, sizeof(body),
		    "{\"jobId\":\"%s\",\"runId\":\"r\",\"repository\":\"o/r\"}",
		    ids[i]);
		assert_int_equal(parse(&r, body, &err), 0);
		assert_false(r.has_github_job_id);
		request_fini(&r);
	}
}

static void test_repositories(void **state)
{
	static const struct {
		const char *name;
		bool ok;
	} names[] = {{"owner/repo", true}, {"a/b", true}, {"A-1._/x.y-_", true},
	    {"a/...", true}, {"owner", false}, {"/repo", false}, {"a/", false},
	    {"a/b/c", false}, {"a/..", false}, {"./b", false}, {"a/.", false},
	    {"a b/c", false}, {"\xc3\xa4/b", false}, {"a/b\\n", false}};
	struct request r;
	struct err err;
	char body[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(body, sizeof(body),
		    "{\"jobId\":\"j\",\"runId\":\"r\",\"repository\":\"%s\"}",
		    names[i].name);
		if (names[i].ok != (parse(&r, body, &err) == 0))
			fail_msg("repository %s", names[i].name);
		if (names[i].ok)
			request_fini(&r);
		else
			assert_non_null(strstr(err.msg, "owner/repo"));
	}
}

/* -- single fields -------------------------------------------------------- */

static void test_strings_have_bounds(void **state)
{
	(void)state;
	good_filled("\"workflow\":\"", 1024, "\"");
	bad_filled("\"workflow\":\"", 1025, "\"",
	    "Field \"workflow\": expected a string of 1 to 1024 bytes");
	good_filled("\"runnerName\":\"", 256, "\"");
	bad_filled("\"runnerName\":\"", 257, "\"", "1 to 256 bytes");
	bad_filled("\"sha\":\"", 1025, "\"", "Field \"sha\"");
	bad_filled("\"ref\":\"", 1025, "\"", "Field \"ref\"");
	bad("\"eventName\":1", "Field \"eventName\"");
	bad("\"actor\":[]", "Field \"actor\"");
	bad_filled("\"network\":\"", 257, "\"", "Field \"network\"");
	bad_filled("\"image\":\"", 1025, "\"", "Field \"image\"");
}

static void test_numbers_have_bounds(void **state)
{
	struct request r = good("\"attempt\":3,\"priority\":0");

	(void)state;
	assert_int_equal(r.attempt, 3);
	assert_int_equal(r.priority, 0);
	request_fini(&r);
	bad("\"attempt\":0",
	    "Field \"attempt\": expected an integer from 1 to 1000000");
	bad("\"attempt\":1000001", "Field \"attempt\"");
	bad("\"attempt\":\"1\"", "Field \"attempt\"");
	bad("\"priority\":-1", "from 0 to 100");
	bad("\"priority\":101", "Field \"priority\"");
	bad("\"priority\":5.0", "Field \"priority\"");
	bad("\"timeoutSeconds\":0", "from 1 to 3600");
	bad("\"timeoutSeconds\":3601", "Field \"timeoutSeconds\"");
}

static void test_images(void **state)
{
	struct request r =
	    good("\"image\":\"reg.io:5000/a/b-c_d:1.2@sha256:0a\"");

	(void)state;
	assert_string_equal(
	    r.spec, "{\"image\":\"reg.io:5000/a/b-c_d:1.2@sha256:0a\"}");
	request_fini(&r);
	bad("\"image\":\"a b\"", "Field \"image\": expected an image");
	bad("\"image\":\"../a\"", "Field \"image\"");
	bad("\"image\":\"a\\nb\"", "Field \"image\"");
	bad("\"image\":\"a?b=c\"", "Field \"image\"");
}

static void test_labels(void **state)
{
	struct request r = good("\"labels\":[\"self-hosted\",\"x\"]");
	char *many;

	(void)state;
	assert_string_equal(r.labels, "[\"self-hosted\",\"x\"]");
	request_fini(&r);
	bad("\"labels\":\"x\"", "Field \"labels\": expected an array");
	bad("\"labels\":[1]", "Field \"labels\"");
	bad("\"labels\":[\"\"]", "strings of 1 to 256 bytes");
	bad_filled("\"labels\":[\"", 257, "\"]", "Field \"labels\"");
	many = repeated("\"labels\":[", "\"l%d\"", 101, "]");
	bad(many, "at most 100 strings");
	mem_free(many);
}

static void test_metadata(void **state)
{
	struct request r = good("\"sha\":\"abc\",\"ref\":\"refs/heads/x\","
				"\"eventName\":\"push\",\"actor\":\"me\"");
	json_t *meta;

	struct trace trace, kept;

	(void)state;
	trace_take(
	    &trace, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
	request_set_origin(&r, "req-1", &trace);
	meta = json_loads(r.metadata, 0, NULL);
	assert_int_equal(json_object_size(meta), 8);
	assert_string_equal(
	    json_string_value(json_object_get(meta, "traceParent")),
	    "b7ad6b7169203331");
	request_trace(meta, &kept);
	assert_string_equal(kept.id, "0af7651916cd43dd8448eb211c80319c");
	assert_false(kept.sampled);
	assert_string_not_equal(kept.span, trace.span);
	assert_string_equal(
	    json_string_value(json_object_get(meta, "requestId")), "req-1");
	assert_string_equal(
	    json_string_value(json_object_get(meta, "sha")), "abc");
	json_decref(meta);
	request_fini(&r);
}

static void test_resources(void **state)
{
	struct request r =
	    good("\"resources\":{\"cpus\":0.5,\"memory\":\"512m\",\"pids\":9}");
	struct spec spec = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(spec_load(&spec, r.spec, &err), 0);
	assert_true(spec.cpus == 0.5);
	assert_int_equal(spec.memory_bytes, 512 << 20);
	assert_int_equal(spec.pids, 9);
	spec_fini(&spec);
	request_fini(&r);
	r = good("\"resources\":{\"memory\":6291456,\"cpus\":8}");
	request_fini(&r);
	bad("\"resources\":[]", "Field \"resources\": expected an object");
	bad("\"resources\":{\"memory\":6291455}",
	    "Field \"resources.memory\": expected bytes or a size");
	bad("\"resources\":{\"memory\":\"lots\"}", "at least 6m");
	bad("\"resources\":{\"memory\":-1}", "Field \"resources.memory\"");
	bad("\"resources\":{\"memory\":1e9}", "Field \"resources.memory\"");
	bad("\"resources\":{\"memory\":\"9g\"}",
	    "at most 8192m, the memory this hub may hand out");
	bad("\"resources\":{\"cpus\":0}",
	    "Field \"resources.cpus\": expected a number from 0.01 to 8");
	bad("\"resources\":{\"cpus\":8.1}", "from 0.01 to 8");
	bad("\"resources\":{\"cpus\":\"2\"}", "Field \"resources.cpus\"");
	bad("\"resources\":{\"pids\":0}", "Field \"resources.pids\"");
	bad("\"resources\":{\"pids\":4194305}", "from 1 to 4194304");
}

static void test_limits_that_are_not_known_yet(void **state)
{
	const struct request_limits unknown = {.timeout_max_s = 10};
	const char *body = "{" NEEDED ",\"resources\":{\"memory\":\"900g\","
			   "\"cpus\":512}}";
	struct request r;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
	    request_parse(&r, body, strlen(body), &unknown, &err), 0);
	request_fini(&r);
}

/* -- variables and secrets ------------------------------------------------ */

static void test_variables(void **state)
{
	struct request r = good("\"env\":{\"A_1\":\"x\",\"_b\":\"\"}");
	char *many;

	(void)state;
	assert_string_equal(r.spec, "{\"env\":{\"A_1\":\"x\",\"_b\":\"\"}}");
	request_fini(&r);
	bad("\"env\":[]", "Field \"env\": expected an object");
	bad("\"env\":{\"1a\":\"x\"}", "\"1a\" is no variable name");
	bad("\"env\":{\"\":\"x\"}", "is no variable name");
	bad("\"env\":{\"a-b\":\"x\"}", "Field \"env\": \"a-b\"");
	bad("\"env\":{\"a=b\":\"x\"}", "is no variable name");
	bad("\"env\":{\"A\":1}", "Field \"env.A\": expected a string");
	good_filled("\"env\":{\"A\":\"", 120 * KIB, "\"}");
	bad_filled("\"env\":{\"A\":\"", 120 * KIB + 1, "\"}", "at most 120");
	bad_filled("\"env\":{\"", 257, "\":\"\"}", "is no variable name");
	many = repeated("\"env\":{", "\"A%d\":\"\"", 1001, "}");
	bad(many, "at most 1000 names");
	mem_free(many);
}

/* "env":{"A0":"xxx...","A1":...} of n values of 100 KiB */
static char *large_map(const char *name, int n)
{
	char *value = filled("\"A%d\":\"", 'x', 100 * KIB, "\"");
	char prefix[32], *map;

	snprintf(prefix, sizeof(prefix), "\"%s\":{", name);
	map = repeated(prefix, value, n, "}");
	mem_free(value);
	return map;
}

static void test_variables_altogether(void **state)
{
	char *env = large_map("env", 4), *three = large_map("env", 3);
	char *secrets = large_map("secrets", 3);
	char *both = text_of("%s,%s", three, secrets);
	struct request r;

	(void)state;
	bad(env, "Field \"env\": expected at most 400 KiB altogether");
	r = good(both); /* 300 + 2 * 300 */
	request_fini(&r);
	mem_free(both);
	mem_free(env);
	mem_free(three);
	mem_free(secrets);
}

/* All of it goes to the agent in one frame, secrets twice. */
static void test_secrets_and_variables_fit_a_frame(void **state)
{
	char *env = large_map("env", 3), *fill = filled("", 'x', 110 * KIB, "");
	char *both = text_of("%s,\"secrets\":{\"A\":\"%s\",\"B\":\"%s\","
			     "\"C\":\"%s\",\"D\":\"x\"}",
	    env, fill, fill, fill);

	(void)state; /* 300 + 2 * 330 KiB, and some bytes */
	bad(both, "Field \"secrets\": expected less: env and twice");
	mem_free(env);
	mem_free(fill);
	mem_free(both);
}

static void test_secrets_stand_apart(void **state)
{
	struct request r = good("\"secrets\":{\"TOKEN\":\"s3cr3t\"}");
	const char *text;
	size_t len;

	(void)state;
	assert_null(strstr(r.spec, "s3cr3t"));
	assert_null(strstr(r.metadata, "s3cr3t"));
	assert_non_null(strstr(r.canonical, "s3cr3t"));
	text = secret_expose(r.secrets, &len);
	assert_string_equal(text, "{\"TOKEN\":\"s3cr3t\"}");
	request_fini(&r);
	r = good("\"secrets\":{}");
	assert_null(r.secrets);
	request_fini(&r);
	bad("\"secrets\":\"x\"", "Field \"secrets\": expected an object");
	bad("\"secrets\":{\"A\":null}", "Field \"secrets.A\"");
}

/* -- steps ---------------------------------------------------------------- */

static void test_steps_are_checked(void **state)
{
	char *many;

	(void)state;
	bad("\"steps\":{}", "Field \"steps\": expected an array of 1 to 1000");
	bad("\"steps\":[]", "or no such field for a session");
	bad("\"steps\":[1]", "Field \"steps[0]\": expected an object");
	bad("\"steps\":[{}]",
	    "Field \"steps[0]\": expected either \"run\" or \"command\"");
	bad("\"steps\":[{\"run\":\"a\",\"command\":[\"b\"]}]", "either");
	bad("\"steps\":[{\"run\":\"a\"},{\"run\":\"\"}]",
	    "Field \"steps[1].run\": expected a script");
	bad("\"steps\":[{\"run\":1}]", "Field \"steps[0].run\"");
	bad_filled("\"steps\":[{\"run\":\"", 512 * KIB + 1, "\"}]", "512 KiB");
	good_filled("\"steps\":[{\"run\":\"", 512 * KIB, "\"}]");
	bad("\"steps\":[{\"run\":\"a\",\"shell\":\"\"}]",
	    "Field \"steps[0].shell\"");
	many = repeated("\"steps\":[", "{\"run\":\"%d\"}", 1001, "]");
	bad(many, "1 to 1000 steps");
	mem_free(many);
}

static void test_commands_are_checked(void **state)
{
	char *many;

	(void)state;
	bad("\"steps\":[{\"command\":\"ls\"}]",
	    "Field \"steps[0].command\": expected an array of 1 to 1000");
	bad("\"steps\":[{\"command\":[]}]", "1 to 1000 strings");
	bad("\"steps\":[{\"command\":[1]}]", "1 to 1000 strings");
	bad("\"steps\":[{\"command\":[\"\",\"x\"]}]", "a program");
	bad_filled("\"steps\":[{\"command\":[\"", 400 * KIB, "\"]}]",
	    "at most 400 KiB altogether");
	many = repeated("\"steps\":[{\"command\":[", "\"%d\"", 1001, "]}]");
	bad(many, "1 to 1000 strings");
	mem_free(many);
}

static void test_step_options_are_checked(void **state)
{
	(void)state;
	bad("\"steps\":[{\"run\":\"a\",\"name\":\"\"}]",
	    "Field \"steps[0].name\"");
	bad("\"steps\":[{\"run\":\"a\",\"if\":\"sometimes\"}]",
	    "Field \"steps[0].if\": expected \"success\", \"always\" or");
	bad("\"steps\":[{\"run\":\"a\",\"if\":true}]", "Field \"steps[0].if\"");
	bad("\"steps\":[{\"run\":\"a\",\"timeoutSeconds\":0}]",
	    "Field \"steps[0].timeoutSeconds\"");
	bad("\"steps\":[{\"run\":\"a\",\"continueOnError\":1}]",
	    "Field \"steps[0].continueOnError\": expected true or false");
	bad("\"steps\":[{\"run\":\"a\",\"env\":{\"-\":\"\"}}]",
	    "Field \"steps[0].env\"");
	bad_filled("\"steps\":[{\"run\":\"a\",\"workingDirectory\":\"", 1025,
	    "\"}]", "Field \"steps[0].workingDirectory\"");
}

static void test_steps_are_normalised(void **state)
{
	struct request r = good(
	    "\"network\":\"none\",\"timeoutSeconds\":60,\"steps\":["
	    "{\"run\":\"\\n  make all\\nmake test\",\"shell\":\"bash\","
	    "\"if\":\"always\",\"continueOnError\":true,\"timeoutSeconds\":5,"
	    "\"workingDirectory\":\"sub\",\"env\":{\"A\":\"b\"},\"junk\":1},"
	    "{\"command\":[\"ls\",\"\"],\"if\":\"failure\",\"name\":\"list\","
	    "\"continueOnError\":false},{\"run\":\"x\",\"if\":\"success\"}]");
	struct spec spec = {0};
	struct step_spec s;
	struct err err = ERR_INIT;

	(void)state;
	assert_false(r.is_session);
	assert_null(strstr(r.spec, "junk"));
	assert_int_equal(spec_load(&spec, r.spec, &err), 0);
	assert_int_equal(spec.nsteps, 3);
	assert_string_equal(spec.network, "none");
	assert_int_equal(spec.timeout_s, 60);
	spec_step(&spec, 0, &s);
	assert_string_equal(s.name, "make all ...");
	assert_string_equal(s.shell, "bash");
	assert_string_equal(s.working_directory, "sub");
	assert_int_equal(s.when, STEP_ALWAYS);
	assert_int_equal(s.timeout_s, 5);
	assert_true(s.continue_on_error);
	assert_null(s.command);
	spec_step(&spec, 1, &s);
	assert_string_equal(s.name, "list");
	assert_null(s.run);
	assert_int_equal(json_array_size(s.command), 2);
	assert_int_equal(s.when, STEP_ON_FAILURE);
	assert_false(s.continue_on_error);
	spec_step(&spec, 2, &s);
	assert_int_equal(s.when, STEP_ON_SUCCESS);
	assert_null(s.working_directory);
	spec_fini(&spec);
	request_fini(&r);
}

/* A name is cut between characters. */
static void test_long_step_names(void **state)
{
	struct spec spec = {0};
	struct step_spec s;
	struct err err = ERR_INIT;
	struct request r;
	struct buf b;

	(void)state;
	buf_init(&b, KIB * 16);
	assert_int_equal(buf_append_str(&b, "\"steps\":[{\"run\":\"x"), 0);
	for (int i = 0; i < 200; i++)
		assert_int_equal(buf_append_str(&b, "\xc3\xa4"), 0);
	assert_int_equal(
	    buf_append_str(&b, "\"},{\"run\":\"a\",\"name\":\"x"), 0);
	for (int i = 0; i < 127; i++)
		assert_int_equal(buf_append_str(&b, "\xc3\xa4"), 0);
	assert_int_equal(buf_append_str(&b, "\"}]"), 0);
	r = good(buf_str(&b));
	assert_int_equal(spec_load(&spec, r.spec, &err), 0);
	for (size_t i = 0; i < 2; i++) {
		json_t *valid;

		spec_step(&spec, i, &s);
		valid = json_string(s.name); /* NULL: not UTF-8 */
		assert_non_null(valid);
		assert_true(strlen(s.name) > 150);
		json_decref(valid);
	}
	spec_fini(&spec);
	request_fini(&r);
	buf_fini(&b);
}

static void test_damaged_specs(void **state)
{
	struct spec spec = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(spec_load(&spec, "{\"steps\":", &err), -1);
	assert_int_equal(err.kind, ERR_INTERNAL);
	assert_string_equal(err.code, "damaged_spec");
}

/* -- warnings and content ------------------------------------------------- */

static void test_unknown_fields_are_told(void **state)
{
	struct request r =
	    good("\"imgae\":\"x\",\"resources\":{\"ram\":1},"
		 "\"steps\":[{\"run\":\"a\"},{\"run\":\"b\",\"uses\":\"c\"}]");
	char *many;
	json_t *list;

	(void)state;
	assert_non_null(
	    strstr(r.warnings, "unknown field \\\"imgae\\\" was ignored"));
	assert_non_null(strstr(r.warnings, "\\\"resources.ram\\\""));
	assert_non_null(strstr(r.warnings, "\\\"steps[1].uses\\\""));
	request_fini(&r);
	many = repeated("", "\"u%d\":1", 1000, "");
	r = good(many);
	list = json_loads(r.warnings, 0, NULL);
	assert_int_equal(json_array_size(list), 20);
	json_decref(list);
	request_fini(&r);
	mem_free(many);
}

static void test_content_does_not_depend_on_order(void **state)
{
	struct request a = good("\"image\":\"x\",\"env\":{\"B\":\"1\","
				"\"A\":\"2\"}");
	struct request b = good("\"env\":{\"A\":\"2\",\"B\":\"1\"},"
				"\"image\":\"x\"");
	struct request c = good("\"image\":\"x\",\"env\":{\"B\":\"1\","
				"\"A\":\"3\"}");

	(void)state;
	assert_string_equal(a.canonical, b.canonical);
	assert_string_not_equal(a.canonical, c.canonical);
	request_fini(&a);
	request_fini(&b);
	request_fini(&c);
}

/* -- what a job finds in its environment ---------------------------------- */

static const char *value_of(const json_t *env, const char *key)
{
	return json_string_value(json_object_get(env, key));
}

static void test_environment_of_a_job(void **state)
{
	struct options options = {.step_debug = true};
	struct job job = {.id = {uuid_v7()},
	    .external_id = (char *)"build",
	    .run_id = (char *)"99",
	    .attempt = 2,
	    .repository = (char *)"owner/repo",
	    .workflow = (char *)"CI",
	    .metadata = (char *)"{\"sha\":\"abc\",\"ref\":\"refs/tags/v1\","
				"\"eventName\":\"push\",\"actor\":\"me\"}"};
	struct spec spec = {0};
	struct err err = ERR_INIT;
	json_t *env;

	(void)state;
	assert_int_equal(
	    spec_load(&spec, "{\"env\":{\"CI\":\"no\",\"X\":\"y\"}}", &err), 0);
	env = job_env_make(&options, &job, &spec);
	assert_string_equal(value_of(env, "GITHUB_REPOSITORY"), "owner/repo");
	assert_string_equal(value_of(env, "GITHUB_REPOSITORY_OWNER"), "owner");
	assert_string_equal(value_of(env, "GITHUB_RUN_ID"), "99");
	assert_string_equal(value_of(env, "GITHUB_RUN_ATTEMPT"), "2");
	assert_string_equal(value_of(env, "GITHUB_JOB"), "build");
	assert_string_equal(value_of(env, "GITHUB_SHA"), "abc");
	assert_string_equal(value_of(env, "GITHUB_REF"), "refs/tags/v1");
	assert_string_equal(value_of(env, "GITHUB_REF_NAME"), "v1");
	assert_string_equal(value_of(env, "GITHUB_REF_TYPE"), "tag");
	assert_string_equal(value_of(env, "RUNNER_NAME"), "runnerhub");
	assert_string_equal(value_of(env, "RUNNER_DEBUG"), "1");
	assert_string_equal(value_of(env, "CI"), "no"); /* the job's own wins */
	assert_string_equal(value_of(env, "X"), "y");
	json_decref(env);
	options.step_debug = false;
	job.workflow = NULL;
	job.metadata = (char *)"{\"ref\":\"main\"}";
	env = job_env_make(&options, &job, &spec);
	assert_null(value_of(env, "GITHUB_WORKFLOW"));
	assert_null(value_of(env, "GITHUB_REF_NAME"));
	assert_null(value_of(env, "RUNNER_DEBUG"));
	json_decref(env);
	spec_fini(&spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_body_is_a_json_object),
	    cmocka_unit_test(test_deep_nesting_is_refused),
	    cmocka_unit_test(test_needed_fields),
	    cmocka_unit_test(test_the_least_request),
	    cmocka_unit_test(test_job_ids_that_are_no_numbers),
	    cmocka_unit_test(test_repositories),
	    cmocka_unit_test(test_strings_have_bounds),
	    cmocka_unit_test(test_numbers_have_bounds),
	    cmocka_unit_test(test_images),
	    cmocka_unit_test(test_labels),
	    cmocka_unit_test(test_metadata),
	    cmocka_unit_test(test_resources),
	    cmocka_unit_test(test_limits_that_are_not_known_yet),
	    cmocka_unit_test(test_variables),
	    cmocka_unit_test(test_variables_altogether),
	    cmocka_unit_test(test_secrets_and_variables_fit_a_frame),
	    cmocka_unit_test(test_secrets_stand_apart),
	    cmocka_unit_test(test_steps_are_checked),
	    cmocka_unit_test(test_commands_are_checked),
	    cmocka_unit_test(test_step_options_are_checked),
	    cmocka_unit_test(test_steps_are_normalised),
	    cmocka_unit_test(test_long_step_names),
	    cmocka_unit_test(test_damaged_specs),
	    cmocka_unit_test(test_unknown_fields_are_told),
	    cmocka_unit_test(test_content_does_not_depend_on_order),
	    cmocka_unit_test(test_environment_of_a_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
