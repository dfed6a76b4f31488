/* The work directories of a session: see grounds_of.h. Reads the store. */
#include "jobs/grounds_of.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "jobs/externals.h"
#include "jobs/place.h"
#include "store/runners.h"

/* -- inside another session -------------------------------------------- */

static int add_externals(struct grounds *g, const char *work,
    const struct job *parent, struct err *err)
{
	json_t *made = json_loads(
	    parent->session != NULL ? parent->session : "{}", 0, NULL);
	const char *volume =
	    json_string_value(json_object_get(made, "externals"));
	char *here = externals_place(work);
	int r = 0;

	if (volume != NULL && here != NULL)
		r = grounds_add(g, here, NULL, volume, true, err);
	mem_free(here);
	json_decref(made);
	return r;
}

static int of_parent(struct carry *c, struct grounds *g, struct err *err)
{
	CLEANUP(job_fini) struct job parent = {.spec = NULL};
	CLEANUP(spec_fini) struct spec spec = {.root = NULL};
	char volume[PLACE_VOLUME_LEN];
	const char *work;
	job_id id;
	int found;

	if (uuid_parse(c->job.parent_id, &id.u) < 0)
		return err_set(err, ERR_INTERNAL, "damaged_job",
		    "the session's parent has no valid id");
	found = store_job_get(c->hub->store, id, &parent, err);
	TRY(found);
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, "parent_not_found",
		    "the session in which this one was opened is gone");
	TRY(spec_load(&spec, parent.spec, err));
	work = spec_nested_work(&spec);
	if (work == NULL)
		return 0; /* a session that is not nested shares nothing */
	place_work_volume(c->job.parent_id, volume);
	TRY(grounds_add(g, work, NULL, volume, false, err));
	return add_externals(g, work, &parent, err);
}

/* -- of a runner, or of the machine ------------------------------------ */

static int of_runner(struct carry *c, struct grounds *g, struct err *err)
{
	CLEANUP(runner_fini) struct runner runner = {.name = NULL};
	runner_id id;
	json_t *roots;
	int r;

	if (uuid_parse(c->job.runner_id, &id.u) < 0)
		return err_set(err, ERR_INTERNAL, "damaged_job",
		    "the session's runner has no valid id");
	r = store_runner_get(c->hub->store, id, &runner, err);
	TRY(r);
	if (r == 0)
		return err_set(err, ERR_NOT_FOUND, "runner_not_found",
		    "the runner that opened this session is registered no "
		    "more");
	roots = json_loads(runner.roots != NULL ? runner.roots : "[]", 0, NULL);
	r = grounds_read(g, roots, err);
	json_decref(roots);
	return r;
}

static int of_options(
    const struct options *options, struct grounds *g, struct err *err)
{
	const char *list = options->work_roots;

	while (list != NULL && *list != '\0') {
		size_t n = strcspn(list, ",");
		char *path = mem_strndup(list, n);
		int r = grounds_add(g, path, NULL, NULL, false, err);

		mem_free(path);
		TRY(r);
		list += n + (list[n] == ',');
	}
	return 0;
}

int grounds_of(struct carry *c, struct grounds *ret, struct err *err)
{
	*ret = (struct grounds){.v = NULL};
	if (c->job.parent_id != NULL)
		return of_parent(c, ret, err);
	if (c->job.runner_id != NULL)
		return of_runner(c, ret, err);
	return of_options(c->hub->options, ret, err);
}

/* -- what may be one --------------------------------------------------- */

/* Links resolved where the path is there. */
static bool touch(const char *a, const char *b)
{
	char real_a[PATH_MAX], real_b[PATH_MAX];

	if (realpath(a, real_a) != NULL)
		a = real_a;
	if (realpath(b, real_b) != NULL)
		b = real_b;
	return path_is_below(a, b) || path_is_below(b, a);
}

/* With it a job could read the hub's key and give itself any right. */
int grounds_check_options(const struct options *options, struct err *err)
{
	CLEANUP(grounds_fini) struct grounds g = {.v = NULL};

	if (of_options(options, &g, err) < 0)
		return err_wrap(err, "RUNNERHUB_WORK_ROOTS");
	for (size_t i = 0; i < g.n; i++)
		if (touch(g.v[i].host, options->state_dir))
			return err_set(err, ERR_INVALID, "bad_setting",
			    "RUNNERHUB_WORK_ROOTS: %.200s would show the hub's "
			    "state directory %.200s to jobs",
			    g.v[i].host, options->state_dir);
	return 0;
}
