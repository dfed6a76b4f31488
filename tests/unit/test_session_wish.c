/* A session's wish: checked, parted by where it is kept, read back; and the
 * credentials that are kept in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/mem.h"
#include "jobs/registries.h"
#include "jobs/request.h"
#include "jobs/session_wish.h"
#include "jobs/spec.h"

static const struct request_limits limits = {
    .cpus_max = 8, .memory_max_bytes = INT64_C(8) << 30, .timeout_max_s = 3600};

static int parse(struct request *r, const char *more, struct err *err)
{
	char *body = mem_printf("{\"jobId\":\"7\",\"runId\":\"r\","
				"\"repository\":\"o/r\",%s}",
	    more);
	int got;

	*err = (struct err)ERR_INIT;
	got = request_parse(r, body, strlen(body), &limits, err);
	mem_free(body);
	return got;
}

static struct request good(const char *more)
{
	struct request r;
	struct err err;

	if (parse(&r, more, &err) < 0)
		fail_msg("%.200s: %s", more, err.msg);
	assert_true(r.is_session);
	return r;
}

static void bad(const char *more, const char *field)
{
	struct request r;
	struct err err;
	char *quoted = mem_printf("\"%s\"", field);

	if (parse(&r, more, &err) == 0)
		fail_msg("accepted: %.200s", more);
	assert_string_equal(err.code, "invalid_field");
	if (strstr(err.msg, quoted) == NULL)
		fail_msg("%.200s\nsays %s", more, err.msg);
	mem_free(quoted);
}

static json_t *parsed(const struct secret *s)
{
	size_t len;
	const char *text = secret_expose(s, &len);

	return json_loadb(text, len, 0, NULL);
}

static const char full[] =
    "\"container\":{\"image\":\"node:20\",\"Registry\":{\"username\":\"u\","
    "\"password\":\"pw-1\",\"serverUrl\":\"r.io\"},"
    "\"environmentVariables\":{\"TOKEN\":\"tok-1\",\"npm_config_a-b\":\"2\"},"
    "\"createOptions\":\"-e LATE=tok-2\"},"
    "\"services\":[{\"image\":\"redis:7\",\"contextName\":\"db\"}],"
    "\"secrets\":{\"PASS\":\"s-1\"}";

static void test_parts(void **state)
{
	struct request r = good(full);
	json_t *sealed = parsed(r.secrets), *kept = parsed(r.registries);
	const json_t *wish = json_object_get(sealed, SESSION_WISH);
	struct spec spec;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(spec_load(&spec, r.spec, &err), 0);
	assert_string_equal(spec.image, "node:20");
	assert_string_equal(
	    json_string_value(json_object_get(spec.root, "profile")), "runner");
	assert_true(session_wish_is_made(&spec));
	assert_true(session_wish_has_network(&spec));
	assert_true(session_wish_has_container(&spec));
	/* What everybody may see holds nothing of a workflow's values. */
	for (const char *const *s =
		 (const char *const[]){"tok-1", "tok-2", "pw-1", "s-1", NULL};
	     *s != NULL; s++)
		assert_null(strstr(r.spec, *s));
	/* The password is in memory and in no sealed text. */
	assert_non_null(json_object_get(wish, "container"));
	assert_null(
	    json_object_get(json_object_get(wish, "container"), "Registry"));
	assert_string_equal(
	    json_string_value(json_object_get(
		json_object_get(kept, "container"), "password")),
	    "pw-1");
	assert_true(
	    json_is_null(json_array_get(json_object_get(kept, "services"), 0)));
	assert_non_null(strstr(r.canonical, "pw-1")); /* counts for a repeat */
	json_decref(sealed);
	json_decref(kept);
	spec_fini(&spec);
	request_fini(&r);
}

static void test_variables(void **state)
{
	struct request r = good(full);
	json_t *sealed = parsed(r.secrets), *env = json_object();
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(session_wish_take_env(sealed, env, &err), 0);
	assert_int_equal(json_object_size(sealed), 1);
	assert_string_equal(
	    json_string_value(json_object_get(sealed, "PASS")), "s-1");
	assert_string_equal(
	    json_string_value(json_object_get(env, "TOKEN")), "tok-1");
	assert_string_equal(
	    json_string_value(json_object_get(env, "npm_config_a-b")), "2");
	assert_string_equal(
	    json_string_value(json_object_get(env, "LATE")), "tok-2");
	json_decref(sealed);
	json_decref(env);
	request_fini(&r);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *more, *profile, *image;
		bool made, network, container;
	} cases[] = {
	    {"\"attempt\":1", "strict", NULL, false, false, false},
	    {"\"profile\":\"runner\"", "runner", NULL, false, false, false},
	    {"\"container\":null", "runner", NULL, true, true, false},
	    {"\"services\":[]", "runner", NULL, true, true, false},
	    {"\"container\":null,\"services\":[{\"image\":\"redis\"}]",
		"runner", "redis", true, true, false},
	    {"\"image\":\"a\",\"services\":[{\"image\":\"redis\"}]", "runner",
		"a", true, true, false},
	    {"\"nested\":{\"work\":\"/w\"}", "runner", NULL, true, false,
		false},
	    {"\"container\":{\"image\":\"b\"},\"profile\":\"strict\"", "strict",
		"b", true, true, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct request r = good(cases[i].more);
		struct err err = ERR_INIT;
		struct spec spec;

		assert_int_equal(spec_load(&spec, r.spec, &err), 0);
		assert_string_equal(
		    spec.profile != NULL ? spec.profile : "strict",
		    cases[i].profile);
		if (cases[i].image != NULL)
			assert_string_equal(spec.image, cases[i].image);
		else
			assert_null(spec.image);
		assert_int_equal(session_wish_is_made(&spec), cases[i].made);
		assert_int_equal(
		    session_wish_has_network(&spec), cases[i].network);
		assert_int_equal(
		    session_wish_has_container(&spec), cases[i].container);
		assert_null(r.registries);
		spec_fini(&spec);
		request_fini(&r);
	}
}

static void test_refused(void **state)
{
	char *many;

	(void)state;
	bad("\"container\":{}", "container.image");
	bad("\"container\":[]", "container");
	bad("\"container\":{\"image\":\"a\",\"dockerfile\":\"/d\"}",
	    "container.dockerfile");
	bad("\"container\":{\"image\":\"a\",\"environmentVariables\":[]}",
	    "container");
	bad("\"container\":{\"image\":\"a\",\"probe\":{}}",
	    "container.probe.path");
	bad("\"services\":[{\"image\":\"a\"},{\"image\":\" \"}]",
	    "services[1].image");
	bad("\"services\":\"a\"", "services");
	bad("\"nested\":{}", "nested.work");
	bad("\"nested\":{\"work\":\"/\"}", "nested.work");
	bad("\"nested\":{\"work\":\"/a/..\"}", "nested.work");
	bad("\"nested\":{\"work\":\"/a//b\"}", "nested.work");
	bad("\"nested\":{\"work\":\"/a:b\"}", "nested.work");
	bad("\"nested\":{\"work\":\"/a/\"}", "nested.work");
	bad("\"profile\":\"none\"", "profile");
	bad("\"keepLog\":0", "keepLog");
	bad("\"services\":[],\"network\":\"none\"", "network");
	bad("\"keepLog\":true,\"steps\":[{\"run\":\"x\"}]", "keepLog");
	bad("\"container\":null,\"steps\":[{\"run\":\"x\"}]", "container");
	many = mem_printf("\"container\":{\"image\":\"a\","
			  "\"environmentVariables\":{\"A\":\"%0*d\"}}",
	    400 * 1024, 0);
	bad(many, "container.environmentVariables");
	mem_free(many);
}

/* -- credentials ------------------------------------------------------- */

static bool is_first(void *arg, struct uuid job)
{
	return uuid_equal(*(struct uuid *)arg, job);
}

static bool has(struct registries *r, struct uuid job, const char *text)
{
	struct secret *s = registries_get(r, job);
	bool same = s != NULL && strcmp(secret_expose(s, NULL), text) == 0;

	secret_free(s);
	return same;
}

static void test_registries(void **state)
{
	struct uuid one = uuid_v7(), two = uuid_v7();
	struct secret *a = secret_new("a", 1), *b = secret_new("b", 1);
	struct registries *r = registries_new();

	(void)state;
	assert_null(registries_get(r, one));
	registries_put(r, one, a);
	registries_put(r, two, a);
	registries_put(r, one, b); /* replaces */
	assert_true(has(r, one, "b"));
	assert_true(has(r, two, "a"));
	registries_keep(r, is_first, &one);
	assert_null(registries_get(r, two));
	assert_true(has(r, one, "b"));
	registries_forget(r, one);
	registries_forget(r, one);
	assert_null(registries_get(r, one));
	for (int i = 0; i < 10001; i++)
		registries_put(r, i == 0 ? two : uuid_v7(), a);
	assert_null(registries_get(r, two)); /* the oldest went */
	secret_free(a);
	secret_free(b);
	registries_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_variables),
	    cmocka_unit_test(test_kinds),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_registries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
