/* What the files of sandbox/ share among themselves. */
#ifndef SANDBOX_SANDBOX_INTERNAL_H
#define SANDBOX_SANDBOX_INTERNAL_H

#include <limits.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "sandbox/network.h"
#include "sandbox/sandbox.h"

struct owed; /* collect.c */

enum { PRODUCT_UNKNOWN, PRODUCT_PODMAN, PRODUCT_OTHER };

struct sandboxes {
	struct sandboxes_config config;
	struct network *network;
	char agent_path[PATH_MAX];
	struct mtx hook_mtx;      /* held while the hook client is placed */
	char hook_path[PATH_MAX]; /* its directory; "": not placed yet */
	char generation[20];      /* of this hub process, a label */
	atomic_int product;       /* of the engine, session_network.c's */
	bool remote;              /* the engine cannot mount our files */
	struct mtx remote_mtx;    /* held while the agent's volume is filled */
	bool agent_volume_ready;  /* guarded by remote_mtx */
	char agent_volume[64];
	struct mtx mtx;
	struct cond slot_free;
	struct sandbox *live; /* guarded by mtx */
	struct owed *owed; /* guarded by mtx: containers to be removed later */
	bool left;         /* one was left to the next hub; guarded by mtx */
	struct sandboxes_stats stats; /* guarded by mtx */
};

bool sandboxes_is_live(struct sandboxes *s, const char *sandbox_id);
/* Under the mutex. The first report counts: events are replayed. */
void sandbox_mark_died(struct sandbox *sb, int exit_code, bool restarted);
/* Gone already is fine. Runs also for a job that was cancelled. */
int sandbox_remove_container(struct sandboxes *s, const struct ctx *ctx,
    const char *id, struct err *err) MUST_CHECK;

/* -- collect.c: what is left over -------------------------------------- */
/* The container of a sandbox that is over could not be removed: it may still
 * run, and keeps its address until the collector has removed it. */
void sandbox_owe(struct sandboxes *s, const char *id, uint32_t address);
/* Its container is gone: so go its directory and its address. */
void sandbox_settle(struct sandboxes *s, const char *id);
void sandbox_forget_owed(struct sandboxes *s);

/* -- files.c: the host side of a sandbox ------------------------------- */
/* Makes <state>/sandboxes and the agent's binary. */
int sandbox_files_open(const char *state_dir, char *ret_agent_path, size_t size,
    struct err *err) MUST_CHECK;
/* Places the hook client, once: hook_path stays as it is then. */
int sandbox_files_place_hook(struct sandboxes *s, struct err *err) MUST_CHECK;
int sandbox_files_make(
    struct sandboxes *s, const struct sandbox *sb, struct err *err) MUST_CHECK;
/* Address and nonce, so that the next hub can take over. */
int sandbox_files_save_meta(
    struct sandboxes *s, const struct sandbox *sb, struct err *err) MUST_CHECK;
int sandbox_files_load_meta(struct sandboxes *s, struct sandbox *sb,
    uint64_t *ret_nonce, struct err *err) MUST_CHECK;
void sandbox_files_remove(struct sandboxes *s, const char *sandbox_id);
/* Removes directories whose sandbox neither lives nor has a container. */
void sandbox_files_sweep(
    struct sandboxes *s, const struct engine_container_list *l);
/* "<state>/sandboxes/<id>/<name>" */
const char *sandbox_files_path(const struct sandboxes *s, const char *id,
    const char *name, char out[PATH_MAX]);
/* Where the agent will come: a socket in the sandbox's directory, or the
 * engine's attach. running: the container runs already. */
int sandbox_open_channel(struct sandboxes *s, struct sandbox *sb, bool running,
    struct err *err) MUST_CHECK;

/* -- remote.c: an engine on another machine ---------------------------- */
void remote_open(struct sandboxes *s);
/* The volume that holds the agent, filled once through the engine's API with
 * the help of a container of `image`. */
int remote_ensure_agent(struct sandboxes *s, const struct ctx *ctx,
    const char *image, struct err *err) MUST_CHECK;
void remote_erase(struct sandboxes *s, const struct ctx *ctx);
int remote_open_channel(struct sandboxes *s, struct sandbox *sb, bool running,
    struct err *err) MUST_CHECK;

/* The user of steps, for the next hub, where it is not the image's. */
#define SANDBOX_USER_LABEL "runnerhub.user"

/* -- plan.c: the body of the create call ------------------------------- */
enum { PLAN_BINDS = 12, PLAN_LABELS = 12 };
struct container_plan {
	struct engine_container_spec spec;
	char name[64];
	char hostname[32];
	char bind_text[PLAN_BINDS][PATH_MAX + 64];
	const char *binds[PLAN_BINDS];
	struct engine_pair labels[PLAN_LABELS];
	const char *entrypoint[2], *cmd[2];
};
/* Pointers in the plan point into it, into s, spec and sb: use at once.
 * ERR_LIMIT: too many volumes. */
int container_plan_make(struct container_plan *p, const struct sandboxes *s,
    const struct sandbox_spec *spec, const struct sandbox *sb,
    enum network_kind kind, const char *network_name,
    struct err *err) MUST_CHECK;

/* -- plan_document.c: what a session's document adds ------------------- */
/* The plan's own document with what `document` adds. */
int container_plan_json(const struct container_plan *p, const char *document,
    struct buf *out, struct err *err) MUST_CHECK;
/* The user that a document names; NULL: none. To mem_free. */
char *container_plan_user(const char *document);

#endif
