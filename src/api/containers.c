/*
 * GET /api/containers and what one of them uses and says: see containers.h.
 * Handler threads; what is asked of the engine is bounded in time and size.
 */
#include "api/containers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/run.h"

enum { ID_DIGITS_MIN = 12, JOBS_MAX = 1000, LIST_MAX = 1000 };
enum { TAIL_DEFAULT = 200, TAIL_MAX = 5000, LOG_BYTES_MAX = 1024 * 1024 };

/* -- which there are --------------------------------------------------- */

void container_set_free(struct container_set *s)
{
	engine_container_list_free(&s->list);
	job_list_free(&s->running);
	job_list_free(&s->starting);
}

static int read_jobs(struct call *c, enum job_status status,
    struct job_list *ret, struct err *err)
{
	const struct job_filter f = {
	    .status = status, .page = 1, .limit = JOBS_MAX};

	return store_job_list(hub_store(c->hub), &f, ret, err);
}

int container_set_read(struct call *c, const struct ctx *ctx,
    struct container_set *ret, struct err *err)
{
	char label[80];
	const char *const labels[] = {label, NULL};

	snprintf(label, sizeof(label), "runnerhub.hub=%s", hub_id(c->hub));
	TRY(engine_container_list(
	    hub_engine(c->hub), ctx, labels, &ret->list, err));
	TRY(read_jobs(c, JOB_ASSIGNED, &ret->starting, err));
	return read_jobs(c, JOB_RUNNING, &ret->running, err);
}

/* A warm sandbox that a job took bears no label of it, and an image may bring
 * labels: the store says what runs where. Of a job that is starting it does
 * not know the container yet. */
static const struct job *job_in(
    const struct container_set *s, const struct engine_container *c)
{
	const char *named = engine_container_label(c, "runnerhub.job.id");
	char text[UUID_TEXT_LEN];

	for (size_t i = 0; i < s->running.n; i++)
		if (s->running.items[i].container_id != NULL &&
		    strcmp(s->running.items[i].container_id, c->id) == 0)
			return &s->running.items[i];
	for (size_t i = 0; named != NULL && i < s->starting.n; i++)
		if (strcmp(uuid_text(s->starting.items[i].id.u, text), named) ==
		    0)
			return &s->starting.items[i];
	return NULL;
}

static void look_at_job(const struct container_set *s, struct container_view *v)
{
	const struct job *job = job_in(s, v->c);

	if (job == NULL) {
		v->kind = CONTAINER_SANDBOX;
		return;
	}
	uuid_text(job->id.u, v->job);
	v->repository = job->repository;
	v->runner = job->runner_id;
}

static enum container_kind kind_of(const char *type)
{
	static const struct {
		const char *type;
		enum container_kind kind;
	} rows[] = {{"sandbox", CONTAINER_JOB}, {"service", CONTAINER_SERVICE},
	    {"step", CONTAINER_STEP}, {"instance", CONTAINER_INSTANCE},
	    {"proxy", CONTAINER_RUNNER}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (type != NULL && strcmp(type, rows[i].type) == 0)
			return rows[i].kind;
	return CONTAINER_OTHER;
}

/* An image may bring labels: of each kind only those are believed that the
 * hub itself puts there. */
void container_look(const struct container_set *s,
    const struct engine_container *c, struct container_view *ret)
{
	*ret = (struct container_view){.c = c,
	    .kind = kind_of(engine_container_label(c, "runnerhub.type"))};
	switch (ret->kind) {
	case CONTAINER_JOB:
		look_at_job(s, ret);
		break;
	case CONTAINER_SERVICE:
	case CONTAINER_STEP:
		snprintf(ret->job, sizeof(ret->job), "%s",
		    engine_container_label(c, "runnerhub.session"));
		break;
	case CONTAINER_INSTANCE:
		ret->instance =
		    engine_container_label(c, "runnerhub.instance.id");
		ret->component =
		    engine_container_label(c, "runnerhub.component");
		break;
	case CONTAINER_RUNNER:
		ret->runner = engine_container_label(c, "runnerhub.runner.id");
		break;
	case CONTAINER_SANDBOX:
	case CONTAINER_OTHER:
		break;
	}
}

static bool is_named(const struct engine_container *c, const char *id)
{
	size_t n = strlen(id);

	return n >= ID_DIGITS_MIN && strspn(id, "0123456789abcdef") == n &&
	       strncmp(c->id, id, n) == 0;
}

int container_find(struct call *c, const struct ctx *ctx,
    struct container_set *ret, struct container_view *ret_view, struct err *err)
{
	const struct engine_container *found = NULL;

	TRY(container_set_read(c, ctx, ret, err));
	for (size_t i = 0; i < ret->list.n; i++) {
		if (!is_named(&ret->list.items[i], c->id))
			continue;
		if (found != NULL)
			return err_set(err, ERR_CONFLICT, "ambiguous_container",
			    "More than one container begins with %s", c->id);
		found = &ret->list.items[i];
	}
	if (found == NULL)
		return err_set(err, ERR_NOT_FOUND, "container_not_found",
		    "Container not found");
	container_look(ret, found, ret_view);
	return 0;
}

/* -- list -------------------------------------------------------------- */

static void write_container(struct json *j, const struct container_view *v)
{
	static const char *const kinds[] = {[CONTAINER_JOB] = "job",
	    [CONTAINER_SANDBOX] = "sandbox",
	    [CONTAINER_SERVICE] = "service",
	    [CONTAINER_STEP] = "step",
	    [CONTAINER_INSTANCE] = "instance",
	    [CONTAINER_RUNNER] = "runner",
	    [CONTAINER_OTHER] = "other"};

	json_obj(j);
	json_kstr(j, "id", v->c->id);
	json_kstr(j, "name", v->c->name);
	json_kstr(j, "image", v->c->image);
	json_kstr(j, "state", v->c->state);
	json_ktime(j, "createdAt", v->c->created_at);
	json_kstr(j, "kind", kinds[v->kind]);
	json_kstr(j, "jobId", *v->job != '\0' ? v->job : NULL);
	json_kstr(j, "repository", v->repository);
	json_kstr(j, "instanceId", v->instance);
	json_kstr(j, "component", v->component);
	json_kstr(j, "runnerId", v->runner);
	json_end(j);
}

static int newest_first(const void *x, const void *y)
{
	const struct engine_container *a = x, *b = y;

	if (a->created_at != b->created_at)
		return a->created_at > b->created_at ? -1 : 1;
	return strcmp(a->id, b->id);
}

struct answer container_list(struct call *c)
{
	CLEANUP(container_set_free) struct container_set set = {.list.n = 0};
	struct ctx ctx = ctx_with_timeout(&c->ctx, CONTAINER_ASK_MS);
	struct container_view v;
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (container_set_read(c, &ctx, &set, &err) < 0)
		return reply_error(c, &err);
	if (set.list.n > 0)
		qsort(set.list.items, set.list.n, sizeof(*set.list.items),
		    newest_first);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_arr(&j);
	for (size_t i = 0; i < set.list.n && i < LIST_MAX; i++) {
		container_look(&set, &set.list.items[i], &v);
		write_container(&j, &v);
	}
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

/* -- what it uses ------------------------------------------------------ */

struct answer container_stats(struct call *c)
{
	CLEANUP(container_set_free) struct container_set set = {.list.n = 0};
	struct ctx ctx = ctx_with_timeout(&c->ctx, CONTAINER_ASK_MS);
	struct engine_container_stats s;
	struct container_view v;
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (container_find(c, &ctx, &set, &v, &err) < 0 ||
	    engine_container_stats(
		hub_engine(c->hub), &ctx, v.c->id, &s, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_ktime(&j, "at", clock_wall_ns());
	json_knum(&j, "cpuSeconds", (double)s.cpu_ns / 1e9);
	json_knum(&j, "systemCpuSeconds", (double)s.system_ns / 1e9);
	json_kint(&j, "cpus", s.cpus);
	json_kint(&j, "memoryBytes", s.memory_bytes);
	json_kint(&j, "memoryLimitBytes", s.memory_limit);
	json_kint(&j, "pids", s.pids);
	json_kint(&j, "receivedBytes", s.rx_bytes);
	json_kint(&j, "sentBytes", s.tx_bytes);
	json_kint(&j, "readBytes", s.read_bytes);
	json_kint(&j, "writtenBytes", s.write_bytes);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

/* -- what it says ------------------------------------------------------ */

/* The newest bytes are kept: what is in the way at the front goes. */
static int take_output(
    void *arg, int stream, const char *data, size_t len, struct err *err)
{
	struct buf *out = arg;

	(void)stream;
	(void)err;
	if (len > LOG_BYTES_MAX) {
		data += len - LOG_BYTES_MAX;
		len = LOG_BYTES_MAX;
	}
	if (out->len + len > LOG_BYTES_MAX) {
		buf_consume(out, out->len + len - LOG_BYTES_MAX);
		out->overflow = true; /* tells that there was more */
	}
	IGNORE(buf_append(out, data, len));
	return 0;
}

static int read_log(
    struct call *c, int64_t tail, struct buf *out, struct err *err)
{
	CLEANUP(container_set_free) struct container_set set = {.list.n = 0};
	struct ctx ctx = ctx_with_timeout(&c->ctx, CONTAINER_ASK_MS);
	struct container_view v;

	TRY(container_find(c, &ctx, &set, &v, err));
	if (v.kind == CONTAINER_JOB || v.kind == CONTAINER_SANDBOX)
		return err_set(err, ERR_CONFLICT, "no_engine_log",
		    "The engine keeps no log of it: what a job prints is in "
		    "the job's log%s%s%s",
		    *v.job != '\0' ? ", GET /api/jobs/" : "", v.job,
		    *v.job != '\0' ? "/logs" : "");
	return engine_container_logs(hub_engine(c->hub), &ctx, v.c->id,
	    (int)tail, take_output, out, err);
}

struct answer container_logs(struct call *c)
{
	CLEANUP(buf_fini) struct buf text = {.max = LOG_BYTES_MAX};
	int64_t tail = TAIL_DEFAULT;
	struct err err = ERR_INIT;
	struct buf body;
	struct json j;

	if (param_int(c, "tail", 1, TAIL_MAX, &tail, &err) < 0 ||
	    read_log(c, tail, &text, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	json_key(&j, "logs");
	json_strn(&j, buf_str(&text), text.len);
	json_kbool(&j, "truncated", text.overflow);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}
