/*
 * What a repository is asked about with. Called for each question by
 * repository_call.c and archive.c, in their thread.
 */
#include "github/github_internal.h"

int github_bearer(struct github *g, const struct ctx *ctx, const char *repo,
    struct secret **ret, struct err *err)
{
	(void)ctx, (void)repo, (void)err;
	*ret = g->token != NULL ? secret_copy(g->token) : NULL;
	return 0;
}
