/*
 * From a location to a commit and its configuration: see source.h. The content
 * is source_fetch.c. Called by an instance's flow, on its thread.
 */
#include "components/source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "components/descriptor.h"
#include "components/source_internal.h"
#include "github/app.h"

/* -- the integrations -------------------------------------------------- */

static int open_one(
    struct sources *s, const struct integration *i, struct err *err)
{
	/* A test's GitHub speaks plain http, on this machine only. */
	bool plain = i->api_base_url != NULL &&
		     strncasecmp(i->api_base_url, "http://", 7) == 0;
	CLEANUP(mem_free)
	char *site = mem_printf("%s://%s", plain ? "http" : "https", i->host);

	if (sources_github(s, i->host) != NULL)
		return err_set(err, ERR_INVALID, "INVALID_CONFIGURATION",
		    "integrations.github: %.120s stands there twice", i->host);
	if (github_open_apps(&s->github[s->n], site, i->api_base_url, i->apps,
		i->napps, i->token, err) < 0)
		return err_wrap(err, "integrations.github: %.120s", i->host);
	s->hosts[s->n++] = mem_strdup(i->host);
	return 0;
}

int sources_open(struct sources **ret, const struct integration *v, size_t n,
    const struct unpack_limits *limits, struct err *err)
{
	CLEANUP(sources_close) struct sources *s = mem_zalloc(sizeof(*s));

	s->hosts = mem_calloc(n + 1, sizeof(*s->hosts));
	s->github = mem_calloc(n + 1, sizeof(*s->github));
	if (limits != NULL)
		s->limits = *limits;
	for (size_t i = 0; i < n; i++)
		TRY(open_one(s, &v[i], err));
	*ret = STEAL(s);
	return 0;
}

void sources_close(struct sources *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++) {
		mem_free(s->hosts[i]);
		github_close(s->github[i]);
	}
	mem_free(s->hosts);
	mem_free(s->github);
	mem_free(s);
}

const char *const *sources_hosts(const struct sources *s)
{
	return (const char *const *)s->hosts;
}

struct github *sources_github(const struct sources *s, const char *host)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcasecmp(s->hosts[i], host) == 0)
			return s->github[i];
	return NULL;
}

int sources_budget(
    struct sources *s, const char *host, struct github_budget *ret)
{
	struct github *g = sources_github(s, host);

	if (g == NULL)
		return 0;
	github_budget(g, ret);
	return 1;
}

void source_fini(struct source *src)
{
	mem_free(src->host);
	mem_free(src->repo);
	mem_free(src->ref);
	mem_free(src->origin);
	mem_free(src->directory);
	mem_free(src->config_path);
	buf_fini(&src->config);
	*src = (struct source){0};
}

/* -- paths ------------------------------------------------------------- */

/* "a/b" of "/a//b/" and "./a/b"; NULL when it goes up. */
static char *clean_path(const char *text)
{
	CLEANUP(buf_fini) struct buf out = {.max = 8192};
	size_t n;

	for (; *text != '\0'; text += n) {
		text += strspn(text, "/");
		n = strcspn(text, "/");
		if (n == 0 || (n == 1 && *text == '.'))
			continue;
		if (n == 2 && text[0] == '.' && text[1] == '.')
			return NULL;
		if (out.len > 0)
			IGNORE(buf_append_char(&out, '/'));
		if (buf_append(&out, text, n) < 0)
			return NULL;
	}
	return mem_strdup(buf_str(&out));
}

/* The component's directory, of what follows the ref in a location. */
static int take_directory(struct source *src, const struct location *at,
    const char *rest, struct err *err)
{
	char *slash;

	src->directory = clean_path(rest);
	if (src->directory == NULL)
		return err_set(err, ERR_INVALID, "INVALID_SOURCE_LOCATION",
		    "the source location leads out of its repository: %.200s",
		    rest);
	if (!at->is_file)
		return 0;
	slash = strrchr(src->directory, '/');
	*(slash != NULL ? slash : src->directory) = '\0';
	return 0;
}

/* -- the commit -------------------------------------------------------- */

static int find_default(struct github *g, const struct ctx *ctx,
    struct source *src, struct err *err)
{
	struct github_repository there;
	CLEANUP(mem_free) char *branch = NULL;

	TRY(github_repository(g, ctx, src->repo, &there, err));
	/* The name that GitHub uses now, which may not be that of the link. */
	mem_free(src->repo);
	src->repo = mem_strdup(there.name);
	src->ref = mem_strdup(there.default_branch);
	branch = mem_printf("heads/%s", there.default_branch);
	return github_commit(g, ctx, src->repo, branch, src->sha, err);
}

int source_find_commit(struct github *g, const struct ctx *ctx,
    const struct location *at, struct source *src, struct err *err)
{
	const char *path = at->ref_and_path;
	size_t n = 0;

	if (at->ref != NULL) {
		src->ref = mem_strdup(at->ref);
		TRY(github_commit(g, ctx, src->repo, at->ref, src->sha, err));
		return take_directory(src, at, path != NULL ? path : "", err);
	}
	if (path == NULL || *path == '\0') {
		TRY(find_default(g, ctx, src, err));
		return take_directory(src, at, "", err);
	}
	TRY(github_commit_in_path(g, ctx, src->repo, path, src->sha, &n, err));
	src->ref = mem_strndup(path, n);
	return take_directory(src, at, path + n, err);
}

/* -- the configuration ------------------------------------------------- */

/* A file of a directory of this machine; links may stay within. 1, 0, -1 */
static int read_below(
    const char *base, const char *path, struct buf *out, struct err *err)
{
	const struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	CLEANUP(fd_close)
	int dir = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(fd_close) int fd = -1;
	char block[8192];
	struct stat st;
	ssize_t n;

	if (dir < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "REPOSITORY_NOT_FOUND",
		    "the source location names %.200s, which is no directory "
		    "of this machine",
		    base);
	if (dir < 0)
		return err_sys(err, errno, "open the source %.200s", base);
	fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 && errno == EXDEV)
		return err_set(err, ERR_INVALID, "INVALID_CONFIGURATION",
		    "%.200s is a link out of %.200s", path, base);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "open %.200s/%.200s", base, path);
	if (!S_ISREG(st.st_mode))
		return 0;
	while ((n = read(fd, block, sizeof(block))) > 0)
		if (buf_append(out, block, (size_t)n) < 0)
			return err_set(err, ERR_LIMIT, "INVALID_CONFIGURATION",
			    "%.200s has more than %zu bytes", path, out->max);
	return n == 0 ? 1 : err_sys(err, errno, "read %.200s", path);
}

/* 1 found, 0 none, -1 */
static int read_config(struct github *g, const struct ctx *ctx,
    struct source *src, const char *directory, const char *file,
    struct err *err)
{
	CLEANUP(mem_free)
	char *path = mem_printf(
	    "%s%s%s", directory, *directory != '\0' ? "/" : "", file);
	int found;

	buf_fini(&src->config);
	buf_init(&src->config, DESCRIPTOR_BYTES_MAX);
	found = src->kind == LOCATION_DIRECTORY
		    ? read_below(src->origin, path, &src->config, err)
		    : github_file(
			  g, ctx, src->repo, src->sha, path, &src->config, err);
	if (found > 0)
		src->config_path = STEAL(path);
	return found;
}

static int find_config(struct github *g, const struct ctx *ctx,
    struct source *src, const char *config_path, struct err *err)
{
	CLEANUP(mem_free) char *file = clean_path(config_path);
	const char *where =
	    src->kind == LOCATION_DIRECTORY ? src->origin : src->repo;
	int found;

	if (file == NULL || *file == '\0')
		return err_set(err, ERR_INVALID, "INVALID_CONFIGURATION",
		    "the annotation runner.backstage.io/config-path is "
		    "\"%.200s\": expected the path of a file in the source",
		    config_path);
	found = read_config(g, ctx, src, src->directory, file, err);
	if (found != 0)
		return found < 0 ? -1 : 0;
	if (*src->directory != '\0')
		found = read_config(g, ctx, src, "", file, err);
	TRY(found);
	if (found > 0) {
		*src->directory = '\0';
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "CONFIG_NOT_FOUND",
	    "Configuration file not found: %.160s, in %.160s%s%.80s%s%.100s",
	    file, where, *src->sha != '\0' ? " at commit " : "", src->sha,
	    *src->directory != '\0' ? ", neither at the root nor in " : "",
	    src->directory);
}

/* -- resolving --------------------------------------------------------- */

static int resolve(struct sources *s, const struct ctx *ctx,
    const struct location *at, const char *config_path, struct source *src,
    struct err *err)
{
	struct github *g = NULL;

	src->kind = at->kind;
	if (at->kind == LOCATION_DIRECTORY) {
		src->origin = mem_strdup(at->directory);
		src->directory = mem_strdup("");
		return find_config(NULL, ctx, src, config_path, err);
	}
	g = sources_github(s, at->host);
	if (g == NULL)
		return err_set(err, ERR_INVALID, "INVALID_SOURCE_LOCATION",
		    "%.120s is no host of integrations.github", at->host);
	src->host = mem_strdup(at->host);
	src->repo = mem_printf("%s/%s", at->owner, at->repo);
	TRY(source_find_commit(g, ctx, at, src, err));
	return find_config(g, ctx, src, config_path, err);
}

int source_resolve(struct sources *s, const struct ctx *ctx,
    const struct location *at, const char *config_path, struct source *ret,
    struct err *err)
{
	CLEANUP(source_fini) struct source src = {0};

	TRY(resolve(s, ctx, at, config_path, &src, err));
	*ret = src;
	src = (struct source){0};
	return 0;
}
