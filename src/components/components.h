/*
 * Components: catalog entities that the hub builds from their source and
 * keeps running, an instance at a time. What the API and the commands ask of
 * it; any thread unless said. The store leads: a hub that comes back goes on
 * with every instance it finds there, whatever moment it died in.
 */
#ifndef COMPONENTS_COMPONENTS_H
#define COMPONENTS_COMPONENTS_H

#include "base/json_out.h"
#include "components/feed.h"
#include "config/config.h"
#include "engine/engine.h"
#include "spool/spool.h"
#include "store/instances.h"

struct components;
struct app_config;
struct portal;
struct components_config { /* borrowed until components_close */
	const struct options *options;
	struct store *store;
	struct spool *spool;
	struct engine *engine;
	struct sandboxes
	    *sandboxes; /* their networks, and the guard of those */
	const char *hub_id;
	struct secrets *secrets;
	struct portal *portal; /* NULL: none */
	/* Only while it is opened. */
	const struct app_config *app_config;
};
/* Starts the thread that goes on with what an earlier hub left, once the
 * engine answers. */
int components_open(struct components **ret,
    const struct components_config *config, struct err *err) MUST_CHECK;
/* Starts nothing any more. drain: ends all instances; else leaves those that
 * run to the next hub. Blocks. */
void components_stop(struct components *c, bool drain);
/* After the HTTP server has ended. */
void components_close(struct components *c);

/* On whose behalf, and how. Borrowed. */
struct component_caller {
	const char *subject;      /* "user:default/jane"; NULL: this machine */
	const char *portal_token; /* what the portal is asked with, or NULL */
	bool rebuild; /* of a start: nothing that was built before is used */
	/* May an instance of this owner be stopped for it (components.whenBusy
	 * replace)? NULL: any. As store_instance_admit has it. */
	bool (*may_replace)(void *arg, const char *owner);
	void *arg;
};

/* -- instances --------------------------------------------------------- */
/*
 * Looks the entity up and admits an instance, which is then on its way
 * (status starting). ERR_INVALID: no reference, or not enabled; ERR_NOT_FOUND
 * "entity_not_found"; ERR_CONFLICT: see store_instance_admit;
 * ERR_UNAVAILABLE: the engine does not answer.
 */
int components_start(struct components *c, const char *entity_ref,
    const struct component_caller *by, struct instance *ret,
    struct err *err) MUST_CHECK;

/* Called once, on a thread that it must not block: the instance is there. */
typedef void (*component_done)(void *arg);
/*
 * Ends it, whatever it does: a start is given up, in each of its steps. 0:
 * done is called when it is stopped, at once if it is already (an instance in
 * error becomes stopped). -1: refused, done is not called; ERR_NOT_FOUND.
 */
int components_end(struct components *c, instance_id id, component_done done,
    void *arg, struct err *err) MUST_CHECK;
/* done once it is not starting any more; -1: never, ERR_NOT_FOUND. */
int components_await(struct components *c, instance_id id, component_done done,
    void *arg, struct err *err) MUST_CHECK;
/* 1 found, 0 none, -1 error. As the store has it, with live progress. */
int components_get(struct components *c, instance_id id, struct instance *ret,
    struct err *err) MUST_CHECK;
int components_list(struct components *c, struct instance_list *ret,
    struct err *err) MUST_CHECK;
/* Its health as an object, or null when it is not being watched. */
void components_health(struct components *c, instance_id id, struct json *j);
/* What it uses now, in the words of `docker stats`, or null when it does not
 * run. Blocks: asks the engine, in the first moments of an instance twice. */
void components_stats(struct components *c, instance_id id, struct json *j);
/* What it used, as an array, oldest first: the last `limit` (0: all) of the
 * measurements that are kept; empty: none. */
void components_metrics(
    struct components *c, instance_id id, int64_t limit, struct json *j);
/* Faults as an array: see faults_write. */
void components_faults(
    struct components *c, const char *instance, int64_t limit, struct json *j);
/*
 * What may be run, of the hub's own catalog and of the portal's, in the order
 * of references: an object with items, total, nextCursor (the cursor of the
 * next page, where there is one) and problems (what is wrong with either). May
 * wait for the portal, 10 s.
 */
struct component_page {
	int64_t limit;      /* 0: COMPONENTS_PAGE_MAX, which is the most */
	const char *cursor; /* NULL: from the first */
};
#define COMPONENTS_PAGE_MAX 1000
void components_catalog(struct components *c, const struct component_caller *by,
    const struct component_page *page, struct json *j);
/* What each GitHub lets the hub ask. Times are wall seconds. */
struct component_budget {
	const char *host;
	int64_t limit, remaining, reset_at; /* -1: not said yet */
	int64_t blocked_until;              /* not asked before; 0: it may be */
	int64_t asked, unchanged; /* requests; those answered 304 (free) */
};
void components_budgets(struct components *c,
    void (*each)(void *arg, const struct component_budget *b), void *arg);
/* Tells of every instance that changes. */
struct feed *components_feed(struct components *c);

#endif
