/*
 * What the tests of the spool share: a spool in a directory of its own, and
 * short forms of append and read that fail the test on an error.
 */
#ifndef TESTS_SPOOL_FIXTURE_H
#define TESTS_SPOOL_FIXTURE_H

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

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "spool/spool.h"

#define ID_A      "01890000-0000-7000-8000-0000000000a1"
#define ID_B      "01890000-0000-7000-8000-0000000000b2"
#define T0        (INT64_C(1700000000) * CLOCK_NS_PER_S) /* 2023-11-14T22:13:20Z */
#define STEP_NONE 0xffff

struct fixture {
	char dir[64];
	struct spool *spool;
	struct spool_config config;
};

/* A failed call ends the test with the error's own words. */
#define OK(call)                                                               \
	do {                                                                   \
		struct err *ok_err = &test_err;                                \
		err_clear(ok_err);                                             \
		if ((call) < 0)                                                \
			fail_msg("%s: %s", #call, ok_err->msg);                \
	} while (0)

static struct err test_err UNUSED;

static inline void fixture_open(struct fixture *f)
{
	f->config.dir = f->dir;
	OK(spool_open(&f->spool, &f->config, &test_err));
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	/* In memory where possible: thousands of syncs are not the point. */
	snprintf(f->dir, sizeof(f->dir), "%s/test-spool-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	fixture_open(f);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	spool_close(f->spool);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	if (system(command) != 0)
		return -1;
	mem_free(f);
	return 0;
}

/* The spool as a new process finds it. */
static inline void fixture_reopen(struct fixture *f)
{
	spool_close(f->spool);
	fixture_open(f);
}

static inline struct spool_log *log_open(
    struct fixture *f, const char *id, uint64_t *ret_agent_off)
{
	struct spool_log *log = NULL;
	uint64_t agent_off = 0;

	OK(spool_log_open(f->spool, id, &log, &agent_off, &test_err));
	if (ret_agent_off != NULL)
		*ret_agent_off = agent_off;
	return log;
}

static inline struct spool_record out_record(
    const char *text, int64_t time_ns, uint64_t agent_off)
{
	return (struct spool_record){.kind = SPOOL_OUT,
	    .stream = SPOOL_STDOUT,
	    .time_ns = time_ns,
	    .agent_off = agent_off,
	    .data = text,
	    .len = strlen(text)};
}

static inline void append_text(struct spool_log *log, const char *text)
{
	struct spool_record rec = out_record(text, T0, 0);

	OK(spool_append(log, &rec, 1, &test_err));
}

static inline void append_mark(struct spool_log *log, enum spool_kind kind,
    uint16_t step, int32_t code, const char *note)
{
	struct spool_record rec = {.kind = kind,
	    .step = step,
	    .code = code,
	    .time_ns = T0,
	    .data = note,
	    .len = strlen(note)};

	OK(spool_append(log, &rec, 1, &test_err));
}

/* The whole text as spool_read gives it; free with mem_free. */
static inline char *read_text(struct fixture *f, const char *id)
{
	struct buf b;

	buf_init(&b, 64 * 1024 * 1024);
	OK(spool_read(f->spool, id, 0, 16 * 1024 * 1024, &b, &test_err));
	return buf_steal(&b, NULL);
}

/* Everything a cursor gives until it has nothing more. */
static inline char *read_cursor(struct fixture *f, const char *id, uint64_t off,
    enum spool_format format, size_t max, bool *ret_end)
{
	struct spool_cursor *c = NULL;
	struct buf b;
	size_t before;
	bool end;

	buf_init(&b, 64 * 1024 * 1024);
	OK(spool_cursor_open(f->spool, id, off, format, &c, &test_err));
	do {
		before = b.len;
		OK(spool_cursor_read(c, max, &b, &end, &test_err));
	} while (!end && b.len > before);
	spool_cursor_close(c);
	if (ret_end != NULL)
		*ret_end = end;
	return buf_steal(&b, NULL);
}

static inline void assert_text(
    struct fixture *f, const char *id, const char *want)
{
	char *text = read_text(f, id);

	assert_string_equal(text, want);
	mem_free(text);
}

static inline void assert_cursor(struct fixture *f, const char *id,
    uint64_t off, enum spool_format format, const char *want)
{
	char *text = read_cursor(f, id, off, format, 65536, NULL);

	assert_string_equal(text, want);
	mem_free(text);
}

static inline struct spool_stat stat_of(struct fixture *f, const char *id)
{
	struct spool_stat st;

	OK(spool_stat(f->spool, id, &st, &test_err));
	return st;
}

static inline char *file_path(
    const struct fixture *f, const char *id, const char *suffix, char out[256])
{
	snprintf(out, 256, "%s/%s/%s%s", f->dir, id + 34, id, suffix);
	return out;
}

#endif
