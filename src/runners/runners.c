/*
 * The registry as a whole: opened, started, ended; and the reads that its
 * files share. Main thread, but where said.
 */
#include "runners/runners.h"

#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "engine/run.h"
#include "runners/runners_internal.h"

enum { PAGE = 500, DOCUMENT_MAX = 4 << 20 };

/* -- open, close ------------------------------------------------------- */

/* Its directory is what proxies mount: the socket itself is made anew with
 * every start of a hub, and a mount of it would keep the old one. */
static int split_socket(struct runners *r, const char *path, struct err *err)
{
	static const char *const shared[] = {
	    "", "/run", "/var/run", "/tmp", "/var/tmp"};
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	if (slash == NULL)
		return 0;
	r->api_dir = mem_strndup(path, (size_t)(slash - path));
	r->api_name = slash + 1;
	for (size_t i = 0; i < ARRAY_LEN(shared); i++)
		if (strcmp(r->api_dir, shared[i]) == 0)
			return err_set(err, ERR_INVALID, "bad_socket",
			    "the API's socket %.160s stands in a directory of "
			    "others: give it one of its own "
			    "(RUNNERHUB_SOCKET), it is mounted into proxies",
			    path);
	return 0;
}

int runners_open(
    struct runners **ret, const struct runners_config *config, struct err *err)
{
	const struct options *o = config->options;
	struct runners *r = mem_zalloc(sizeof(*r));

	r->config = *config;
	r->started_ns = clock_wall_ns();
	r->cancel.fd = -1;
	mtx_init(&r->life, "runner life");
	mtx_init(&r->mtx, "runners");
	cond_init(&r->changed);
	if (cancel_init(&r->cancel, err) < 0 ||
	    split_socket(r, config->api_socket, err) < 0 ||
	    github_open(&r->github, o->github_url,
		o->github_token != NULL ? secret_expose(o->github_token, NULL)
					: NULL,
		err) < 0) {
		runners_close(r);
		return -1;
	}
	*ret = r;
	return 0;
}

int runners_start(struct runners *r, struct err *err)
{
	TRY(thread_start(&r->clock, "runners", runners_clock, r, err));
	r->clock_runs = true;
	TRY(thread_start(&r->keeper, "proxies", runners_keeper, r, err));
	r->keeper_runs = true;
	return 0;
}

void runners_stop(struct runners *r)
{
	mtx_lock(&r->mtx);
	r->stopping = true;
	cond_broadcast(&r->changed);
	mtx_unlock(&r->mtx);
	if (r->cancel.fd >= 0)
		cancel_now(&r->cancel);
	if (r->clock_runs)
		thread_join(r->clock);
	if (r->keeper_runs)
		thread_join(r->keeper);
	r->clock_runs = r->keeper_runs = false;
}

void runners_close(struct runners *r)
{
	if (r == NULL)
		return;
	ASSERT(!r->clock_runs && !r->keeper_runs);
	runners_forget_challenges(r);
	runners_forget_wards(r);
	github_close(r->github);
	mem_free(r->api_dir);
	cancel_fini(&r->cancel);
	cond_fini(&r->changed);
	mtx_fini(&r->mtx);
	mtx_fini(&r->life);
	mem_free(r);
}

void runners_wake(void *runners)
{
	struct runners *r = runners;

	mtx_lock(&r->mtx);
	r->jobs_changed = true;
	cond_broadcast(&r->changed);
	mtx_unlock(&r->mtx);
}

void runners_wake_keeper(struct runners *r)
{
	mtx_lock(&r->mtx);
	r->proxies_changed = true;
	cond_broadcast(&r->changed);
	mtx_unlock(&r->mtx);
}

/* -- reads, any thread ------------------------------------------------- */

int runner_need(
    struct runners *r, runner_id id, struct runner *ret, struct err *err)
{
	int found = store_runner_get(r->config.store, id, ret, err);

	if (found == 0)
		return err_set(
		    err, ERR_NOT_FOUND, "runner_not_found", "Runner not found");
	return found < 0 ? -1 : 0;
}

int runner_each(struct runners *r,
    int (*cb)(void *arg, const struct runner *row, struct err *err), void *arg,
    struct err *err)
{
	struct runner_filter f = {.page = 1, .limit = PAGE};

	for (;; f.page++) {
		CLEANUP(runner_list_free) struct runner_list l = {0};
		int rc;

		TRY(store_runner_list(r->config.store, &f, &l, err));
		for (size_t i = 0; i < l.n; i++)
			if ((rc = cb(arg, &l.items[i], err)) != 0)
				return rc;
		if (l.n < PAGE)
			return 0;
	}
}

struct roots_secret runners_secrets(const struct runners *r)
{
	return (struct roots_secret){.state_dir = r->config.state_dir,
	    .engine_host = engine_host(r->config.engine)};
}

int runners_roots_of(struct runners *r, const struct ctx *ctx,
    const char *container_id, struct buf *out, struct err *err)
{
	CLEANUP(buf_fini) struct buf document = {.max = DOCUMENT_MAX};
	struct roots_secret secret = runners_secrets(r);

	TRY(engine_container_document(
	    r->config.engine, ctx, container_id, &document, err));
	return roots_from_container(
	    buf_str(&document), document.len, &secret, out, err);
}
