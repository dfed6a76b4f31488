/* Runners that the hub knows, shown. Handler threads. */
#include <string.h>

#include "api/runners_internal.h"

/* "owner/repo" is a repository, a word alone an organization. */
static void write_scope(const struct runner *r, struct json *j)
{
	bool is_repository =
	    r->repository != NULL && strchr(r->repository, '/') != NULL;

	json_kstr(j, "repository", is_repository ? r->repository : NULL);
	json_kstr(j, "organization", is_repository ? NULL : r->repository);
}

void runner_write(struct call *c, const struct runner *r, struct json *j)
{
	char id[UUID_TEXT_LEN], problem[300] = "";

	if (r->made != NULL)
		runners_problem(c->api->runners, r->id, problem);
	json_obj(j);
	json_kstr(j, "id", uuid_text(r->id.u, id));
	json_kstr(j, "name", r->name);
	json_kstr(j, "type", r->type);
	json_kstr(j, "status", r->status);
	json_kraw(j, "labels", r->labels);
	write_scope(r, j);
	json_kstr(j, "containerId", r->container_id);
	json_kstr(j, "jobId", r->job_id);
	json_kraw(j, "roots", r->roots);
	json_kraw(j, "made", r->made);
	json_kstr(j, "problem", problem[0] != '\0' ? problem : NULL);
	json_ktime(j, "lastHeartbeat", r->last_heartbeat);
	json_ktime(j, "createdAt", r->created_at);
	json_ktime(j, "updatedAt", r->updated_at);
	json_end(j);
}

/* A word of a list, or absent. */
static int param_word(struct call *c, const char *name,
    const char *const *words, const char **ret, struct err *err)
{
	*ret = http_query(c->x, name);
	if (*ret == NULL)
		return 0;
	for (; *words != NULL; words++)
		if (strcmp(*words, *ret) == 0)
			return 0;
	return err_set(err, ERR_INVALID, "invalid_parameter",
	    "Parameter \"%s\": \"%.40s\" is none of its values (see "
	    "/api/openapi.json)",
	    name, *ret);
}

static int read_filter(struct call *c, struct runner_filter *f, struct err *err)
{
	static const char *const types[] = {
	    "proxy", "ephemeral", "dedicated", NULL};
	static const char *const states[] = {
	    "idle", "busy", "offline", "starting", "stopping", NULL};

	*f = (struct runner_filter){.page = 1,
	    .limit = 20,
	    .repository = http_query(c->x, "repository")};
	TRY(param_word(c, "type", types, &f->type, err));
	TRY(param_word(c, "status", states, &f->status, err));
	TRY(param_int(c, "page", 1, 1000000000, &f->page, err));
	return param_int(c, "limit", 1, 100, &f->limit, err);
}

struct answer runner_list_all(struct call *c)
{
	CLEANUP(runner_list_free) struct runner_list l = {0};
	struct runner_filter f;
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (read_filter(c, &f, &err) < 0 ||
	    store_runner_list(hub_store(c->hub), &f, &l, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_arr(&j);
	for (size_t i = 0; i < l.n; i++)
		runner_write(c, &l.items[i], &j);
	json_end(&j);
	envelope_page(&j, &(struct pagination){f.page, f.limit, l.total});
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

static int not_found(struct err *err)
{
	return err_set(
	    err, ERR_NOT_FOUND, "runner_not_found", "Runner not found");
}

int call_runner(struct call *c, runner_id *ret, struct err *err)
{
	return uuid_parse(c->id, &ret->u) < 0 ? not_found(err) : 0;
}

/* A name will do as well: the path of one that a person writes. */
static int find(struct call *c, struct runner *ret, struct err *err)
{
	struct store *s = hub_store(c->hub);
	runner_id id;
	int found;

	if (uuid_parse(c->id, &id.u) == 0)
		found = store_runner_get(s, id, ret, err);
	else
		found = store_runner_by_name(s, c->id, ret, err);
	return found == 0 ? not_found(err) : found;
}

struct answer runner_show(struct call *c)
{
	CLEANUP(runner_fini) struct runner r = {0};
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (find(c, &r, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	runner_write(c, &r, &j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}
