/*
 * One file of a repository, as it is now: what a catalog is made of. See
 * source.h. Called by the catalog's own thread.
 */
#include <string.h>

#include "base/mem.h"
#include "components/source_internal.h"

void source_file_fini(struct source_file *f)
{
	mem_free(f->host);
	mem_free(f->repo);
	mem_free(f->ref);
	mem_free(f->path);
	buf_fini(&f->text);
	*f = (struct source_file){0};
}

/* The directory, and the file that the location itself names or else. */
static char *path_of(
    const struct source *src, const struct location *at, const char *usual)
{
	const char *name = usual, *slash;

	if (at->is_file) {
		slash = strrchr(at->ref_and_path, '/');
		name = slash != NULL ? slash + 1 : at->ref_and_path;
	}
	return mem_printf(
	    "%s%s%s", src->directory, *src->directory != '\0' ? "/" : "", name);
}

static int read_text(struct github *g, const struct ctx *ctx,
    struct source_file *f, struct err *err)
{
	int found =
	    github_file(g, ctx, f->repo, f->sha, f->path, &f->text, err);

	TRY(found);
	if (found > 0)
		return 0;
	return err_set(err, ERR_NOT_FOUND, "file_not_found",
	    "%.160s has no file %.200s at %.100s", f->repo, f->path, f->ref);
}

int source_file_read(struct sources *s, const struct ctx *ctx,
    const struct location *at, const char *usual, const char *known_sha,
    size_t max, struct source_file *ret, struct err *err)
{
	CLEANUP(source_fini) struct source src = {0};
	CLEANUP(source_file_fini) struct source_file f = {.text = {.max = max}};
	struct github *g = sources_github(s, at->host);

	if (g == NULL)
		return err_set(err, ERR_INVALID, "INVALID_SOURCE_LOCATION",
		    "%.120s is no host of integrations.github", at->host);
	src.repo = mem_printf("%s/%s", at->owner, at->repo);
	TRY(source_find_commit(g, ctx, at, &src, err));
	f.host = mem_strdup(at->host);
	f.path = path_of(&src, at, usual);
	f.repo = STEAL(src.repo);
	f.ref = STEAL(src.ref);
	memcpy(f.sha, src.sha, sizeof(f.sha));
	f.unchanged = known_sha != NULL && strcmp(known_sha, f.sha) == 0;
	if (!f.unchanged)
		TRY(read_text(g, ctx, &f, err));
	*ret = f;
	f = (struct source_file){0};
	return 0;
}
