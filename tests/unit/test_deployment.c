/*
 * components/: the five steps as a portal reads them, and what is kept of
 * faults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "components/deployment.h"
#include "components/faults.h"

#define SECOND CLOCK_NS_PER_S

static json_t *written(const struct deployment *d)
{
	struct buf text;
	struct json j;
	json_t *doc;

	buf_init(&text, 65536);
	json_init(&j, &text);
	deployment_write(d, &j);
	doc = json_loads(buf_str(&text), 0, NULL);
	assert_non_null(doc);
	buf_fini(&text);
	return doc;
}

static const char *step_text(const json_t *doc, size_t i, const char *key)
{
	return json_string_value(json_object_get(
	    json_array_get(json_object_get(doc, "steps"), i), key));
}

static int64_t overall(const json_t *doc)
{
	return json_integer_value(json_object_get(doc, "overallProgress"));
}

static bool flag(const json_t *doc, const char *key)
{
	assert_true(json_is_boolean(json_object_get(doc, key)));
	return json_is_true(json_object_get(doc, key));
}

static void each_step_is_a_fifth(void **state)
{
	struct deployment d;

	(void)state;
	deployment_begin(&d, SECOND);
	for (int i = 0; i < DEPLOY_STEPS; i++) {
		json_t *doc;

		deployment_enter(&d, (enum deployment_step)i, (i + 2) * SECOND);
		doc = written(&d);
		assert_int_equal(overall(doc), 20 * i);
		assert_string_equal(
		    step_text(doc, (size_t)i, "status"), "in_progress");
		assert_string_equal(
		    json_string_value(json_object_get(doc, "currentStep")),
		    step_text(doc, (size_t)i, "type"));
		assert_false(flag(doc, "isComplete"));
		json_decref(doc);
	}
}

static void all_of_it_done(void **state)
{
	struct deployment d;
	json_t *doc;

	(void)state;
	deployment_begin(&d, SECOND);
	deployment_enter(&d, DEPLOY_MONITOR, 2 * SECOND);
	deployment_complete(&d, 3 * SECOND);
	doc = written(&d);
	assert_int_equal(overall(doc), 100);
	assert_true(flag(doc, "isComplete") && !flag(doc, "hasError"));
	assert_string_equal(
	    json_string_value(json_object_get(doc, "currentStep")),
	    "monitoring_container");
	assert_string_equal(
	    json_string_value(json_object_get(doc, "completedAt")),
	    "1970-01-01T00:00:03.000Z");
	json_decref(doc);
}

static void a_failure_stands_at_its_step(void **state)
{
	struct deployment d;
	json_t *doc;

	(void)state;
	deployment_begin(&d, SECOND);
	deployment_enter(&d, DEPLOY_BUILD, 2 * SECOND);
	deployment_fail(&d, "RUN failed", 3 * SECOND);
	doc = written(&d);
	assert_int_equal(overall(doc), 40);
	assert_true(flag(doc, "isComplete") && flag(doc, "hasError"));
	assert_string_equal(step_text(doc, 2, "status"), "failed");
	assert_string_equal(step_text(doc, 2, "error"), "RUN failed");
	assert_string_equal(step_text(doc, 3, "status"), "pending");
	json_decref(doc);
}

static void what_has_no_value_is_left_out(void **state)
{
	struct deployment d;
	json_t *doc, *step;

	(void)state;
	deployment_begin(&d, SECOND);
	deployment_enter(&d, DEPLOY_DOWNLOAD, SECOND);
	doc = written(&d);
	step = json_array_get(json_object_get(doc, "steps"), 0);
	assert_null(json_object_get(step, "progress"));
	assert_null(json_object_get(step, "completedAt"));
	assert_null(json_object_get(step, "error"));
	assert_null(json_object_get(doc, "completedAt"));
	json_decref(doc);
}

static void percents_go_up_only_and_belong_to_the_current_step(void **state)
{
	struct deployment d;
	json_t *doc;

	(void)state;
	deployment_begin(&d, SECOND);
	deployment_enter(&d, DEPLOY_BUILD, SECOND);
	deployment_percent(&d, 60);
	deployment_percent(&d, 40);
	deployment_percent(&d, 101);
	doc = written(&d);
	assert_int_equal(
	    json_integer_value(json_object_get(
		json_array_get(json_object_get(doc, "steps"), 2), "progress")),
	    60);
	json_decref(doc);
	deployment_enter(&d, DEPLOY_START, 2 * SECOND);
	doc = written(&d);
	assert_null(json_object_get(
	    json_array_get(json_object_get(doc, "steps"), 2), "progress"));
	json_decref(doc);
}

/* -- faults ------------------------------------------------------------ */

static void a_code_is_set_once_and_the_engine_has_its_own(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(&err, ERR_INVALID, "engine_refused", "x"), -1);
	assert_int_equal(fault_set(&err, FAULT_BUILD), -1);
	assert_string_equal(fault_code(&err), FAULT_BUILD);
	assert_int_equal(fault_set(&err, FAULT_START), -1);
	assert_string_equal(fault_code(&err), FAULT_BUILD);
	assert_int_equal(
	    err_set(&err, ERR_UNAVAILABLE, "engine_down", "x"), -1);
	assert_int_equal(fault_set(&err, FAULT_BUILD), -1);
	assert_string_equal(fault_code(&err), FAULT_ENGINE_DOWN);
	assert_int_equal(err_set(&err, ERR_TIMEOUT, NULL, "x"), -1);
	assert_int_equal(fault_set(&err, FAULT_BUILD), -1);
	assert_string_equal(fault_code(&err), FAULT_TIMEOUT);
	assert_int_equal(err_set(&err, ERR_INTERNAL, NULL, "x"), -1);
	assert_string_equal(fault_code(&err), FAULT_UNKNOWN);
}

static void add(struct faults *f, const char *instance, int n)
{
	const struct fault_context in = {
	    .operation = "startComponent", .instance = instance};
	struct err err = ERR_INIT;

	assert_int_equal(
	    err_set(&err, ERR_INVALID, FAULT_PORT, "number %d", n), -1);
	faults_add(f, &err, &in);
}

static json_t *faults_of(struct faults *f, const char *instance, int64_t limit)
{
	struct buf text;
	struct json j;
	json_t *doc;

	buf_init(&text, 4 * 1024 * 1024);
	json_init(&j, &text);
	faults_write(f, instance, limit, &j);
	doc = json_loads(buf_str(&text), 0, NULL);
	assert_non_null(doc);
	buf_fini(&text);
	return doc;
}

static const char *message(const json_t *doc, size_t i)
{
	return json_string_value(
	    json_object_get(json_array_get(doc, i), "message"));
}

static void the_last_thousand_are_kept_oldest_first(void **state)
{
	struct faults f;
	json_t *doc;

	(void)state;
	faults_init(&f);
	for (int i = 0; i < FAULTS_KEPT + 5; i++)
		add(&f, i == FAULTS_KEPT ? "mine" : "other", i);
	doc = faults_of(&f, NULL, 0);
	assert_int_equal(json_array_size(doc), FAULTS_KEPT);
	assert_string_equal(message(doc, 0), "number 5");
	json_decref(doc);
	doc = faults_of(&f, NULL, 2);
	assert_int_equal(json_array_size(doc), 2);
	assert_string_equal(message(doc, 0), "number 1003");
	assert_string_equal(message(doc, 1), "number 1004");
	json_decref(doc);
	doc = faults_of(&f, "mine", 0);
	assert_int_equal(json_array_size(doc), 1);
	assert_string_equal(message(doc, 0), "number 1000");
	json_decref(doc);
	faults_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_step_is_a_fifth),
	    cmocka_unit_test(all_of_it_done),
	    cmocka_unit_test(a_failure_stands_at_its_step),
	    cmocka_unit_test(what_has_no_value_is_left_out),
	    cmocka_unit_test(
		percents_go_up_only_and_belong_to_the_current_step),
	    cmocka_unit_test(a_code_is_set_once_and_the_engine_has_its_own),
	    cmocka_unit_test(the_last_thousand_are_kept_oldest_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
