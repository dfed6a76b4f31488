/*
 * The source of a component: where its location leads (a commit, once and for
 * all; a directory in it; the configuration file), and its content.
 *
 *   sources_open -> location_parse(text, sources_hosts(s)) ->
 *   source_resolve -> source_fetch(..., empty directory) -> source_enter
 *
 * Configuration and content are of the same commit. Any thread; blocking, with
 * the context's deadline and cancellation. Codes of errors are those of faults:
 * REPOSITORY_NOT_FOUND, REF_NOT_FOUND, CONFIG_NOT_FOUND, GIT_AUTHENTICATION_
 * FAILED, GITHUB_RATE_LIMITED, GIT_OPERATION_FAILED, INVALID_SOURCE_LOCATION,
 * INVALID_CONFIGURATION, SOURCE_TOO_LARGE.
 */
#ifndef COMPONENTS_SOURCE_H
#define COMPONENTS_SOURCE_H

#include "base/buf.h"
#include "components/locate.h"
#include "components/unpack.h"
#include "github/app.h"
#include "github/repository.h"

/* -- the GitHubs that components may come from -------------------------- */
struct integration {
	const char *host;              /* "github.com", "ghes.example:8443" */
	const char *api_base_url;      /* NULL: where it usually is */
	const char *token;             /* NULL: public repositories only */
	const struct github_app *apps; /* tried before the token */
	size_t napps;
};
struct sources;
/* All copied; no host twice. limits: of each source, NULL: the usual. */
int sources_open(struct sources **ret, const struct integration *v, size_t n,
    const struct unpack_limits *limits, struct err *err) MUST_CHECK;
void sources_close(struct sources *s);
DEFINE_CLEANUP(struct sources *, sources_close);
/* Ends with NULL; as long as s. */
const char *const *sources_hosts(const struct sources *s);
/* What its GitHub lets us ask: 1; 0: no such host. */
int sources_budget(
    struct sources *s, const char *host, struct github_budget *ret);

/* -- one source --------------------------------------------------------- */
struct source {
	enum location_kind kind;
	/* GITHUB only */
	char *host, *repo, *ref; /* repo "owner/repo"; ref as people say it */
	char sha[GITHUB_SHA_MAX];
	/* DIRECTORY only: of this machine */
	char *origin;
	/* both */
	char *directory;   /* the component's, below the root; "": the root */
	char *config_path; /* below the root */
	struct buf config; /* the text of that file */
};
void source_fini(struct source *src);
static inline void source_fini_guard(struct source *src)
{
	source_fini(src);
}
/*
 * config_path: the annotation's (".runner/config.yml"); looked for in the
 * directory that the location names, then at the root, which then is the
 * component's directory. *ret is zeroed or of an earlier source_fini.
 */
int source_resolve(struct sources *s, const struct ctx *ctx,
    const struct location *at, const char *config_path, struct source *ret,
    struct err *err) MUST_CHECK;

/* packed: bytes that came; total: announced, -1 unknown. Often; be brief. */
typedef void (*source_progress)(void *arg, int64_t packed, int64_t total);
/* Fills dir_fd, an empty directory of the caller's, who also removes it. What
 * an error leaves in it is of no use. progress may be NULL. */
int source_fetch(struct sources *s, const struct ctx *ctx,
    const struct source *src, int dir_fd, source_progress progress, void *arg,
    struct unpack_report *ret, struct err *err) MUST_CHECK;

/* -- one file of one ---------------------------------------------------- */
struct source_file {
	char *host, *repo, *ref, *path; /* "github.com", "o/r", "main", "a/b" */
	char sha[GITHUB_SHA_MAX];
	bool unchanged;  /* the commit is that which the caller has */
	struct buf text; /* unless so */
};
void source_file_fini(struct source_file *f);
static inline void source_file_fini_guard(struct source_file *f)
{
	source_file_fini(f);
}
/*
 * The file that a location at GitHub names, or the one called `usual` in the
 * directory that it names. known_sha: of an earlier answer, or NULL. A file
 * that is not there is ERR_NOT_FOUND, "REF_NOT_FOUND" where it is the ref.
 */
int source_file_read(struct sources *s, const struct ctx *ctx,
    const struct location *at, const char *usual, const char *known_sha,
    size_t max, struct source_file *ret, struct err *err) MUST_CHECK;

/* -- what was fetched ---------------------------------------------------- */
/* The component's directory in what was fetched; no link is followed. */
int source_enter(const struct source *src, int dir_fd, int *ret_fd,
    struct err *err) MUST_CHECK;

#endif
