/*
 * Measures the spool alone, beside the floor of the same bytes written by
 * plain write(2).
 *
 *   spool_bench <directory> [MiB per run=512] [followers=1000]
 *
 * Appends in records of 64 KiB, 4 KiB and 100 bytes, in batches of 256 KiB
 * as a hub reads them from an agent, and one record at a time; what an
 * append costs with many followers in each shape; opening (with recovery) a
 * log of 1 GiB. Prints one line each.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/uuid.h"
#include "spool/spool.h"

#define MIB         (1024.0 * 1024.0)
#define BATCH_BYTES (256 * 1024)
#define BATCH_MAX   (BATCH_BYTES / 100)
#define BIG_BYTES   (INT64_C(1) << 30)

static const char *dir;
static struct spool *spool;
static char data[BATCH_BYTES];

static void must(int result, const struct err *err)
{
	if (result >= 0)
		return;
	fprintf(stderr, "spool_bench: %s\n", err->msg);
	exit(1);
}

static double seconds_since(int64_t begin_ns)
{
	return (double)(clock_mono_ns() - begin_ns) / (double)CLOCK_NS_PER_S;
}

/* Text like that of a build: lines of 80 characters. */
static void fill_data(void)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i % 80 == 79 ? '\n' : (char)('a' + i % 26);
}

static struct spool_log *open_new(char id[UUID_TEXT_LEN])
{
	struct spool_log *log;
	struct err err = ERR_INIT;
	uint64_t agent_off;

	uuid_text(uuid_v4(), id);
	must(spool_log_open(spool, id, &log, &agent_off, &err), &err);
	return log;
}

static void drop(struct spool_log *log, const char *id)
{
	struct err err = ERR_INIT;

	spool_log_finish(log, clock_wall_ns());
	must(spool_remove(spool, id, &err), &err);
}

/* Appends `total` bytes as records of `size`, `batch` of them at a time. */
static void append_all(
    struct spool_log *log, size_t size, size_t batch, int64_t total)
{
	static struct spool_record recs[BATCH_MAX];
	struct err err = ERR_INIT;
	uint64_t off = 0;

	for (size_t i = 0; i < batch; i++)
		recs[i] = (struct spool_record){.kind = SPOOL_OUT,
		    .stream = SPOOL_STDOUT,
		    .data = data + i * size,
		    .len = size};
	while (total > 0) {
		int64_t now_ns = clock_wall_ns();

		for (size_t i = 0; i < batch; i++) {
			recs[i].time_ns = now_ns;
			recs[i].agent_off = off += size;
		}
		must(spool_append(log, recs, batch, &err), &err);
		total -= (int64_t)(size * batch);
	}
}

static double floor_rate(int64_t total)
{
	char path[4096];
	struct err err = ERR_INIT;
	int64_t begin;
	double s;
	int fd;

	snprintf(path, sizeof(path), "%s/floor", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	begin = clock_mono_ns();
	for (int64_t left = total; left > 0; left -= BATCH_BYTES)
		must(fs_write_all(fd, data, sizeof(data), &err), &err);
	s = seconds_since(begin);
	close(fd);
	unlink(path);
	return (double)total / MIB / s;
}

static void measure_append(size_t size, size_t batch, int64_t total)
{
	char id[UUID_TEXT_LEN];
	struct spool_log *log = open_new(id);
	double floor = floor_rate(total), s;
	int64_t begin = clock_mono_ns();

	append_all(log, size, batch, total);
	s = seconds_since(begin);
	drop(log, id);
	floor = (floor + floor_rate(total)) / 2; /* before and after */
	printf("append %6zu B x %4zu: %7.0f MiB/s, %9.0f records/s, "
	       "%.2f of write(2)\n",
	    size, batch, (double)total / MIB / s,
	    (double)total / (double)size / s, (double)total / MIB / s / floor);
}

/* -- followers ------------------------------------------------------------ */

struct follower {
	struct spool_watch watch;
	struct spool_cursor *cursor;
	struct buf buf;
	bool woken;
};

static void wake(void *arg)
{
	((struct follower *)arg)->woken = true;
}

/* What an event loop does for one woken follower, without its socket. */
static size_t serve(struct follower *w)
{
	struct err err = ERR_INIT;
	size_t got;
	bool end;

	buf_clear(&w->buf);
	must(spool_cursor_read(w->cursor, 65536, &w->buf, &end, &err), &err);
	got = w->buf.len;
	w->woken = false;
	return got;
}

static void open_followers(
    struct follower *all, size_t n, const char *id, enum spool_format format)
{
	struct err err = ERR_INIT;

	for (size_t i = 0; i < n; i++) {
		all[i].watch =
		    (struct spool_watch){.wake = wake, .arg = &all[i]};
		buf_init(&all[i].buf, 1024 * 1024);
		spool_watch(spool, id, &all[i].watch);
		must(spool_cursor_open(
			 spool, id, 0, format, &all[i].cursor, &err),
		    &err);
		serve(&all[i]);
	}
}

static void close_followers(struct follower *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		spool_unwatch(spool, &all[i].watch);
		spool_cursor_close(all[i].cursor);
		buf_fini(&all[i].buf);
	}
}

static void measure_followers(
    size_t n, size_t size, enum spool_format format, const char *name)
{
	struct follower *all = mem_calloc(n, sizeof(struct follower));
	char id[UUID_TEXT_LEN];
	struct spool_log *log = open_new(id);
	int64_t append_ns = 0, serve_ns = 0, begin;
	int rounds = 300;
	size_t got = 0;

	append_all(log, size, 1, 1); /* so that there is an edge to wait at */
	open_followers(all, n, id, format);
	for (size_t i = 0; i < n; i++)
		serve(&all[i]);
	for (int r = 0; r < rounds; r++) {
		begin = clock_mono_ns();
		append_all(log, size, 1, 1);
		append_ns += clock_mono_ns() - begin;
		begin = clock_mono_ns();
		for (size_t i = 0; i < n; i++)
			got += all[i].woken ? serve(&all[i]) : 0;
		serve_ns += clock_mono_ns() - begin;
	}
	close_followers(all, n);
	drop(log, id);
	mem_free(all);
	printf("%zu followers (%s), append of %zu B: %.1f us with its wakes, "
	       "%.0f ns a follower, %.0f MiB/s handed out\n",
	    n, name, size, (double)append_ns / 1000.0 / rounds,
	    (double)serve_ns / rounds / (double)(n > 0 ? n : 1),
	    (double)got / MIB / ((double)serve_ns / 1e9));
}

/* -- recovery ------------------------------------------------------------- */

static void measure_recovery(size_t size)
{
	char id[UUID_TEXT_LEN];
	struct spool_log *log = open_new(id);
	struct err err = ERR_INIT;
	uint64_t agent_off;
	int64_t begin;

	append_all(log, size, BATCH_BYTES / size, BIG_BYTES);
	must(spool_sync(log, &err), &err);
	spool_log_close(log);
	begin = clock_mono_ns();
	must(spool_log_open(spool, id, &log, &agent_off, &err), &err);
	printf("recovery of 1 GiB in records of %zu B: %.2f ms\n", size,
	    seconds_since(begin) * 1000.0);
	drop(log, id);
}

int main(int argc, char **argv)
{
	struct spool_config config = {.log_bytes_max = INT64_C(8) << 30};
	int64_t mib = 512, followers = 1000;
	struct err err = ERR_INIT;

	if (argc < 2 || argc > 4 ||
	    (argc > 2 && parse_int(argv[2], 1, 4096, &mib) < 0) ||
	    (argc > 3 && parse_int(argv[3], 1, 100000, &followers) < 0)) {
		fprintf(stderr,
		    "usage: spool_bench <directory> [MiB] [followers]\n");
		return 2;
	}
	config.dir = dir = argv[1];
	fill_data();
	must(spool_open(&spool, &config, &err), &err);
	floor_rate(mib << 20); /* warms the page allocator up, for both sides */
	measure_append(65536, BATCH_BYTES / 65536, mib << 20);
	measure_append(4096, BATCH_BYTES / 4096, mib << 20);
	measure_append(100, BATCH_BYTES / 100, (mib << 20) / 4);
	measure_append(65536, 1, mib << 20);
	measure_append(4096, 1, mib << 20);
	measure_append(100, 1, (mib << 20) / 64);
	measure_followers(0, 4096, SPOOL_PLAIN, "none");
	measure_followers((size_t)followers, 100, SPOOL_PLAIN, "plain");
	measure_followers((size_t)followers, 4096, SPOOL_PLAIN, "plain");
	measure_followers(
	    (size_t)followers, 4096, SPOOL_TIMESTAMPED, "timestamped");
	measure_followers((size_t)followers, 4096, SPOOL_JSONL, "json");
	measure_recovery(65536);
	measure_recovery(4096);
	spool_close(spool);
	return 0;
}
