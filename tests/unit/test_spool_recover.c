/*
 * spool/: what is left after a crash at any byte and after a full disk. The
 * text is the records that the index holds whole, no more and no less, and
 * the agent's offset is that of the last of them.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "base/fs.h"
#include "spool/spool_internal.h"
#include "spool_fixture.h"

#define RECORDS 8

/* A small log, with what must be left after each number of records. */
static const struct spool_record small[RECORDS] = {
    {.kind = SPOOL_STEP_START, .agent_off = 10, .data = "ab", .len = 2},
    {.kind = SPOOL_OUT,
	.stream = 1,
	.agent_off = 20,
	.data = "one\n",
	.len = 4},
    {.kind = SPOOL_OUT, .stream = 2, .agent_off = 30, .data = "two", .len = 3},
    {.kind = SPOOL_NOTE, .data = "hub", .len = 3},
    {.kind = SPOOL_OUT,
	.stream = 1,
	.agent_off = 40,
	.data = "\n3\n",
	.len = 3},
    {.kind = SPOOL_OUTPUTS, .agent_off = 50, .data = "{}", .len = 2},
    {.kind = SPOOL_STEP_END, .agent_off = 60, .code = 1},
    {.kind = SPOOL_OUT, .stream = 1, .agent_off = 70, .data = "end", .len = 3},
};

struct state_after {
	uint64_t size[FILE_COUNT];
	uint64_t agent_off;
};

static struct state_after after(size_t kept)
{
	struct state_after a = {.size[FILE_INDEX] = layout_entry_at(kept)};

	for (size_t i = 0; i < kept; i++) {
		if (small[i].kind == SPOOL_OUT)
			a.size[FILE_TEXT] += small[i].len;
		else
			a.size[FILE_NOTE] += small[i].len;
		if (small[i].agent_off > 0)
			a.agent_off = small[i].agent_off;
	}
	return a;
}

/* How many records remain when the files have these lengths. */
static size_t kept_of(const uint64_t len[FILE_COUNT])
{
	for (size_t kept = RECORDS; kept > 0; kept--) {
		struct state_after a = after(kept);

		if (a.size[0] <= len[0] && a.size[1] <= len[1] &&
		    a.size[2] <= len[2])
			return kept;
	}
	return 0;
}

static struct buf originals[FILE_COUNT];

static void write_small(struct fixture *f)
{
	struct spool_log *log = log_open(f, ID_A, NULL);
	char path[256];

	OK(spool_append(log, small, 3, &test_err));
	OK(spool_append(log, small + 3, RECORDS - 3, &test_err));
	spool_log_close(log);
	for (int i = 0; i < FILE_COUNT; i++) {
		buf_init(&originals[i], 65536);
		OK(fs_read_file(file_path(f, ID_A, file_suffix[i], path),
		    &originals[i], &test_err));
	}
}

static void free_small(void)
{
	for (int i = 0; i < FILE_COUNT; i++)
		buf_fini(&originals[i]);
}

/* Waits until the spool knows nothing of any log: what follows changes files
 * behind its back. */
static void forget(struct fixture *f)
{
	int64_t deadline = clock_deadline_ms(60000);
	unsigned left;

	do {
		mtx_lock(&f->spool->mtx);
		left = f->spool->shared_count;
		mtx_unlock(&f->spool->mtx);
	} while (left > 0 && clock_mono_ns() < deadline);
	assert_int_equal(left, 0);
}

static void put_file(
    struct fixture *f, enum spool_file file, const void *data, size_t len)
{
	char path[256];
	FILE *out = fopen(file_path(f, ID_A, file_suffix[file], path), "w");

	assert_non_null(out);
	assert_int_equal(fwrite(data, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

static uint64_t size_of_file(struct fixture *f, enum spool_file file)
{
	char path[256];
	struct stat st;

	assert_int_equal(
	    stat(file_path(f, ID_A, file_suffix[file], path), &st), 0);
	return (uint64_t)st.st_size;
}

static int count_mark(
    void *arg, const struct spool_record *rec, struct err *err)
{
	const struct spool_record *want;
	size_t *at = arg;

	(void)err;
	while (*at < RECORDS && small[*at].kind == SPOOL_OUT)
		++*at;
	assert_true(*at < RECORDS);
	want = &small[(*at)++];
	assert_int_equal(rec->kind, want->kind);
	assert_int_equal(rec->code, want->code);
	assert_int_equal(rec->len, want->len);
	if (rec->len > 0)
		assert_memory_equal(rec->data, want->data, rec->len);
	return 0;
}

/* The log as readers see it holds the first `kept` records. */
static void check_kept(struct fixture *f, size_t kept)
{
	struct state_after want = after(kept);
	struct spool_stat st = stat_of(f, ID_A);
	size_t marks = 0;
	char *text;

	assert_int_equal(st.entries, kept);
	assert_int_equal(st.text_bytes, want.size[FILE_TEXT]);
	text = read_text(f, ID_A);
	assert_int_equal(strlen(text), want.size[FILE_TEXT]);
	assert_memory_equal(text, originals[FILE_TEXT].data, strlen(text));
	mem_free(text);
	OK(spool_marks(f->spool, ID_A, count_mark, &marks, &test_err));
	assert_true(marks <= kept);
}

static void check_lengths(struct fixture *f, const uint64_t len[FILE_COUNT])
{
	size_t kept = kept_of(len);
	struct state_after want = after(kept);
	struct spool_log *log;
	uint64_t agent_off;

	forget(f);
	for (int i = 0; i < FILE_COUNT; i++)
		put_file(f, (enum spool_file)i, originals[i].data, len[i]);
	check_kept(f, kept);
	log = log_open(f, ID_A, &agent_off);
	assert_int_equal(agent_off, want.agent_off);
	for (int i = 0; i < FILE_COUNT; i++)
		assert_int_equal(
		    size_of_file(f, (enum spool_file)i), want.size[i]);
	check_kept(f, kept);
	/* The agent sends the rest again. */
	OK(spool_append(log, small + kept, RECORDS - kept, &test_err));
	check_kept(f, RECORDS);
	spool_log_close(log);
}

static void files_cut_at_any_byte_recover(void **state)
{
	struct fixture *f = *state;
	uint64_t full[FILE_COUNT], len[FILE_COUNT];

	write_small(f);
	for (int i = 0; i < FILE_COUNT; i++)
		full[i] = originals[i].len;
	for (int i = 0; i < FILE_COUNT; i++) {
		memcpy(len, full, sizeof(len));
		for (len[i] = 0; len[i] <= full[i]; len[i]++)
			check_lengths(f, len);
	}
	/* Both at once: all texts with the index around each entry. */
	memcpy(len, full, sizeof(len));
	for (len[0] = 0; len[0] <= full[0]; len[0]++)
		for (size_t n = 0; n <= RECORDS; n++)
			for (uint64_t d = 0; d <= 2; d++) {
				len[2] = layout_entry_at(n) + d - 1;
				if (len[2] <= full[2])
					check_lengths(f, len);
			}
	free_small();
}

static void bytes_behind_the_last_entry_are_cut_off(void **state)
{
	struct fixture *f = *state;
	uint64_t agent_off;
	struct spool_log *log;

	write_small(f);
	IGNORE(buf_append_str(&originals[FILE_TEXT], "half a rec"));
	IGNORE(buf_append_str(&originals[FILE_INDEX], "torn"));
	forget(f);
	for (int i = 0; i < FILE_COUNT; i++)
		put_file(
		    f, (enum spool_file)i, originals[i].data, originals[i].len);
	check_kept(f, RECORDS);
	log = log_open(f, ID_A, &agent_off);
	assert_int_equal(agent_off, 70);
	assert_int_equal(
	    size_of_file(f, FILE_TEXT), after(RECORDS).size[FILE_TEXT]);
	spool_log_close(log);
	free_small();
}

static void a_damaged_entry_ends_the_log_for_its_writer(void **state)
{
	struct fixture *f = *state;
	size_t bits = layout_entry_at(RECORDS) * 8;

	write_small(f);
	for (size_t bit = LAYOUT_HEADER_LEN * 8; bit < bits; bit += 5) {
		size_t kept = (bit / 8 - LAYOUT_HEADER_LEN) / LAYOUT_ENTRY_LEN;
		struct spool_log *log;
		uint64_t off;

		forget(f);
		originals[FILE_INDEX].data[bit / 8] ^= (char)(1 << bit % 8);
		for (int i = 0; i < FILE_COUNT; i++)
			put_file(f, (enum spool_file)i, originals[i].data,
			    originals[i].len);
		originals[FILE_INDEX].data[bit / 8] ^= (char)(1 << bit % 8);
		log = log_open(f, ID_A, &off);
		assert_int_equal(off, after(kept).agent_off);
		check_kept(f, kept);
		spool_log_close(log);
	}
	free_small();
}

static void a_foreign_index_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct spool_log *log;
	uint64_t off;

	write_small(f);
	forget(f);
	originals[FILE_INDEX].data[8] = 2; /* a version of tomorrow */
	put_file(f, FILE_INDEX, originals[FILE_INDEX].data,
	    originals[FILE_INDEX].len);
	assert_int_equal(spool_log_open(f->spool, ID_A, &log, &off, &err), -1);
	assert_string_equal(err.code, "log_damaged");
	for (int i = 0; i < FILE_COUNT; i++)
		assert_int_equal(
		    size_of_file(f, (enum spool_file)i), originals[i].len);
	free_small();
}

/* -- kill -9 -------------------------------------------------------------- */

#define LINE_LEN 16

/* Numbered lines for ever; line n stands for agent offset n. */
static NORETURN void append_for_ever(struct fixture *f)
{
	struct spool_record recs[3];
	char lines[3][LINE_LEN + 1];
	struct spool_log *log;
	struct spool *s;
	struct err err = ERR_INIT;
	uint64_t n;

	if (spool_open(&s, &f->config, &err) < 0 ||
	    spool_log_open(s, ID_A, &log, &n, &err) < 0)
		_exit(2);
	for (;;) {
		for (int i = 0; i < 3; i++) {
			snprintf(lines[i], sizeof(lines[i]), "line %10u\n",
			    (unsigned)++n);
			recs[i] = out_record(lines[i], T0, n);
		}
		recs[2].kind = SPOOL_NOTE;
		if (spool_append(log, recs, 3, &err) < 0)
			_exit(3);
	}
}

/* Lines 1, 2, 4, 5, 7, ... in order, the last one that of agent_off. */
static void check_lines(struct fixture *f)
{
	struct spool_log *log;
	uint64_t agent_off, n = 0;
	char line[LINE_LEN + 1], *text;

	log = log_open(f, ID_A, &agent_off);
	text = read_text(f, ID_A);
	for (const char *p = text; *p != '\0'; p += LINE_LEN) {
		n += n % 3 == 2 ? 2 : 1;
		snprintf(line, sizeof(line), "line %10u\n", (unsigned)n);
		assert_memory_equal(p, line, LINE_LEN);
	}
	if (agent_off % 3 == 0 && agent_off > 0)
		n++; /* the last record is a note */
	assert_int_equal(n, agent_off);
	mem_free(text);
	spool_log_close(log);
}

static void wait_dead(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void a_writer_killed_at_any_moment_leaves_whole_records(void **state)
{
	struct fixture *f = *state;
	char path[256];
	struct stat st;

	spool_close(f->spool); /* no thread of ours across fork */
	for (off_t grown = 1; grown < 400000; grown = grown * 2 + 4099) {
		pid_t pid = fork();

		if (pid == 0)
			append_for_ever(f);
		file_path(f, ID_A, ".log", path);
		do
			st.st_size = 0;
		while (stat(path, &st) < 0 || st.st_size < grown);
		kill(pid, SIGKILL);
		wait_dead(pid);
		fixture_open(f);
		check_lines(f);
		spool_close(f->spool);
	}
	fixture_open(f);
}

static void a_death_between_the_writes_leaves_whole_records(void **state)
{
	struct fixture *f = *state;
	static const char *const points[] = {"spool_text_written:1",
	    "spool_text_written:5", "spool_notes_written:1",
	    "spool_notes_written:7", "spool_recover_index_cut:1"};

	spool_close(f->spool);
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		pid_t pid = fork();

		if (pid == 0) {
			setenv("RUNNERHUB_FAULT", points[i], 1);
			fault_setup();
			append_for_ever(f);
		}
		wait_dead(pid);
		fixture_open(f);
		check_lines(f);
		spool_close(f->spool);
	}
	fixture_open(f);
}

/* -- no room -------------------------------------------------------------- */

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The limit falls at each byte of text, notes and index in turn. */
static void an_append_without_room_keeps_nothing(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct spool_log *log;
	int r;

	write_small(f);
	signal(SIGXFSZ, SIG_IGN);
	for (rlim_t limit = 0; limit <= layout_entry_at(RECORDS); limit += 3) {
		OK(spool_remove(f->spool, ID_A, &test_err));
		log = log_open(f, ID_A, NULL);
		set_file_limit(limit);
		r = spool_append(log, small, RECORDS, &err);
		set_file_limit(RLIM_INFINITY);
		if (limit < layout_entry_at(RECORDS)) {
			assert_int_equal(r, -1);
			assert_int_equal(err.kind, ERR_UNAVAILABLE);
			assert_string_equal(err.code, "disk_full");
			check_kept(f, 0);
			assert_int_equal(size_of_file(f, FILE_TEXT), 0);
			assert_int_equal(size_of_file(f, FILE_NOTE), 0);
			assert_int_equal(
			    size_of_file(f, FILE_INDEX), LAYOUT_HEADER_LEN);
			OK(spool_append(log, small, RECORDS, &test_err));
		}
		check_kept(f, RECORDS);
		spool_log_close(log);
	}
	free_small();
}

static void make_room(const char *ballast)
{
	assert_int_equal(unlink(ballast), 0);
}

static void a_full_disk_refuses_and_goes_on_later(void **state)
{
	struct fixture *f = *state;
	char mount_dir[128], ballast[160], block[4096] = {0};
	struct err err = ERR_INIT;
	struct spool_log *log;
	uint64_t agent_off;
	struct spool_record rec;
	int fd;

	snprintf(mount_dir, sizeof(mount_dir), "%s/full", f->dir);
	assert_int_equal(mkdir(mount_dir, 0700), 0);
	if (mount("none", mount_dir, "tmpfs", 0, "size=128k") < 0)
		skip(); /* only root may */
	spool_close(f->spool);
	f->config.dir = mount_dir;
	OK(spool_open(&f->spool, &f->config, &test_err));
	log = log_open(f, ID_A, NULL);
	append_text(log, "before\n");
	snprintf(ballast, sizeof(ballast), "%s/ballast", mount_dir);
	fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		continue;
	close(fd);
	memset(block, 'x', sizeof(block) - 1);
	rec = out_record(block, T0, 99);
	assert_int_equal(spool_append(log, &rec, 1, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_string_equal(err.code, "disk_full");
	assert_text(f, ID_A, "before\n");
	make_room(ballast);
	OK(spool_append(log, &rec, 1, &test_err));
	spool_log_close(log);
	log = log_open(f, ID_A, &agent_off);
	assert_int_equal(agent_off, 99);
	fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		continue;
	close(fd);
	spool_log_finish(log, T0);
	spool_close(f->spool);
	OK(spool_open(&f->spool, &f->config, &test_err));
	assert_true(stat_of(f, ID_A).ended);
	spool_close(f->spool);
	assert_int_equal(umount(mount_dir), 0);
	fixture_open(f);
}

/* -- on the disk ---------------------------------------------------------- */

static uint64_t flushes(struct spool *s)
{
	uint64_t r;

	mtx_lock(&s->mtx);
	r = s->flushes;
	mtx_unlock(&s->mtx);
	return r;
}

static bool is_dirty(struct spool_log *log)
{
	bool r;

	mtx_lock(&log->shared->mtx);
	r = log->dirty != 0 || log->syncing != 0;
	mtx_unlock(&log->shared->mtx);
	return r;
}

static void what_is_appended_gets_to_the_disk_by_itself(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);
	int64_t deadline = clock_deadline_ms(60000);

	append_text(log, "x");
	while (is_dirty(log) && clock_mono_ns() < deadline)
		sched_yield();
	assert_false(is_dirty(log));
	assert_true(flushes(f->spool) > 0);
	spool_log_close(log);
}

static void sync_leaves_nothing_for_the_flusher(void **state)
{
	struct fixture *f = *state;
	struct spool_log *log = log_open(f, ID_A, NULL);

	append_text(log, "x");
	OK(spool_sync(log, &test_err));
	mtx_lock(&log->shared->mtx);
	assert_int_equal(log->dirty, 0);
	mtx_unlock(&log->shared->mtx);
	spool_log_close(log);
}

#define T(fn)                                                                  \
	cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(files_cut_at_any_byte_recover),
	    T(bytes_behind_the_last_entry_are_cut_off),
	    T(a_damaged_entry_ends_the_log_for_its_writer),
	    T(a_foreign_index_is_left_alone),
	    T(a_writer_killed_at_any_moment_leaves_whole_records),
	    T(a_death_between_the_writes_leaves_whole_records),
	    T(an_append_without_room_keeps_nothing),
	    T(a_full_disk_refuses_and_goes_on_later),
	    T(what_is_appended_gets_to_the_disk_by_itself),
	    T(sync_leaves_nothing_for_the_flusher),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
