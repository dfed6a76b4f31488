/*
 * spool/ on an index of any bytes: readers answer or refuse, never misbehave,
 * and once the writer has recovered the log, everything reads clean and what
 * is appended comes back.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/fs.h"
#include "spool/spool.h"
#include "spool/spool_internal.h"

#define ID         "01890000-0000-7000-8000-0000000000a1"
#define TEXT       "one\ntwo\nthree\n\xe2\x82\xac and some more text\n"
#define NOTES      "build{\"a\":\"1\"}# summary of the step"
#define READ_MAX   (8 * 1024 * 1024)
#define INDEX_MAX  8192
#define CALLS_MAX  1000000
#define TEXT_BYTES (sizeof(TEXT) - 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct spool *spool;
static char dir[64];

static void remove_dir(void)
{
	char path[128];
	static const char *const suffixes[] = {".log", ".note", ".idx"};

	spool_close(spool);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		snprintf(
		    path, sizeof(path), "%s/a1/" ID "%s", dir, suffixes[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/a1", dir);
	rmdir(path);
	rmdir(dir);
}

static void open_once(void)
{
	struct spool_config config = {.dir = dir};
	struct err err = ERR_INIT;
	char path[128];

	if (spool != NULL)
		return;
	snprintf(dir, sizeof(dir), "%s/fuzz-spool-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	ASSERT(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/a1", dir);
	ASSERT(mkdir(path, 0700) == 0);
	ASSERT(spool_open(&spool, &config, &err) == 0);
	atexit(remove_dir);
}

static void put_file(const char *suffix, const void *bytes, size_t len)
{
	char path[128];
	struct err err = ERR_INIT;
	int fd;

	snprintf(path, sizeof(path), "%s/a1/" ID "%s", dir, suffix);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ASSERT(fd >= 0);
	ASSERT(fs_write_all(fd, bytes, len, &err) == 0);
	close(fd);
}

static int any_mark(void *arg, const struct spool_record *rec, struct err *err)
{
	(void)err;
	ASSERT(rec->kind != SPOOL_OUT && rec->kind <= SPOOL_SUMMARY);
	*(size_t *)arg += rec->len;
	return 0;
}

/* 0, or -1 when the log refused to be read. */
static int read_all(enum spool_format format, uint64_t off, struct buf *out)
{
	struct spool_cursor *c;
	struct err err = ERR_INIT;
	size_t before;
	bool end;
	int r = 0;

	buf_init(out, READ_MAX);
	ASSERT(spool_cursor_open(spool, ID, off, format, &c, &err) == 0);
	for (int i = 0; i < CALLS_MAX && r == 0; i++) {
		before = out->len;
		r = spool_cursor_read(c, 1000, out, &end, &err);
		if (end || out->len == before)
			break;
	}
	spool_cursor_close(c);
	return r;
}

static int read_shapes(void)
{
	static const uint64_t offsets[] = {0, 1, 5, TEXT_BYTES, 1000};
	struct err err = ERR_INIT;
	struct spool_stat st;
	size_t bytes = 0;
	struct buf out;
	int r = 0;

	if (spool_stat(spool, ID, &st, &err) < 0)
		return -1;
	ASSERT(st.text_bytes <= TEXT_BYTES + 5);
	for (int format = SPOOL_PLAIN; format <= SPOOL_JSONL; format++)
		for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
			if (read_all((enum spool_format)format, offsets[i],
				&out) < 0)
				r = -1;
			buf_fini(&out);
		}
	if (spool_marks(spool, ID, any_mark, &bytes, &err) < 0)
		r = -1;
	return r;
}

/*
 * Hardly any mutation gets a check right. So the last byte behind the whole
 * entries says which of them (by number modulo 8) get the check they need:
 * what is then wrong with them must be found by other means.
 */
static void mend_checks(uint8_t *index, size_t size)
{
	uint64_t entries = layout_entries(size);
	struct layout_entry e;

	if (size % LAYOUT_ENTRY_LEN == 0)
		return;
	for (uint64_t n = 0; n < entries; n++) {
		uint8_t *raw = index + layout_entry_at(n);

		if ((index[size - 1] >> n % 8 & 1) &&
		    layout_entry_get(raw, &e) == 0)
			layout_entry_put(raw, &e, n);
	}
}

/* Other files than those of the last input stand under the same name. */
static void forget_last(void)
{
	unsigned left;

	do {
		mtx_lock(&spool->mtx);
		left = spool->shared_count;
		mtx_unlock(&spool->mtx);
	} while (left > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct spool_record more = {
	    .kind = SPOOL_OUT, .data = "more\n", .len = 5};
	struct spool_log *log;
	struct err err = ERR_INIT;
	uint8_t index[INDEX_MAX];
	uint64_t agent_off;
	struct buf out;

	if (size > sizeof(index))
		return 0;
	if (size > 0)
		memcpy(index, data, size);
	mend_checks(index, size);
	open_once();
	forget_last();
	put_file(".log", TEXT, TEXT_BYTES);
	put_file(".note", NOTES, sizeof(NOTES) - 1);
	put_file(".idx", index, size);
	IGNORE(read_shapes()); /* may refuse: nothing has recovered it yet */
	if (spool_log_open(spool, ID, &log, &agent_off, &err) < 0) {
		ASSERT(strcmp(err.code, "log_damaged") == 0);
		return 0;
	}
	ASSERT(read_shapes() == 0);
	ASSERT(spool_append(log, &more, 1, &err) == 0 ||
	       strcmp(err.code, "log_full") == 0);
	ASSERT(read_shapes() == 0);
	ASSERT(read_all(SPOOL_PLAIN, 0, &out) == 0);
	buf_fini(&out);
	spool_log_close(log);
	return 0;
}
