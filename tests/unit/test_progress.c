/* How a step's end is judged: jobs/progress.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobs/progress.h"

static struct step_progress ended(uint32_t code, uint32_t flags)
{
	return (struct step_progress){.started = true,
	    .ended = true,
	    .end = {.code = code,
		.flags = flags,
		.mem_limit = 64 << 20,
		.mem_peak = 64 << 20}};
}

static void judges_by_code_and_flags(void **state)
{
	static const struct {
		uint32_t code, flags;
		bool failed;
	} cases[] = {
	    {0, 0, false},
	    {7, 0, true},
	    {0, WIRE_END_TIMEOUT, true},
	    {0, WIRE_END_CANCELLED, true},
	    {0, WIRE_END_NOT_STARTED, true},
	    {9, WIRE_END_SIGNALED, true},
	    /* a helper was killed for memory, the step went on and is well */
	    {0, WIRE_END_OOM, false},
	    /* the shell passed the killed program's end on */
	    {137, WIRE_END_OOM, true},
	    {9, WIRE_END_OOM | WIRE_END_SIGNALED, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct step_progress s = ended(cases[i].code, cases[i].flags);

		assert_int_equal(step_failed(&s), cases[i].failed);
	}
}

static void a_running_step_has_not_failed(void **state)
{
	struct step_progress s = {.started = true};

	(void)state;
	assert_false(step_failed(&s));
}

static void out_of_memory_is_told_with_limit_and_peak(void **state)
{
	struct step_progress s = ended(137, WIRE_END_OOM);
	char code[32], words[200];

	(void)state;
	step_describe(&s, 1, "build", code, words, sizeof(words));
	assert_string_equal(code, "out_of_memory");
	assert_string_equal(words,
	    "step 2 (build) ran out of memory (limit 64 MiB, peak 64 MiB)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(judges_by_code_and_flags),
	    cmocka_unit_test(a_running_step_has_not_failed),
	    cmocka_unit_test(out_of_memory_is_told_with_limit_and_peak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
