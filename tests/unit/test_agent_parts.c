/* The agent's pure parts: users, file commands, commands, environments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/account.h"
#include "agent/cgroup.h"
#include "agent/command.h"
#include "agent/envlist.h"
#include "agent/filecmd.h"
#include "base/buf.h"

/* ---- account ---- */

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "broken line\n"
			     "bad:x:notanumber:5::/x:\n"
			     "app:x:1000:1001:App:/home/app:/bin/sh\n"
			     "1000:x:77:78::/odd:\n"
			     "noshell:x:1002:1003";
static const char group[] = "root:x:0:\n"
			    "app:x:1001:\n"
			    "video:x:44:other,app\n"
			    "audio:x:29:apples,app2\n"
			    "ops:x:50:root,app";

static struct account resolved(const char *user)
{
	struct account a;
	struct err err = ERR_INIT;

	assert_int_equal(account_resolve(user, passwd, group, &a, &err), 0);
	return a;
}

static void users_are_found_by_name_and_number(void **state)
{
	struct account a = resolved("app");

	(void)state;
	assert_int_equal(a.uid, 1000);
	assert_int_equal(a.gid, 1001);
	assert_string_equal(a.home, "/home/app");
	assert_int_equal(a.group_count, 3);
	assert_int_equal(a.groups[0], 1001);
	assert_int_equal(a.groups[1], 44);
	assert_int_equal(a.groups[2], 50);
	a = resolved("1000");
	assert_int_equal(a.uid, 1000);
	assert_int_equal(a.group_count, 3);
	a = resolved("");
	assert_int_equal(a.uid, 0);
	assert_int_equal(a.groups[a.group_count - 1], 50);
	a = resolved("noshell");
	assert_int_equal(a.uid, 1002);
	assert_string_equal(a.home, "");
}

static void numbers_need_no_entry(void **state)
{
	struct account a = resolved("4242");

	(void)state;
	assert_int_equal(a.uid, 4242);
	assert_int_equal(a.gid, 0);
	assert_int_equal(a.group_count, 1);
	a = resolved("4242:4343");
	assert_int_equal(a.gid, 4343);
	a = resolved("app:video");
	assert_int_equal(a.uid, 1000);
	assert_int_equal(a.gid, 44);
	assert_int_equal(a.group_count, 1);
	a = resolved("app:");
	assert_int_equal(a.gid, 1001);
}

static void unknown_users_are_refused(void **state)
{
	static const char *const bad[] = {"nobody", "app:nogroup", "-1",
	    "4294967295", "99999999999", "app:4294967295", ":5", "bad",
	    "broken line"};
	struct account a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(
		    account_resolve(bad[i], passwd, group, &a, &err), -1);
		assert_int_equal(err.kind, ERR_NOT_FOUND);
	}
}

/* ---- file commands ---- */

static void on_pair(void *arg, unsigned line, const char *key, size_t key_len,
    const char *value, size_t value_len)
{
	IGNORE(buf_printf(arg, "%u[%.*s|%.*s]", line, (int)key_len, key,
	    (int)value_len, value));
}

static void on_bad(void *arg, unsigned line, const char *why)
{
	(void)why;
	IGNORE(buf_printf(arg, "%u!", line));
}

static void assert_parsed(const char *text, size_t len, const char *want)
{
	struct filecmd_sink sink = {.pair = on_pair, .bad = on_bad};
	struct buf out;

	buf_init(&out, 1000);
	sink.arg = &out;
	filecmd_parse_pairs(text, len, &sink);
	assert_string_equal(buf_str(&out), want);
	buf_fini(&out);
}

static void pairs_are_parsed(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"", ""},
	    {"A=b", "1[A|b]"},
	    {"A=b=c\n\nB=\n", "1[A|b=c]3[B|]"},
	    {"A=b\r\nC=d\r\n", "1[A|b]2[C|d]"},
	    {"A<<END\nx\ny\nEND\nB=1", "1[A|x\ny]5[B|1]"},
	    {"A<<END\nEND\n", "1[A|]"},
	    {"A<<END\n\nEND\n", "1[A|]"},
	    {"A<<END\n\n\nEND\n", "1[A|\n]"},
	    {"A<<E\r\nx\r\ny\r\nE\r\n", "1[A|x\r\ny]"},
	    {"A=x<<y\n", "1[A|x<<y]"},
	    {"A<<B=C\nv\nB=C\n", "1[A|v]"},
	    {"junk\nA=1\n", "1!2[A|1]"},
	    {"=x\n<<E\nv\nE\nB=2", "1!2!5[B|2]"},
	    {"A<<END\nx\n", "1!"},
	    {"A<<\nB=1\n", "1!2[B|1]"},
	    {"\xef\xbb\xbf"
	     "A=1",
		"1[A|1]"},
	    {"A<<END\nEND2\n END\nEND", "1[A|END2\n END]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_parsed(
		    cases[i].text, strlen(cases[i].text), cases[i].want);
	assert_parsed("A=b\0c\nB=1", 9, "1!2[B|1]");
}

static void paths_are_lines(void **state)
{
	struct filecmd_sink sink = {.pair = on_pair, .bad = on_bad};
	const char *text = "/a b\n\n/c=d\r\n";
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	sink.arg = &out;
	filecmd_parse_paths(text, strlen(text), &sink);
	assert_string_equal(buf_str(&out), "1[|/a b]3[|/c=d]");
	buf_fini(&out);
}

static void reserved_names_are_known(void **state)
{
	(void)state;
	assert_true(filecmd_env_is_reserved("NODE_OPTIONS", 12));
	assert_true(filecmd_env_is_reserved("node_options", 12));
	assert_true(filecmd_env_is_reserved("GITHUB_SHA", 10));
	assert_true(filecmd_env_is_reserved("RUNNER_TEMP", 11));
	assert_false(filecmd_env_is_reserved("GITHUB", 6));
	assert_false(filecmd_env_is_reserved("NODE_OPTIONS2", 13));
	assert_false(filecmd_env_is_reserved("MY_GITHUB_X", 11));
}

/* ---- environments ---- */

static void later_settings_win(void **state)
{
	struct envlist a = {0}, b = {0};

	(void)state;
	assert_int_equal(envlist_set_str(&a, "A", "1"), 0);
	assert_int_equal(envlist_set_str(&a, "AB", "2"), 0);
	assert_int_equal(envlist_set_str(&b, "A", "three"), 0);
	assert_int_equal(envlist_merge(&a, &b), 0);
	assert_int_equal(a.n, 2);
	assert_string_equal(a.v[0], "A=three");
	assert_string_equal(envlist_get(&a, "AB"), "2");
	assert_null(envlist_get(&a, "B"));
	assert_null(a.v[2]);
	assert_int_equal(envlist_set_str(&a, "", "x"), -1);
	assert_int_equal(envlist_set_str(&a, "C=D", "x"), -1);
	envlist_fini(&a);
	envlist_fini(&b);
}

static void environments_are_bounded(void **state)
{
	struct envlist e = {0};
	char key[16];

	(void)state;
	for (int i = 0; i < ENVLIST_ENTRIES_MAX; i++) {
		snprintf(key, sizeof(key), "K%d", i);
		assert_int_equal(envlist_set_str(&e, key, ""), 0);
	}
	assert_int_equal(envlist_set_str(&e, "ONE_MORE", ""), -1);
	assert_int_equal(envlist_set_str(&e, "K7", "replaced"), 0);
	envlist_fini(&e);
}

/* ---- commands ---- */

static void put_run(struct buf *b, uint32_t kind)
{
	wire_put_u32(b, kind);
	wire_put_str(b, "build");
	if (kind == COMMAND_SCRIPT) {
		wire_put_str(b, "sh -e {0}");
		wire_put_str(b, "echo hi\n");
	} else {
		wire_put_u32(b, 2);
		wire_put_str(b, "ls");
		wire_put_str(b, "-l");
	}
	wire_put_u32(b, 1);
	wire_put_str(b, "K");
	wire_put_str(b, "v");
	wire_put_str(b, "sub");
	wire_put_u64(b, 5000);
	wire_put_u32(b, 100);
}

static void run_is_parsed_and_every_cut_is_refused(void **state)
{
	struct command_run run;
	struct err err = ERR_INIT;
	struct wire_reader r;
	struct buf b;

	(void)state;
	for (uint32_t kind = 0; kind < 2; kind++) {
		buf_init(&b, 1000);
		put_run(&b, kind);
		for (size_t cut = 0; cut < b.len; cut++) {
			r = (struct wire_reader){(uint8_t *)b.data, cut};
			assert_int_equal(command_run_parse(&r, &run, &err), -1);
			command_run_fini(&run);
		}
		r = (struct wire_reader){(uint8_t *)b.data, b.len};
		assert_int_equal(command_run_parse(&r, &run, &err), 0);
		assert_string_equal(run.name, "build");
		assert_string_equal(run.cwd, "sub");
		assert_int_equal(run.timeout_ms, 5000);
		assert_int_equal(run.grace_ms, 100);
		assert_string_equal(envlist_get(&run.env, "K"), "v");
		if (kind == COMMAND_SCRIPT)
			assert_string_equal(run.script.s, "echo hi\n");
		else
			assert_string_equal(run.argv[1], "-l");
		command_run_fini(&run);
		buf_fini(&b);
	}
}

static void job_refuses_what_is_out_of_bounds(void **state)
{
	struct command_job job;
	struct err err = ERR_INIT;
	struct wire_reader r;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	wire_put_str(&b, "app");
	wire_put_u32(&b, 0);
	wire_put_u32(&b, COMMAND_MASKS_MAX + 1);
	r = (struct wire_reader){(uint8_t *)b.data, b.len};
	assert_int_equal(command_job_parse(&r, &job, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	command_job_fini(&job);
	buf_clear(&b);
	wire_put_str(&b, "app");
	wire_put_u32(&b, 0);
	wire_put_u32(&b, 1);
	wire_put_str(&b, "mask");
	wire_put_str(&b, "relative/path");
	wire_put_u32(&b, 0);
	r = (struct wire_reader){(uint8_t *)b.data, b.len};
	assert_int_equal(command_job_parse(&r, &job, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	command_job_fini(&job);
	buf_fini(&b);
}

static void counters_are_found_by_their_name(void **state)
{
	const char *v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 17\n";
	const char *v2 = "low 0\nhigh 0\nmax 5\noom 2\noom_kill 3\n";

	(void)state;
	assert_int_equal(cgroup_text_value(v1, "oom_kill"), 17);
	assert_int_equal(cgroup_text_value(v2, "oom_kill"), 3);
	assert_int_equal(cgroup_text_value(v2, "oom"), 2);
	assert_int_equal(cgroup_text_value("", "oom"), 0);
	assert_int_equal(cgroup_text_value("oom_kill", "oom_kill"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(users_are_found_by_name_and_number),
	    cmocka_unit_test(numbers_need_no_entry),
	    cmocka_unit_test(unknown_users_are_refused),
	    cmocka_unit_test(pairs_are_parsed),
	    cmocka_unit_test(paths_are_lines),
	    cmocka_unit_test(reserved_names_are_known),
	    cmocka_unit_test(later_settings_win),
	    cmocka_unit_test(environments_are_bounded),
	    cmocka_unit_test(run_is_parsed_and_every_cut_is_refused),
	    cmocka_unit_test(job_refuses_what_is_out_of_bounds),
	    cmocka_unit_test(counters_are_found_by_their_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
