/*
 * Which instances are in hand, and what the API asks about them: see
 * components.h. Any thread; c->mtx guards the list of flows and what is
 * theirs, and is never held over a call that blocks.
 */
#include "components/components.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "components/flow.h"

enum { PING_MS = 5000, TRIES = 50, TRY_AGAIN_MS = 20 };

/* -- flows ------------------------------------------------------------- */

static void flow_free(struct flow *f)
{
	ASSERT(f->waiters == NULL);
	if (f->log != NULL)
		spool_log_close(f->log);
	source_fini(&f->source);
	descriptor_fini(&f->d);
	cancel_fini(&f->stop_cancel);
	cancel_fini(&f->leave_cancel);
	mem_free(f->component_ref);
	mem_free(f);
}

static int64_t grace_of(const struct instance *i)
{
	json_t *plan = i->plan != NULL ? json_loads(i->plan, 0, NULL) : NULL;
	const json_t *ms = json_object_get(plan, "stopGraceMs");
	int64_t grace = json_is_integer(ms) ? json_integer_value(ms) : -1;

	json_decref(plan);
	return grace >= 0 ? grace : FLOW_GRACE_MS;
}

static struct flow *flow_new(
    struct components *c, const struct instance *i, struct err *err)
{
	struct flow *f = mem_zalloc(sizeof(*f));

	f->owner = c;
	f->id = i->id;
	uuid_text(i->id.u, f->id_text);
	f->component_ref = mem_strdup(i->component_ref);
	f->found = i->status;
	f->grace_ms = grace_of(i);
	if (i->container_id != NULL && i->status != INSTANCE_STARTING)
		snprintf(
		    f->container, sizeof(f->container), "%s", i->container_id);
	snprintf(f->dir, sizeof(f->dir), "%s/components/%s",
	    c->config.options->state_dir, f->id_text);
	f->stop_cancel.fd = f->leave_cancel.fd = -1;
	if (cancel_init(&f->stop_cancel, err) < 0 ||
	    cancel_init(&f->leave_cancel, err) < 0) {
		flow_free(f);
		return NULL;
	}
	f->root = ctx_with_field(&c->ctx, "instance", f->id_text);
	f->life = ctx_with_cancel(&f->root, &f->leave_cancel);
	f->start = ctx_with_cancel(&f->root, &f->stop_cancel);
	f->stop_wanted = i->status == INSTANCE_STOPPING;
	if (f->stop_wanted)
		cancel_now(&f->stop_cancel);
	if (i->status == INSTANCE_STARTING)
		deployment_begin(&f->progress, i->started_at);
	return f;
}

/* Those whose thread has nothing more to do. */
static struct flow *take_over(struct components *c)
{
	struct flow **at = &c->flows, *f;

	while ((f = *at) != NULL && !f->over)
		at = &f->next;
	if (f != NULL)
		*at = f->next;
	return f;
}

static void reap(struct components *c)
{
	struct flow *f;

	for (;;) {
		mtx_lock(&c->mtx);
		f = take_over(c);
		mtx_unlock(&c->mtx);
		if (f == NULL)
			return;
		thread_join(f->thread);
		flow_free(f);
	}
}

int flow_launch(struct components *c, const struct instance *i, struct err *err)
{
	struct flow *f = flow_new(c, i, err);
	int r;

	if (f == NULL)
		return -1;
	reap(c);
	mtx_lock(&c->mtx); /* its thread waits for the list */
	r = c->stopping
		? err_set(err, ERR_UNAVAILABLE, "shutting_down",
		      "the hub is shutting down")
		: thread_start(&f->thread, "instance", flow_main, f, err);
	if (r == 0) {
		f->next = c->flows;
		c->flows = f;
	}
	mtx_unlock(&c->mtx);
	if (r < 0)
		flow_free(f);
	return r;
}

void flow_tell(struct flow *f, bool over)
{
	struct components *c = f->owner;
	struct waiter *due = NULL, **at, *w;

	mtx_lock(&c->mtx);
	for (at = &f->waiters; (w = *at) != NULL;) {
		if (w->until_over && !over) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = due;
		due = w;
	}
	f->over = over; /* from now on it may be freed */
	mtx_unlock(&c->mtx);
	while ((w = due) != NULL) {
		due = w->next;
		w->done(w->arg);
		mem_free(w);
	}
}

static struct flow *find_locked(struct components *c, instance_id id)
{
	struct flow *f = c->flows;

	mtx_assert_held(&c->mtx);
	while (f != NULL && (f->over || !uuid_equal(f->id.u, id.u)))
		f = f->next;
	return f;
}

bool flow_is_in_hand(struct components *c, instance_id id)
{
	bool found;

	mtx_lock(&c->mtx);
	found = find_locked(c, id) != NULL;
	mtx_unlock(&c->mtx);
	return found;
}

static void ask_locked(struct flow *f, bool leave)
{
	if (leave)
		f->leaving = true;
	else
		f->stop_wanted = true;
	cancel_now(&f->stop_cancel);
	if (leave)
		cancel_now(&f->leave_cancel);
	cond_broadcast(&f->owner->changed);
}

/* -- start ------------------------------------------------------------- */

static int not_found(struct err *err, instance_id id)
{
	char text[UUID_TEXT_LEN];

	return err_set(err, ERR_NOT_FOUND, "instance_not_found",
	    "Instance %s not found", uuid_text(id.u, text));
}

/* The catalog's own spelling of the reference. For mem_free. */
static int resolve(
    struct components *c, const char *text, char **ret, struct err *err)
{
	CLEANUP(catalog_fini) struct catalog catalog = {0};
	struct entity_ref ref = {0};
	const struct entity *e;

	TRY(entity_ref_parse(text, &ref, err));
	if (catalog_read(c->config.options->catalog, &catalog, err) < 0) {
		entity_ref_fini(&ref);
		return -1;
	}
	e = catalog_find(&catalog, &ref);
	entity_ref_fini(&ref);
	if (e == NULL)
		return err_set(err, ERR_NOT_FOUND, "entity_not_found",
		    "Entity not found: %.200s", text);
	if (!e->enabled)
		return err_set(err, ERR_INVALID, "not_enabled",
		    "Component is not enabled for runner");
	*ret = entity_component_ref(e);
	return 0;
}

/* What an earlier hub left is taken in hand before anything new. */
static int await_recovery(struct components *c, struct err *err)
{
	int64_t deadline = clock_deadline_ms(PING_MS);
	bool recovered;

	mtx_lock(&c->mtx);
	while (!c->recovered && !c->stopping &&
	       cond_wait_until(&c->changed, &c->mtx, deadline))
		;
	recovered = c->recovered;
	mtx_unlock(&c->mtx);
	if (recovered)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "recovering",
	    "the hub still looks for what was running before its start");
}

static int check_engine(struct components *c, struct err *err)
{
	struct ctx limited = ctx_with_timeout(&c->ctx, PING_MS);

	if (engine_ping(c->config.engine, &limited, err) == 0)
		return await_recovery(c, err);
	err->kind = ERR_UNAVAILABLE;
	return fault_set(err, FAULT_ENGINE_DOWN);
}

static int admit(struct components *c, const char *component_ref,
    instance_id *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = 64 * 1024};
	struct deployment first;
	struct json j;

	deployment_begin(&first, clock_wall_ns());
	json_init(&j, &text);
	deployment_write(&first, &j);
	return store_instance_admit(c->config.store, component_ref,
	    c->config.options->components_max, buf_str(&text), ret, err);
}

/* Nobody carries it: it must not hold the place. */
static void give_up(struct components *c, instance_id id, const struct err *why)
{
	const struct instance_change change = {.to = INSTANCE_ERROR,
	    .error_code = FAULT_UNKNOWN,
	    .error = why->msg};
	struct err err = ERR_INIT;

	if (store_instance_change(c->config.store, id, &change, &err) < 0)
		log_error(&c->ctx, "cannot end an instance", LOG_ERR(&err));
}

int components_start(struct components *c, const char *entity_ref,
    const struct component_caller *by, struct instance *ret, struct err *err)
{
	CLEANUP(mem_free) char *component_ref = NULL;
	CLEANUP(instance_fini) struct instance made = {0};
	char id_text[UUID_TEXT_LEN];
	instance_id id;

	TRY(resolve(c, entity_ref, &component_ref, err));
	TRY(check_engine(c, err));
	TRY(admit(c, component_ref, &id, err));
	TRY(store_instance_get(c->config.store, id, &made, err));
	if (flow_launch(c, &made, err) < 0) {
		give_up(c, id, err);
		return -1;
	}
	feed_changed(&c->feed, id);
	log_info(&c->ctx, "instance admitted",
	    LOG_STR("instance", uuid_text(id.u, id_text)),
	    LOG_STR("component", component_ref),
	    LOG_STR("by", by->subject != NULL ? by->subject : "this machine"));
	*ret = made;
	made = (struct instance){0};
	return 0;
}

struct feed *components_feed(struct components *c)
{
	return &c->feed;
}

/* -- stop and wait ----------------------------------------------------- */

enum attached { NOBODY_HAS_IT, NOT_YET, ATTACHED };

static enum attached attach(struct components *c, instance_id id, bool end,
    component_done done, void *arg)
{
	enum attached r = ATTACHED;
	struct waiter *w;
	struct flow *f;

	mtx_lock(&c->mtx);
	f = find_locked(c, id);
	if (f == NULL) {
		r = c->recovered ? NOBODY_HAS_IT : NOT_YET;
	} else {
		w = mem_zalloc(sizeof(*w));
		*w = (struct waiter){
		    .done = done, .arg = arg, .until_over = end};
		w->next = f->waiters;
		f->waiters = w;
		if (end)
			ask_locked(f, false);
	}
	mtx_unlock(&c->mtx);
	return r;
}

static int change_to(struct components *c, const struct instance *i,
    enum instance_status to, struct err *err)
{
	const struct instance_change change = {
	    .from = {i->status}, .to = to, .stop_requested = true};

	if (i->status == to)
		return 0;
	TRY(store_instance_change(c->config.store, i->id, &change, err));
	feed_changed(&c->feed, i->id);
	return 0;
}

/* 1: it is stopped, 0: done will be called, -1; ERR_CONFLICT: look again. */
static int try_end(struct components *c, instance_id id, component_done done,
    void *arg, struct err *err)
{
	CLEANUP(instance_fini) struct instance i = {0};
	int found = store_instance_get(c->config.store, id, &i, err);

	TRY(found);
	if (found == 0)
		return not_found(err, id);
	if (!instance_is_active(i.status)) {
		TRY(change_to(c, &i, INSTANCE_STOPPED, err));
		return 1;
	}
	TRY(change_to(c, &i, INSTANCE_STOPPING, err));
	switch (attach(c, id, true, done, arg)) {
	case ATTACHED:
		return 0;
	case NOT_YET:
		TRY(await_recovery(c, err)); /* then there is a flow */
		break;
	case NOBODY_HAS_IT:
		break;
	}
	return err_set(err, ERR_CONFLICT, "instance_state",
	    "instance of %.200s is ending", i.component_ref);
}

int components_end(struct components *c, instance_id id, component_done done,
    void *arg, struct err *err)
{
	struct err slept = ERR_INIT;
	int r;

	for (int i = 0; i < TRIES; i++) {
		err_clear(err);
		r = try_end(c, id, done, arg, err);
		if (r == 1)
			done(arg);
		if (r >= 0)
			return 0;
		if (err->kind != ERR_CONFLICT)
			return -1;
		TRY(ctx_sleep(&c->ctx, TRY_AGAIN_MS, &slept));
	}
	return -1;
}

int components_await(struct components *c, instance_id id, component_done done,
    void *arg, struct err *err)
{
	CLEANUP(instance_fini) struct instance i = {0};
	int found = store_instance_get(c->config.store, id, &i, err);

	TRY(found);
	if (found == 0)
		return not_found(err, id);
	if (i.status != INSTANCE_STARTING ||
	    attach(c, id, false, done, arg) != ATTACHED)
		done(arg);
	return 0;
}

/* -- looking ----------------------------------------------------------- */

/* The store has each step, the flow also the percents between. */
static void add_live(struct components *c, struct instance *i)
{
	struct buf text;
	struct json j;
	struct flow *f;

	if (i->status != INSTANCE_STARTING)
		return;
	buf_init(&text, 64 * 1024);
	mtx_lock(&c->mtx);
	f = find_locked(c, i->id);
	if (f != NULL && f->progress.started_at != 0) {
		json_init(&j, &text);
		deployment_write(&f->progress, &j);
	}
	mtx_unlock(&c->mtx);
	if (text.len > 0) {
		mem_free(i->progress);
		i->progress = buf_steal(&text, NULL);
	}
	buf_fini(&text);
}

int components_get(
    struct components *c, instance_id id, struct instance *ret, struct err *err)
{
	int found = store_instance_get(c->config.store, id, ret, err);

	if (found > 0)
		add_live(c, ret);
	return found;
}

int components_list(
    struct components *c, struct instance_list *ret, struct err *err)
{
	TRY(store_instance_list(
	    c->config.store, false, INSTANCE_LIST_MAX, ret, err));
	for (size_t i = 0; i < ret->n; i++)
		add_live(c, &ret->items[i]);
	return 0;
}

static void write_check(const struct check *k, struct json *j)
{
	json_obj(j);
	json_ktime(j, "timestamp", k->at);
	json_kbool(j, "success", k->success);
	json_kint(j, "responseTime", k->took_ns / CLOCK_NS_PER_MS);
	if (!k->success)
		json_kstr(j, "error", k->error);
	json_end(j);
}

static void write_checks(const struct flow *f, struct json *j)
{
	uint64_t first =
	    f->nchecks > CHECKS_KEPT ? f->nchecks - CHECKS_KEPT : 0;
	const struct check *last = &f->checks[(f->nchecks - 1) % CHECKS_KEPT];

	json_kstr(j, "status",
	    f->nchecks == 0 ? "starting"
	    : last->success ? "healthy"
			    : "unhealthy");
	if (f->nchecks > 0)
		json_ktime(j, "lastCheck", last->at);
	json_karr(j, "checks");
	for (uint64_t i = first; i < f->nchecks; i++)
		write_check(&f->checks[i % CHECKS_KEPT], j);
	json_end(j);
}

void components_health(struct components *c, instance_id id, struct json *j)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;
	struct flow *f;

	if (store_instance_get(c->config.store, id, &i, &err) <= 0) {
		json_none(j);
		return;
	}
	mtx_lock(&c->mtx);
	f = find_locked(c, id);
	if (f == NULL || f->container[0] == '\0') {
		json_none(j);
	} else {
		json_obj(j);
		json_kstr(j, "containerId", f->container);
		write_checks(f, j);
		json_kint(j, "uptime",
		    (clock_wall_ns() - i.started_at) / CLOCK_NS_PER_S);
		json_kint(j, "restartCount", 0);
		json_end(j);
	}
	mtx_unlock(&c->mtx);
}

void components_faults(
    struct components *c, const char *instance, int64_t limit, struct json *j)
{
	faults_write(&c->faults, instance, limit, j);
}

static void optional(struct json *j, const char *key, const char *text)
{
	if (text != NULL)
		json_kstr(j, key, text);
}

static void write_component(const struct entity *e, struct json *j)
{
	CLEANUP(mem_free) char *ref = entity_component_ref(e);

	json_obj(j);
	json_kstr(j, "componentRef", ref);
	json_kstr(j, "kind", e->ref.kind);
	json_kstr(j, "namespace", e->ref.namespace);
	json_kstr(j, "name", e->ref.name);
	optional(j, "title", e->title);
	optional(j, "description", e->description);
	optional(j, "owner", e->owner);
	optional(j, "system", e->system);
	optional(j, "lifecycle", e->lifecycle);
	optional(j, "type", e->type);
	json_end(j);
}

int components_catalog(struct components *c, struct json *j, struct err *err)
{
	CLEANUP(catalog_fini) struct catalog catalog = {0};

	TRY(catalog_read(c->config.options->catalog, &catalog, err));
	json_arr(j);
	for (size_t i = 0; i < catalog.n; i++)
		if (catalog.v[i].enabled)
			write_component(&catalog.v[i], j);
	json_end(j);
	return 0;
}

/* -- life -------------------------------------------------------------- */

int components_open(struct components **ret,
    const struct components_config *config, struct err *err)
{
	static const struct integration public[] = {{.host = "github.com"}};
	struct components *c = mem_zalloc(sizeof(*c));

	c->config = *config;
	c->ctx = ctx_root();
	c->cancel.fd = -1;
	faults_init(&c->faults);
	feed_init(&c->feed);
	mtx_init(&c->mtx, "components");
	cond_init(&c->changed);
	*ret = c;
	TRY(cancel_init(&c->cancel, err));
	TRY(sources_open(&c->sources, public, ARRAY_LEN(public), NULL, err));
	TRY(thread_start(&c->recovery, "components", recover_main, c, err));
	c->recovery_runs = true;
	return 0;
}

/* Each is told in the store that it is being stopped, should we die. */
static void end_all(struct components *c)
{
	CLEANUP(instance_list_free) struct instance_list l = {0};
	struct err err = ERR_INIT;

	if (store_instance_list(
		c->config.store, true, INSTANCE_LIST_MAX, &l, &err) < 0)
		return;
	for (size_t i = 0; i < l.n; i++)
		if (change_to(c, &l.items[i], INSTANCE_STOPPING, &err) < 0)
			err_clear(&err); /* it ends by itself */
}

void components_stop(struct components *c, bool drain)
{
	struct flow *f;

	mtx_lock(&c->mtx);
	c->stopping = true;
	mtx_unlock(&c->mtx);
	cancel_now(&c->cancel);
	if (c->recovery_runs)
		thread_join(c->recovery);
	c->recovery_runs = false;
	if (drain)
		end_all(c);
	mtx_lock(&c->mtx);
	for (f = c->flows; f != NULL; f = f->next)
		ask_locked(f, !drain);
	while ((f = c->flows) != NULL) {
		c->flows = f->next;
		mtx_unlock(&c->mtx);
		thread_join(f->thread);
		flow_free(f);
		mtx_lock(&c->mtx);
	}
	mtx_unlock(&c->mtx);
}

void components_close(struct components *c)
{
	if (c == NULL)
		return;
	ASSERT(c->flows == NULL);
	sources_close(c->sources);
	cancel_fini(&c->cancel);
	cond_fini(&c->changed);
	mtx_fini(&c->mtx);
	feed_fini(&c->feed);
	faults_fini(&c->faults);
	mem_free(c);
}
