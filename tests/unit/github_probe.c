/*
 * A command-line face of github/repository.h and app.h for the integration
 * tests: it opens a GitHub and does what the lines of stdin say, one JSON
 * document per line on stdout: the answer, or {"error":{"kind","code","msg"}}.
 * Not installed.
 *
 *   github_probe SITE API TOKEN [ID FILE INSTALLATION OWNER]...
 *
 *   repository REPO      archive REPO SHA
 *   later SECONDS        the wall clock goes on by so much, and stands there
 *
 * TOKEN "-": none. Each app: its id, the file of its key, its installation or
 * 0, the one owner that it is for or "-". Words of a line are divided by tabs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/parse.h"
#include "github/app.h"
#include "github/repository.h"

enum { APP_WORDS = 4, TIMEOUT_MS = 60000 };

static struct github *github;

/* -- answers ----------------------------------------------------------- */

static void put_error(struct json *j, const struct err *err)
{
	json_kobj(j, "error");
	json_kstr(j, "kind", err_kind_name(err->kind));
	json_kstr(j, "code", err->code);
	json_kstr(j, "msg", err->msg);
	json_end(j);
}

static void repository(struct json *j, const struct ctx *ctx, const char *repo)
{
	struct github_repository r;
	struct err err = ERR_INIT;

	if (github_repository(github, ctx, repo, &r, &err) < 0) {
		put_error(j, &err);
		return;
	}
	json_kstr(j, "name", r.name);
	json_kstr(j, "branch", r.default_branch);
	json_kbool(j, "private", r.is_private);
}

static void archive(
    struct json *j, const struct ctx *ctx, const char *repo, const char *sha)
{
	CLEANUP(github_archive_close) struct github_archive *a = NULL;
	struct err err = ERR_INIT;
	char block[4096];
	int64_t n = 0, total = 0;

	if (github_archive_open(github, ctx, repo, sha, &a, &err) == 0)
		while ((n = github_archive_read(
			    a, block, sizeof(block), &err)) > 0)
			total += n;
	if (err.kind != ERR_NONE)
		put_error(j, &err);
	else
		json_kint(j, "bytes", total);
}

static void later(struct json *j, const char *seconds)
{
	int64_t s = 0;

	if (parse_int(seconds, 0, 1000000, &s) < 0)
		exit(2);
	clock_fake_set(clock_mono_ns(), clock_wall_ns() + s * CLOCK_NS_PER_S);
	json_kbool(j, "ok", true);
}

/* -- lines ------------------------------------------------------------- */

static void answer(char *line)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, TIMEOUT_MS);
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 20};
	char none[] = "", *words[3] = {none, none, none};
	struct json j;

	for (size_t i = 0; i < ARRAY_LEN(words) && line != NULL; i++)
		words[i] = strsep(&line, "\t");
	json_init(&j, &out);
	json_obj(&j);
	if (strcmp(words[0], "repository") == 0)
		repository(&j, &ctx, words[1]);
	else if (strcmp(words[0], "archive") == 0)
		archive(&j, &ctx, words[1], words[2]);
	else if (strcmp(words[0], "later") == 0)
		later(&j, words[1]);
	else
		exit(2);
	json_end(&j);
	printf("%s\n", buf_str(&out));
	fflush(stdout);
}

/* -- opening ----------------------------------------------------------- */

static const char *or_none(const char *word)
{
	return strcmp(word, "-") == 0 ? NULL : word;
}

static int open_github(char **words, int nwords, struct err *err)
{
	struct github_app apps[GITHUB_APPS_MAX] = {{0}};
	const char *owners[GITHUB_APPS_MAX][2] = {{NULL}};
	struct buf keys[GITHUB_APPS_MAX];
	size_t n = (size_t)(nwords - 3) / APP_WORDS;
	int done;

	for (size_t i = 0; i < n; i++) {
		char **app = words + 3 + i * APP_WORDS;

		buf_init(&keys[i], 1 << 16);
		TRY(fs_read_file(app[1], &keys[i], err));
		owners[i][0] = or_none(app[3]);
		apps[i] = (struct github_app){.id = app[0],
		    .key = buf_str(&keys[i]),
		    .owners = owners[i][0] != NULL ? owners[i] : NULL};
		if (parse_int(app[2], 0, INT64_MAX, &apps[i].installation) < 0)
			exit(2);
	}
	done = github_open_apps(
	    &github, words[0], words[1], apps, n, or_none(words[2]), err);
	for (size_t i = 0; i < n; i++)
		buf_fini(&keys[i]);
	return done;
}

int main(int argc, char **argv)
{
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 16};
	struct err err = ERR_INIT;
	char *line = NULL;
	size_t size = 0;
	struct json j;
	ssize_t n;

	if (argc < 4 || (argc - 4) % APP_WORDS != 0)
		return 2;
	json_init(&j, &out);
	json_obj(&j);
	if (open_github(argv + 1, argc - 1, &err) < 0)
		put_error(&j, &err);
	json_end(&j);
	printf("%s\n", buf_str(&out));
	fflush(stdout);
	while (github != NULL && (n = getline(&line, &size, stdin)) > 0) {
		line[n - 1] = '\0';
		answer(line);
	}
	free(line); /* allow: free, getline's */
	github_close(github);
	return 0;
}
