/*
 * A runner's life as the API drives it: registration, heartbeat, drain,
 * removal, tokens, and the question whether a job may begin. Handler threads.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "runners/runners_internal.h"

int runner_name_check(const char *name, struct err *err)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (n > 0 && n <= RUNNER_NAME_MAX && name[n] == '\0' &&
	    strchr("._-", name[0]) == NULL)
		return 0;
	return err_set(err, ERR_INVALID, "bad_name",
	    "\"%.80s\" cannot be a runner's name: expected 1 to %d letters, "
	    "digits, '.', '_' and '-', beginning with a letter or digit",
	    name, RUNNER_NAME_MAX);
}

/* -- registration ------------------------------------------------------ */

static int insert(struct runners *r, const struct runner_wish *w,
    runner_id *ret, struct err *err)
{
	CLEANUP(runner_fini) struct runner there = {0};
	struct store *s = r->config.store;
	/* Nothing beats yet: registration comes before the first start. */
	struct runner row = {.name = (char *)w->name,
	    .type = (char *)"proxy",
	    .status = (char *)"offline",
	    .labels = (char *)w->labels,
	    .repository = (char *)w->scope};
	struct runner_change change = {
	    .roots = w->roots != NULL ? w->roots : "[]"};
	int found = store_runner_by_name(s, w->name, &there, err);

	if (found == 1)
		return err_set(err, ERR_CONFLICT, "runner_exists",
		    "there is a runner %s already: remove it first, or give "
		    "it a new token (runnerhub runner token %s)",
		    w->name, w->name);
	TRY(found);
	TRY(store_runner_touch(s, &row, ret, err));
	return store_runner_change(s, *ret, &change, err);
}

int runners_register(struct runners *r, const struct runner_wish *wish,
    runner_id *ret, char token[RUNNER_TOKEN_LEN], struct err *err)
{
	int rc;

	TRY(runner_name_check(wish->name, err));
	mtx_lock(&r->life);
	rc = insert(r, wish, ret, err);
	if (rc == 0)
		rc = store_runner_new_token(r->config.store, *ret, token, err);
	mtx_unlock(&r->life);
	return rc;
}

int runners_new_token(struct runners *r, runner_id id,
    char token[RUNNER_TOKEN_LEN], struct err *err)
{
	CLEANUP(runner_fini) struct runner row = {0};

	TRY(runner_need(r, id, &row, err));
	if (row.made != NULL)
		return err_set(err, ERR_CONFLICT, "runner_made",
		    "the hub made %s and gives it its tokens itself", row.name);
	return store_runner_new_token(r->config.store, id, token, err);
}

/* -- heartbeat --------------------------------------------------------- */

static const char *status_now(const struct runner *row, bool busy)
{
	if (runner_is(row, "stopping"))
		return "stopping";
	return busy || row->job_id != NULL ? "busy" : "idle";
}

static int beat_locked(struct runners *r, runner_id id, bool busy,
    struct runner *row, struct err *err)
{
	struct runner_change change = {.heartbeat = true};

	runner_fini(row);
	TRY(runner_need(r, id, row, err));
	change.status = status_now(row, busy);
	return store_runner_change(r->config.store, id, &change, err);
}

/* Most change nothing but the time: those need no lock, a drain that comes
 * in between stays. */
int runners_heartbeat(struct runners *r, runner_id id, bool busy,
    struct runner_beat *ret, struct err *err)
{
	CLEANUP(runner_fini) struct runner row = {0};
	struct runner_change beat = {.heartbeat = true};
	int rc;

	TRY(runner_need(r, id, &row, err));
	if (runner_is(&row, status_now(&row, busy))) {
		TRY(store_runner_change(r->config.store, id, &beat, err));
	} else {
		mtx_lock(&r->life);
		rc = beat_locked(r, id, busy, &row, err);
		mtx_unlock(&r->life);
		TRY(rc);
	}
	snprintf(
	    ret->status, sizeof(ret->status), "%s", status_now(&row, busy));
	ret->drain = runner_is(&row, "stopping");
	ret->interval_ms = r->config.options->heartbeat_ms;
	return 0;
}

static int pause_locked(
    struct runners *r, runner_id id, struct runner *row, struct err *err)
{
	struct runner_change change = {.status = "offline", .heartbeat = true};

	TRY(runner_need(r, id, row, err));
	if (runner_is(row, "stopping"))
		change.status = "stopping";
	return store_runner_change(r->config.store, id, &change, err);
}

int runners_pause(
    struct runners *r, runner_id id, struct runner_beat *ret, struct err *err)
{
	CLEANUP(runner_fini) struct runner row = {0};
	int rc;

	mtx_lock(&r->life);
	rc = pause_locked(r, id, &row, err);
	mtx_unlock(&r->life);
	TRY(rc);
	ret->drain = runner_is(&row, "stopping");
	snprintf(ret->status, sizeof(ret->status), "%s",
	    ret->drain ? "stopping" : "offline");
	ret->interval_ms = r->config.options->heartbeat_ms;
	return 0;
}

/* -- drain, remove ----------------------------------------------------- */

static int set_stopping(
    struct runners *r, runner_id id, struct runner *row, struct err *err)
{
	struct runner_change change = {.status = "stopping"};
	int rc;

	mtx_lock(&r->life);
	rc = runner_need(r, id, row, err);
	if (rc == 0)
		rc = store_runner_change(r->config.store, id, &change, err);
	mtx_unlock(&r->life);
	return rc;
}

int runners_drain(
    struct runners *r, const struct ctx *ctx, runner_id id, struct err *err)
{
	CLEANUP(runner_fini) struct runner row = {0};
	char note[300];

	TRY(set_stopping(r, id, &row, err));
	log_info(ctx, "runner drains", LOG_STR("runner", row.name));
	if (row.made != NULL)
		runners_wake_keeper(r);
	else if (runner_is(&row, "offline"))
		return runners_remove(r, ctx, id, false, note, err);
	return 0;
}

/* The row first: it is the truth, and the keeper removes what none claims. */
int runners_remove(struct runners *r, const struct ctx *ctx, runner_id id,
    bool force, char note[300], struct err *err)
{
	CLEANUP(runner_fini) struct runner row = {0};
	char job[UUID_TEXT_LEN];

	note[0] = '\0';
	TRY(runner_need(r, id, &row, err));
	TRY(runner_open_job(r, id, job, err));
	/* Busy with a job that has just ended is what the clock has not seen
	 * yet; without one its supervisor says so. */
	if (!force &&
	    (job[0] != '\0' || (row.job_id == NULL && runner_is(&row, "busy"))))
		return err_set(err, ERR_CONFLICT, "runner_busy",
		    "%s runs a job%s%s: drain it, or remove it with "
		    "force=true",
		    row.name, job[0] != '\0' ? ", " : "", job);
	if (runners_deregister(r, ctx, &row, note, err) < 0) {
		if (!force)
			return -1;
		snprintf(note, 300, "%s", err->msg);
		err_clear(err);
	}
	TRY(store_runner_delete(r->config.store, id, err));
	if (row.made != NULL)
		runners_wake_keeper(r);
	return 0;
}

/* -- may a job begin --------------------------------------------------- */

/* A repository, or all of an owner ("owner/" and a star), in any case. */
static bool matches(const char *pattern, size_t n, const char *repository)
{
	if (n >= 2 && strncmp(pattern + n - 2, "/*", 2) == 0)
		return strncasecmp(pattern, repository, n - 1) == 0;
	return strlen(repository) == n &&
	       strncasecmp(pattern, repository, n) == 0;
}

static bool is_listed(const char *list, const char *repository)
{
	for (;;) {
		size_t n = strcspn(list, ",");
		size_t from = strspn(list, " \t");
		size_t to = n;

		while (to > from && strchr(" \t", list[to - 1]) != NULL)
			to--;
		if (from < to && matches(list + from, to - from, repository))
			return true;
		if (list[n] == '\0')
			return false;
		list += n + 1;
	}
}

int runners_may_begin(struct runners *r, runner_id id, const char *repository,
    bool *ret, char reason[200], struct err *err)
{
	CLEANUP(runner_fini) struct runner row = {0};
	const char *list = r->config.options->allow_repositories;

	TRY(runner_need(r, id, &row, err));
	*ret = false;
	reason[0] = '\0';
	if (runner_is(&row, "stopping"))
		snprintf(reason, 200,
		    "%s is being drained: it takes no new job", row.name);
	else if (list != NULL && !is_listed(list, repository))
		snprintf(reason, 200,
		    "jobs of %.100s are not allowed here "
		    "(RUNNERHUB_ALLOW_REPOSITORIES)",
		    repository);
	else
		*ret = true;
	return 0;
}
