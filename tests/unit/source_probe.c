/*
 * A command-line face of components/source.h and unpack.h for the integration
 * tests: one call per run, the result as one JSON document on stdout. Exit 0:
 * it worked; 1: the call failed, {"error":{"kind","code","msg"}}; 2: wrong
 * use. Not installed.
 *
 *   source_probe unpack DIR STRIP BYTES ENTRIES RATIO   < archive
 *   source_probe copy FROM DIR BYTES ENTRIES
 *   source_probe resolve HOST API TOKEN LOCATION CONFIG TIMES
 *   source_probe fetch HOST API TOKEN LOCATION CONFIG DIR TIMEOUT_MS BYTES
 *
 * API or TOKEN "-": none. With TIMES, the same question so often; the answer
 * is the last one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json_out.h"
#include "base/parse.h"
#include "components/source.h"

static char **words;

static const char *word(int i)
{
	for (int k = 0; k <= i; k++)
		if (words[k] == NULL) {
			fprintf(
			    stderr, "source_probe: word %d is missing\n", i);
			exit(2);
		}
	return words[i];
}

static int64_t number(int i)
{
	int64_t v;

	if (parse_int(word(i), 0, INT64_MAX, &v) == 0)
		return v;
	fprintf(stderr, "source_probe: %s is not a number\n", word(i));
	exit(2);
}

static int open_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	fprintf(stderr, "source_probe: %s is not a directory\n", path);
	exit(2);
}

/* -- results ----------------------------------------------------------- */

/* Of this program alone: rusage has the memory of who started it. */
static int64_t peak_kib(void)
{
	CLEANUP(buf_fini) struct buf status = {.max = 1 << 16};
	struct err err = ERR_INIT;
	const char *line = NULL;
	long long kib = -1;

	if (fs_read_file("/proc/self/status", &status, &err) == 0)
		line = strstr(buf_str(&status), "VmHWM:");
	if (line == NULL || sscanf(line, "VmHWM: %lld", &kib) != 1)
		return -1;
	return kib;
}

static void put_report(struct json *j, const struct unpack_report *r)
{
	json_kint(j, "bytes", r->bytes);
	json_kint(j, "entries", r->entries);
	json_kint(j, "packed", r->packed);
	json_kint(j, "skipped", r->skipped);
	json_kstr(j, "firstSkipped", r->first_skipped);
	json_kint(j, "peakKiB", peak_kib());
}

static void put_error(struct json *j, const struct err *err)
{
	json_kobj(j, "error");
	json_kstr(j, "kind", err_kind_name(err->kind));
	json_kstr(j, "code", err->code);
	json_kstr(j, "msg", err->msg);
	json_end(j);
}

/* -- commands ---------------------------------------------------------- */

static int64_t from_stdin(void *arg, void *into, size_t max, struct err *err)
{
	ssize_t n = read(STDIN_FILENO, into, max);

	(void)arg;
	return n >= 0 ? n : err_sys(err, errno, "read the archive");
}

static int probe_unpack(struct json *j, struct err *err)
{
	CLEANUP(fd_close) int dir = open_directory(word(0));
	const struct unpack_limits limits = {.bytes_max = number(2),
	    .entries_max = number(3),
	    .ratio_max = number(4)};
	struct ctx ctx = ctx_root();
	struct unpack_report report;
	int r = unpack_tar(
	    dir, (int)number(1), &limits, &ctx, from_stdin, NULL, &report, err);

	put_report(j, &report);
	return r;
}

static int probe_copy(struct json *j, struct err *err)
{
	CLEANUP(fd_close) int dir = open_directory(word(1));
	const struct unpack_limits limits = {
	    .bytes_max = number(2), .entries_max = number(3)};
	struct ctx ctx = ctx_root();
	struct unpack_report report = {0};

	TRY(unpack_directory(dir, word(0), &limits, &ctx, &report, err));
	put_report(j, &report);
	return 0;
}

/* -- sources ----------------------------------------------------------- */

static const char *optional(int i)
{
	return strcmp(word(i), "-") != 0 ? word(i) : NULL;
}

static int open_sources(
    int64_t bytes_max, struct sources **ret, struct err *err)
{
	const struct integration one = {
	    .host = word(0), .api_base_url = optional(1), .token = optional(2)};
	const struct unpack_limits limits = {.bytes_max = bytes_max};

	return sources_open(ret, &one, 1, &limits, err);
}

static int resolve(struct sources *s, const struct ctx *ctx, struct source *ret,
    struct err *err)
{
	CLEANUP(location_fini) struct location at = {0};

	TRY(location_parse(word(3), sources_hosts(s), &at, err));
	return source_resolve(s, ctx, &at, word(4), ret, err);
}

static void put_source(struct json *j, const struct source *src)
{
	json_kstr(j, "repo", src->repo);
	json_kstr(j, "ref", src->ref);
	json_kstr(j, "sha", src->sha);
	json_kstr(j, "origin", src->origin);
	json_kstr(j, "directory", src->directory);
	json_kstr(j, "configPath", src->config_path);
	json_kstr(j, "config", buf_str(&src->config));
}

static void put_budget(struct json *j, struct sources *s)
{
	struct github_budget b;

	if (sources_budget(s, word(0), &b) == 0)
		return;
	json_kobj(j, "budget");
	json_kint(j, "limit", b.limit);
	json_kint(j, "remaining", b.remaining);
	json_kint(j, "resetAt", b.reset_at);
	json_kint(j, "blockedUntil", b.blocked_until);
	json_kint(j, "asked", b.asked);
	json_kint(j, "unchanged", b.unchanged);
	json_end(j);
}

static int probe_resolve(struct json *j, struct err *err)
{
	CLEANUP(sources_close) struct sources *s = NULL;
	CLEANUP(source_fini) struct source src = {0};
	struct ctx root = ctx_root();
	int r = 0;

	TRY(open_sources(0, &s, err));
	for (int64_t i = number(5); i > 0; i--) {
		source_fini(&src);
		err_clear(err);
		r = resolve(s, &root, &src, err);
	}
	put_budget(j, s);
	if (r == 0)
		put_source(j, &src);
	return r;
}

struct seen {
	int64_t calls, packed, total;
};

static void note(void *arg, int64_t packed, int64_t total)
{
	struct seen *seen = arg;

	*seen = (struct seen){seen->calls + 1, packed, total};
}

static int probe_fetch(struct json *j, struct err *err)
{
	CLEANUP(sources_close) struct sources *s = NULL;
	CLEANUP(source_fini) struct source src = {0};
	CLEANUP(fd_close) int dir = open_directory(word(5));
	CLEANUP(fd_close) int component = -1;
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, number(6));
	struct unpack_report report;
	struct seen seen = {0};
	int r;

	TRY(open_sources(number(7), &s, err));
	TRY(resolve(s, &ctx, &src, err));
	r = source_fetch(s, &ctx, &src, dir, note, &seen, &report, err);
	put_source(j, &src);
	put_report(j, &report);
	json_kint(j, "progressCalls", seen.calls);
	json_kint(j, "progressPacked", seen.packed);
	json_kint(j, "progressTotal", seen.total);
	TRY(r);
	return source_enter(&src, dir, &component, err);
}

static const struct {
	const char *name;
	int (*run)(struct json *j, struct err *err);
} commands[] = {
    {"unpack", probe_unpack},
    {"copy", probe_copy},
    {"resolve", probe_resolve},
    {"fetch", probe_fetch},
};

int main(int argc, char **argv)
{
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 20};
	struct err err = ERR_INIT;
	struct json j;
	int r = 2;

	json_init(&j, &out);
	json_obj(&j);
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, argv[1]) == 0) {
			words = argv + 2;
			r = commands[i].run(&j, &err) < 0;
		}
	if (r == 1)
		put_error(&j, &err);
	json_end(&j);
	puts(buf_str(&out));
	return r;
}
