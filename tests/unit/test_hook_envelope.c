/* What the runner sends, and what it is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/defs.h"
#include "base/mem.h"
#include "hook/conversation.h"

static void parse(const char *text, struct hook_envelope *e)
{
	struct err err = ERR_INIT;

	if (envelope_parse(text, strlen(text), e, &err) != 0)
		fail_msg("%s", err.msg);
}

static void refuses(const char *text, const char *says)
{
	struct err err = ERR_INIT;
	struct hook_envelope e;

	assert_int_equal(envelope_parse(text, strlen(text), &e, &err), -1);
	assert_non_null(strstr(err.msg, says));
}

static void a_job_with_everything(void **state)
{
	struct hook_envelope e;

	(void)state;
	parse("{\"command\":\"prepare_job\",\"responseFile\":\"/r.json\","
	      "\"state\":null,\"args\":{\"container\":{\"image\":\"node:20\","
	      "\"dockerfile\":null,\"entryPointArgs\":[],\"entryPoint\":null,"
	      "\"workingDirectory\":\"/__w/r/r\",\"createOptions\":\"--cpus "
	      "1\",\"registry\":{\"username\":\"u\",\"password\":\"p\","
	      "\"serverUrl\":\"\"},\"environmentVariables\":{\"HOME\":\"/h\","
	      "\"Empty\":\"\",\"Null\":null,\"a=b\":\"x\",\"\":\"y\"},"
	      "\"portMappings\":[\"80\"],\"systemMountVolumes\":[{"
	      "\"userProvidedValue\":null,\"sourceVolumePath\":\"/w\","
	      "\"targetVolumePath\":\"/__w\",\"readOnly\":false}],"
	      "\"userMountVolumes\":[{\"sourceVolumePath\":null,"
	      "\"targetVolumePath\":\"/v\",\"readOnly\":true}],\"new\":1},"
	      "\"services\":[{\"image\":\"redis\",\"contextName\":\"cache\"},"
	      "{\"image\":\"db\"}]},\"unknown\":[]}\n",
	    &e);
	assert_int_equal(e.command, HOOK_PREPARE_JOB);
	assert_string_equal(e.response_file, "/r.json");
	assert_null(e.state);
	assert_true(e.has_container);
	assert_string_equal(e.container.image, "node:20");
	assert_null(e.container.dockerfile);
	assert_null(e.container.entry_point);
	assert_true(e.container.has_registry);
	assert_null(e.container.registry_server);
	assert_int_equal(e.container.env.n, 3);
	assert_string_equal(e.container.env.v[0], "HOME=/h");
	assert_string_equal(e.container.env.v[1], "Empty=");
	assert_string_equal(e.container.env.v[2], "Null=");
	assert_string_equal(e.container.system_mounts[0].source, "/w");
	assert_null(e.container.user_mounts[0].source);
	assert_true(e.container.user_mounts[0].read_only);
	assert_int_equal(e.nservices, 2);
	assert_string_equal(e.services[0].alias, "cache");
	assert_null(e.services[1].alias);
	assert_int_equal(e.services[1].ports.n, 0);
	envelope_fini(&e);
}

static void absent_null_and_empty_are_the_same(void **state)
{
	static const char *const jobs[] = {"{\"command\":\"prepare_job\"}",
	    "{\"command\":\"prepare_job\",\"args\":null,\"state\":null}",
	    "{\"command\":\"prepare_job\",\"args\":{},\"responseFile\":null}",
	    ("{\"command\":\"prepare_job\",\"args\":{\"container\":null,"
	     "\"services\":null}}"),
	    "{\"command\":\"prepare_job\",\"args\":{\"services\":[]}}"};
	struct hook_envelope e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		parse(jobs[i], &e);
		assert_false(e.has_container);
		assert_int_equal(e.nservices, 0);
		assert_null(e.response_file);
		envelope_fini(&e);
	}
	parse("{\"command\":\"run_script_step\",\"state\":{}}", &e);
	assert_non_null(e.state);
	assert_int_equal(e.container.entry_args.n, 0);
	assert_null(e.container.entry_args.v[0]);
	envelope_fini(&e);
}

static void names_match_in_any_case(void **state)
{
	struct hook_envelope e;

	(void)state;
	parse("{\"Command\":\"run_script_step\",\"ARGS\":{\"EntryPoint\":"
	      "\"sh\",\"entryPoint\":\"bash\",\"environmentvariables\":{"
	      "\"Path\":\"a\",\"PATH\":\"b\"}}}",
	    &e);
	assert_string_equal(e.container.entry_point, "bash");
	assert_int_equal(e.container.env.n, 2); /* keys are kept */
	envelope_fini(&e);
}

static void prepend_path_is_a_list_or_a_text(void **state)
{
	struct hook_envelope e;

	(void)state;
	parse("{\"command\":\"run_script_step\",\"args\":{\"prependPath\":"
	      "[\"/a\",\"/b\"]}}",
	    &e);
	assert_int_equal(e.container.prepend_path.n, 2);
	envelope_fini(&e);
	parse("{\"command\":\"run_script_step\",\"args\":{\"prependPath\":"
	      "\"/a:/b\"}}",
	    &e);
	assert_int_equal(e.container.prepend_path.n, 1);
	envelope_fini(&e);
	parse("{\"command\":\"run_script_step\",\"args\":{\"prependPath\":"
	      "\"\"}}",
	    &e);
	assert_int_equal(e.container.prepend_path.n, 0);
	envelope_fini(&e);
}

static void what_is_wrong_is_named(void **state)
{
	(void)state;
	refuses("", "not a JSON object");
	refuses("null", "not a JSON object");
	refuses("{} x", "not a JSON object");
	refuses("{}", "the command \"\"");
	refuses("{\"command\":7}", "\"command\"");
	refuses("{\"command\":\"run\"}", "\"run\"");
	refuses("{\"command\":\"cleanup_job\",\"state\":[]}", "\"state\"");
	refuses("{\"command\":\"cleanup_job\",\"args\":\"\"}", "\"args\"");
	refuses("{\"command\":\"prepare_job\",\"args\":{\"container\":1}}",
	    "\"container\"");
	refuses("{\"command\":\"run_script_step\",\"args\":{\"entryPointArgs\""
		":[null]}}",
	    "\"entryPointArgs\"");
	refuses("{\"command\":\"run_script_step\",\"args\":{\"entryPoint\":"
		"\"a\\u0000b\"}}",
	    "\"entryPoint\"");
	refuses("{\"command\":\"run_script_step\",\"args\":{"
		"\"environmentVariables\":{\"A\":\"secret\\u0000x\"}}}",
	    "\"environmentVariables\"");
	refuses("{\"command\":\"run_container_step\",\"args\":{"
		"\"systemMountVolumes\":[{\"readOnly\":\"yes\"}]}}",
	    "\"readOnly\"");
}

/* -- the answer
 * ---------------------------------------------------------------- */

static struct hook_made made(const char *image, const char *port)
{
	struct hook_made m = {.id = "abc", .ports = json_object()};

	m.image = mem_strdup(image);
	if (port != NULL)
		json_object_set_new(m.ports, port, json_string("32768"));
	return m;
}

static void expect_answer(
    struct hook_prepared *p, bool has_container, const char *wanted)
{
	CLEANUP(buf_fini) struct buf out = {.max = 65536};

	response_prepared(p, has_container, &out);
	assert_string_equal(buf_str(&out), wanted);
	hook_prepared_fini(p);
}

static void the_answer_keeps_the_rules_of_the_runner(void **state)
{
	struct hook_prepared job = {.state = json_pack("{s:s}", "a", "b"),
	    .network = mem_strdup("net"),
	    .has_container = true,
	    .container = made("node", "80"),
	    .is_alpine = true};
	struct hook_prepared services = {.network = mem_strdup("net"),
	    .services = mem_calloc(2, sizeof(struct hook_made)),
	    .nservices = 2};

	(void)state;
	services.services[0] = made("redis", "6379");
	services.services[1] = made("db", NULL);
	expect_answer(&job, true,
	    "{\"state\":{\"a\":\"b\"},\"context\":{\"container\":{\"id\":"
	    "\"abc\",\"network\":\"net\",\"ports\":{\"80\":\"32768\"}},"
	    "\"services\":[]},\"isAlpine\":true}");
	expect_answer(&services, false,
	    "{\"context\":{\"services\":[{\"id\":\"abc\",\"image\":\"redis\","
	    "\"ports\":{\"6379\":\"32768\"},\"network\":\"net\"},{\"id\":"
	    "\"abc\",\"image\":\"db\",\"ports\":{},\"network\":\"net\"}]}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_job_with_everything),
	    cmocka_unit_test(absent_null_and_empty_are_the_same),
	    cmocka_unit_test(names_match_in_any_case),
	    cmocka_unit_test(prepend_path_is_a_list_or_a_text),
	    cmocka_unit_test(what_is_wrong_is_named),
	    cmocka_unit_test(the_answer_keeps_the_rules_of_the_runner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
