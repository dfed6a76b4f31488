/*
 * Instances of components: what was asked for, how far it is, how it ended.
 * Admission is one transaction, each change a compare-and-set; both block
 * until durable. Any thread.
 */
#ifndef STORE_INSTANCES_H
#define STORE_INSTANCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"
#include "store/store.h"

typedef struct {
	struct uuid u;
} instance_id;

/* Stored by name: never rename. */
enum instance_status {
	INSTANCE_STARTING = 1,
	INSTANCE_RUNNING,
	INSTANCE_STOPPING,
	INSTANCE_STOPPED,
	INSTANCE_ERROR,
};
const char *instance_status_name(enum instance_status status);
/* Does it hold one of the places that `max` counts? */
bool instance_is_active(enum instance_status status);
/* "KILL", of the exit code 137; NULL: no signal ended it, or none by name. */
const char *instance_signal(int exit_code);

struct instance {
	int64_t seq; /* order of creation */
	instance_id id;
	char *component_ref; /* "Component:default/demo", the catalog's case */
	char *owner;         /* "group:default/team-a" in lower case, or NULL */
	char *started_by;    /* "user:default/jane"; NULL: this machine */
	enum instance_status status;
	bool stop_requested;
	char *container_id, *image, *commit; /* or NULL */
	char *ports;      /* JSON array of the host's ports, "[]" at first */
	char *progress;   /* JSON: deploymentProgress; or NULL */
	char *error_code; /* "PORT_ALREADY_IN_USE", or NULL */
	char *error;      /* for people, or NULL */
	char *plan;       /* JSON: what of the descriptor its life needs; or
			     NULL */
	bool has_exit_code, oom_killed;
	int exit_code;
	int restarts;        /* of its container, by its restart policy */
	bool has_log_offset; /* its container has begun to write */
	int64_t log_offset;  /* bytes of the log before that: the build's */
	int64_t started_at, stopped_at, updated_at; /* wall ns, 0: not yet */
};
void instance_fini(struct instance *i); /* frees the strings */
static inline void instance_fini_guard(struct instance *i)
{
	instance_fini(i);
}

struct instance_admission {
	const instance_id *id; /* that nobody has; NULL: a new one */
	const char *component_ref;
	const char *owner, *started_by; /* or NULL */
	const char *progress, *plan;    /* JSON, or NULL */
	int64_t max;
	bool replace; /* those that are in the way are to stop */
	/* May one of this owner (or NULL) be stopped for it? NULL: any. On the
	 * writer thread: quick, and without the store. */
	bool (*may_replace)(void *arg, const char *owner);
	void *arg;
};
/*
 * Makes an instance in INSTANCE_STARTING, unless `max` are active:
 * ERR_CONFLICT "component_running" then names the oldest of those. A second
 * instance of an active component is refused whatever max is.
 *
 * replace: instead of that the oldest ones become INSTANCE_STOPPING, as many
 * as there are too many, and another one of the same component; those that
 * are stopping already do not count. Whoever carries them has to be told. Those
 * that may not be replaced stay; ERR_CONFLICT "component_running" names one,
 * and its owner, when without them there is no room.
 */
int store_instance_admit(struct store *s, const struct instance_admission *a,
    instance_id *ret, struct err *err) MUST_CHECK;

/* NULL and false leave a column as it is. */
struct instance_change {
	enum instance_status from[4]; /* [0] == 0: any; else ends with 0 */
	enum instance_status to;      /* 0: stays */
	bool stop_requested;
	const char *container_id, *image, *commit, *ports, *progress,
	    *error_code, *error, *plan;
	bool clear_container; /* the container is gone */
	bool set_exit_code, oom_killed;
	int exit_code;
	int restarts; /* 0: as it is */
	bool set_log_offset;
	int64_t log_offset;
};
/* ERR_NOT_FOUND "instance_not_found"; ERR_CONFLICT "instance_state": it is in
 * none of `from`. To STOPPED or ERROR sets stopped_at, once. */
int store_instance_change(struct store *s, instance_id id,
    const struct instance_change *change, struct err *err) MUST_CHECK;

/*
 * Forgets ended instances but for the newest `keep`, and for the newest of
 * each component; the oldest first, at most `max` at once. Their ids are in
 * ret. How many, -1 error.
 */
int store_instance_prune(struct store *s, int64_t keep, instance_id *ret,
    size_t max, struct err *err) MUST_CHECK;

/* 1 found, 0 none, -1 error. */
int store_instance_get(struct store *s, instance_id id, struct instance *ret,
    struct err *err) MUST_CHECK;
struct instance_list {
	struct instance *items;
	size_t n;
};
void instance_list_free(struct instance_list *l);
static inline void instance_list_free_guard(struct instance_list *l)
{
	instance_list_free(l);
}
/* The newest `limit` of them (at most 1000), oldest first. */
#define INSTANCE_LIST_MAX 1000
int store_instance_list(struct store *s, bool active_only, int64_t limit,
    struct instance_list *ret, struct err *err) MUST_CHECK;

#endif
