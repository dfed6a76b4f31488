/*
 * What an instance uses: the engine's documents (cgroup v1 as Docker 20.10
 * gave it, v2 in the shape of the API's reference), percents, and the words
 * of `docker stats`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "components/figures.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"

static const char v1[] =
    "{\"read\":\"2026-11-22T00:44:55.14307149Z\","
    "\"preread\":\"0001-01-01T00:00:00Z\",\"pids_stats\":{\"current\":1},"
    "\"blkio_stats\":{\"io_service_bytes_recursive\":["
    "{\"major\":8,\"minor\":0,\"op\":\"Read\",\"value\":4096},"
    "{\"major\":8,\"minor\":0,\"op\":\"Write\",\"value\":512},"
    "{\"major\":8,\"minor\":0,\"op\":\"Total\",\"value\":4608},"
    "{\"major\":9,\"minor\":0,\"op\":\"Read\",\"value\":1000}]},"
    "\"num_procs\":0,\"storage_stats\":{},"
    "\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":25787078,"
    "\"percpu_usage\":[17176720,8610358],\"usage_in_kernelmode\":0,"
    "\"usage_in_usermode\":10000000},\"system_cpu_usage\":46563850000000,"
    "\"online_cpus\":2},\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":0}},"
    "\"memory_stats\":{\"usage\":2424832,\"max_usage\":3817472,"
    "\"stats\":{\"cache\":1982464,\"inactive_file\":1982464,"
    "\"hierarchical_memory_limit\":9223372036854771712,"
    "\"total_inactive_file\":1982464},\"limit\":25276510208},"
    "\"name\":\"/clever_brown\",\"networks\":{"
    "\"eth0\":{\"rx_bytes\":200,\"tx_bytes\":7},"
    "\"eth1\":{\"rx_bytes\":1000,\"tx_bytes\":0}}}";

static const char v2[] =
    "{\"read\":\"2026-11-22T00:44:55Z\",\"pids_stats\":{\"current\":12,"
    "\"limit\":18446744073709551615},\"blkio_stats\":{"
    "\"io_service_bytes_recursive\":["
    "{\"major\":259,\"minor\":0,\"op\":\"read\",\"value\":81920},"
    "{\"major\":259,\"minor\":0,\"op\":\"write\",\"value\":12288}]},"
    "\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":3000000000},"
    "\"system_cpu_usage\":80000000000,\"online_cpus\":4},"
    "\"memory_stats\":{\"usage\":10485760,\"stats\":{\"anon\":8000000,"
    "\"file\":2097152,\"inactive_file\":2097152},\"limit\":104857600}}";

static const char stopped[] =
    "{\"read\":\"0001-01-01T00:00:00Z\",\"pids_stats\":{},"
    "\"blkio_stats\":{\"io_service_bytes_recursive\":null},"
    "\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":0}},\"memory_stats\":{}}";

static bool read_text(const char *text, struct engine_container_stats *ret)
{
	CLEANUP(json_decref)
	json_t *doc = answer_parse_quiet(text, strlen(text));

	assert_non_null(doc);
	return engine_container_stats_read(doc, ret);
}

static void the_document_of_cgroup_v1(void **state)
{
	struct engine_container_stats s;

	(void)state;
	assert_true(read_text(v1, &s));
	assert_int_equal(s.cpu_ns, 25787078);
	assert_int_equal(s.system_ns, 46563850000000);
	assert_int_equal(s.cpus, 2);
	assert_int_equal(s.memory_bytes, 2424832 - 1982464);
	assert_int_equal(s.memory_limit, 25276510208);
	assert_int_equal(s.pids, 1);
	assert_int_equal(s.rx_bytes, 1200);
	assert_int_equal(s.tx_bytes, 7);
	assert_int_equal(s.read_bytes, 5096);
	assert_int_equal(s.write_bytes, 512);
}

static void the_document_of_cgroup_v2(void **state)
{
	struct engine_container_stats s;

	(void)state;
	assert_true(read_text(v2, &s)); /* with a number beyond 64 bits */
	assert_int_equal(s.cpu_ns, 3000000000);
	assert_int_equal(s.cpus, 4);
	assert_int_equal(s.memory_bytes, 8388608);
	assert_int_equal(s.memory_limit, 104857600);
	assert_int_equal(s.pids, 12);
	assert_int_equal(s.rx_bytes, 0);
	assert_int_equal(s.read_bytes, 81920);
	assert_int_equal(s.write_bytes, 12288);
}

static void what_does_not_run_has_no_figures(void **state)
{
	struct engine_container_stats s;

	(void)state;
	assert_false(read_text(stopped, &s));
	assert_false(read_text("{}", &s));
	assert_false(read_text("[]", &s));
}

/* Half a second of one of four processors in one second: 50 %. */
static void percent_is_of_one_processor(void **state)
{
	struct engine_container_stats a, b;
	struct figure before, now;

	(void)state;
	assert_true(read_text(v2, &a));
	b = a;
	b.cpu_ns += 500000000;
	b.system_ns += 4000000000;
	figure_make(&before, &a, NULL, 1);
	assert_true(before.cpu_percent == 0);
	figure_make(&now, &b, &before, 2);
	assert_true(now.cpu_percent == 50);
	assert_true(figure_memory_percent(&now) == 8);
	b.cpu_ns = 1; /* started again: its counters too */
	figure_make(&now, &b, &before, 2);
	assert_true(now.cpu_percent == 0);
}

static void bytes_as_docker_writes_them(void **state)
{
	static const struct {
		int64_t n;
		int base;
		const char *text;
	} cases[] = {
	    {0, 1024, "0B"},
	    {1023, 1024, "1023B"},
	    {1024, 1024, "1KiB"},
	    {442368, 1024, "432KiB"},
	    {1289748, 1024, "1.23MiB"},
	    {25276510208, 1024, "23.54GiB"},
	    {-5, 1024, "0B"},
	    {INT64_MAX, 1024, "8EiB"},
	    {736, 1000, "736B"},
	    {1400, 1000, "1.4kB"},
	    {999499, 1000, "999kB"},
	    {999999, 1000, "1MB"},
	    {INT64_MAX, 1000, "9.22EB"},
	};
	char out[FIGURE_WORD];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(
		    figure_bytes(cases[i].n, cases[i].base, out),
		    cases[i].text);
}

static json_t *written(const struct figure *f, bool words)
{
	static const char id[] = "ca1abf840509c02f0a872904cf56e88c";
	CLEANUP(buf_fini) struct buf text = {.max = 4096};
	struct json j;
	json_t *doc;

	json_init(&j, &text);
	if (words)
		figure_write_words(f, id, "web", &j);
	else
		figure_write(f, id, &j);
	doc = json_loads(buf_str(&text), 0, NULL);
	assert_non_null(doc);
	return doc;
}

static void both_forms(void **state)
{
	static const struct {
		const char *key, *text;
	} words[] = {{"BlockIO", "81.9kB / 12.3kB"}, {"CPUPerc", "0.00%"},
	    {"Container", "ca1abf840509c02f0a872904cf56e88c"},
	    {"ID", "ca1abf840509"}, {"MemPerc", "8.00%"},
	    {"MemUsage", "8MiB / 100MiB"}, {"Name", "web"},
	    {"NetIO", "0B / 0B"}, {"PIDs", "12"}};
	CLEANUP(json_decref) json_t *object = NULL, *figures = NULL;
	struct engine_container_stats s;
	struct figure f;

	(void)state;
	assert_true(read_text(v2, &s));
	figure_make(&f, &s, NULL, 1);
	object = written(&f, true);
	assert_int_equal(json_object_size(object), ARRAY_LEN(words));
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		assert_string_equal(
		    answer_text(object, words[i].key), words[i].text);
	figures = written(&f, false);
	assert_int_equal(answer_int(figures, "memory.usage"), 8388608);
	assert_int_equal(answer_int(figures, "memory.limit"), 104857600);
	assert_int_equal(answer_int(figures, "memory.percentage"), 8);
	assert_int_equal(answer_int(figures, "io.writeBytes"), 12288);
	assert_true(json_is_number(answer_at(figures, "cpu.usage")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_document_of_cgroup_v1),
	    cmocka_unit_test(the_document_of_cgroup_v2),
	    cmocka_unit_test(what_does_not_run_has_no_figures),
	    cmocka_unit_test(percent_is_of_one_processor),
	    cmocka_unit_test(bytes_as_docker_writes_them),
	    cmocka_unit_test(both_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
