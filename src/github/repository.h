/*
 * GitHub's REST API as far as a component's source needs it: which commit a
 * name means, one file of it, the archive of all. With the handle of github.h;
 * its token is optional here. Small replies are asked for conditionally and
 * kept; a used-up rate limit is waited for where that is short, else told. A
 * renamed repository's redirect is followed on the host of the API only; an
 * archive's to any https host, where the token does not go. Sources: REST API
 * reference, "Repositories", "Git refs", "Commits", "Contents".
 *
 * Codes: REPOSITORY_NOT_FOUND, REF_NOT_FOUND (NOT_FOUND), GIT_AUTHENTICATION_
 * FAILED (AUTH, FORBIDDEN), GITHUB_RATE_LIMITED (UNAVAILABLE; github_budget
 * tells until when), GIT_OPERATION_FAILED (all else).
 */
#ifndef GITHUB_REPOSITORY_H
#define GITHUB_REPOSITORY_H

#include "base/buf.h"
#include "github/github.h"

enum { GITHUB_REF_MAX = 256, GITHUB_SHA_MAX = 65 }; /* with the NUL */

struct github_repository {
	char name[208]; /* "owner/repo" as GitHub writes it */
	char default_branch[GITHUB_REF_MAX];
	bool is_private;
};
/* repo: "owner/repo" everywhere. */
int github_repository(struct github *g, const struct ctx *ctx, const char *repo,
    struct github_repository *ret, struct err *err) MUST_CHECK;

/* The commit of a branch, tag or (short) SHA. */
int github_commit(struct github *g, const struct ctx *ctx, const char *repo,
    const char *ref, char ret_sha[GITHUB_SHA_MAX], struct err *err) MUST_CHECK;
/*
 * ref_and_path ("feature/x/services/a") begins with a branch, tag or SHA that
 * may have slashes itself: the longest there is, its commit, and how many
 * bytes of ref_and_path it takes.
 */
int github_commit_in_path(struct github *g, const struct ctx *ctx,
    const char *repo, const char *ref_and_path, char ret_sha[GITHUB_SHA_MAX],
    size_t *ret_len, struct err *err) MUST_CHECK;

/* Appends the file of a commit to out (whose maximum bounds it, ERR_LIMIT):
 * 1; 0: there is none, or a directory. */
int github_file(struct github *g, const struct ctx *ctx, const char *repo,
    const char *sha, const char *path, struct buf *out,
    struct err *err) MUST_CHECK;

/*
 * The archive (tar.gz) of a commit as a stream: nothing is kept but 1 MiB, a
 * reader that is slow slows GitHub. One thread; ctx outlives it. A transfer
 * that stands still for 30 s is an error.
 */
struct github_archive;
int github_archive_open(struct github *g, const struct ctx *ctx,
    const char *repo, const char *sha, struct github_archive **ret,
    struct err *err) MUST_CHECK;
void github_archive_close(struct github_archive *a);
DEFINE_CLEANUP(struct github_archive *, github_archive_close);
/* Bytes in all, as announced; -1: not said. */
int64_t github_archive_size(const struct github_archive *a);
/* At most max bytes, waiting for the first; 0: the end. */
int64_t github_archive_read(struct github_archive *a, void *into, size_t max,
    struct err *err) MUST_CHECK;

#endif
