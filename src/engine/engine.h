/*
 * What a container engine must do for us: the Docker Engine API (v1.41 up,
 * negotiated) over a unix socket or tcp://, also as Podman serves it. Each
 * call blocks, takes a context, and returns errors whose kind says what can
 * be done: ERR_UNAVAILABLE (engine away, code "engine_down"), NOT_FOUND
 * ("container_not_found", "image_not_found", ...), CONFLICT, UNCERTAIN (a
 * create or start whose reply was lost: look before repeating), INVALID (the
 * engine refused the request, its own words in msg). Thread safe.
 *
 * After UNCERTAIN from a create, look by name: inspect takes names as well,
 * and a repeated create of a name that exists is CONFLICT "name_in_use". All
 * other calls but create and start may be repeated without harm: a lost reply
 * is UNAVAILABLE there. A context without a deadline is bounded here (30 s,
 * 3 min for create, start, remove and archives); pull and events are not.
 *
 * Codes worth knowing: engine_down, engine_timeout, engine_busy, disk_full
 * (UNAVAILABLE); engine_permission (FORBIDDEN); engine_refused,
 * engine_unsupported, engine_too_old, engine_too_new (INVALID); engine_error
 * (INTERNAL: the engine's 500); <container|image|network|volume>_not_found;
 * name_in_use, container_not_running, removal_in_progress, network_in_use,
 * network_overlap, volume_in_use (CONFLICT); network_pool_exhausted (LIMIT).
 * Source: Docker Engine API v1.41 reference (docs.docker.com/engine/api).
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "base/err.h"

#define ENGINE_ID_LEN 65 /* 64 hex and NUL */

struct engine;

/* Does not connect yet. host: as DOCKER_HOST, or a bare socket path. */
int engine_open(
    struct engine **ret, const char *host, struct err *err) MUST_CHECK;
void engine_close(struct engine *e);
DEFINE_CLEANUP(struct engine *, engine_close);
/* "unix:///run/docker.sock" */
const char *engine_host(const struct engine *e);
bool engine_is_local(const struct engine *e); /* unix socket */

struct engine_info {
	char product[32];     /* "docker" or "podman" */
	char version[64];     /* "20.10.24" */
	char api_version[16]; /* negotiated, "1.41" */
	char id[128];
	char root_dir[256];
	char os_arch[64];   /* "linux/amd64" */
	char runtime[64];   /* default runtime */
	int cgroup_version; /* 1 or 2 */
	int cpus;
	int64_t memory_bytes;
	bool rootless;
	bool has_memory_limit, has_pids_limit, has_cpu_limit;
	bool seccomp, apparmor;
};
/* Connects, negotiates the API version once, describes the engine. */
int engine_info(struct engine *e, const struct ctx *ctx,
    struct engine_info *ret, struct err *err) MUST_CHECK;
/* One cheap round trip. */
int engine_ping(
    struct engine *e, const struct ctx *ctx, struct err *err) MUST_CHECK;

/* -- containers -------------------------------------------------------- */
struct engine_pair {
	const char *key;
	const char *value;
};
/* Arrays end with NULL (or a {NULL} pair); NULL array: absent. Borrowed. */
struct engine_container_spec {
	const char *name;
	const char *image;
	const char *const *entrypoint;
	const char *const *cmd;
	const char *user;
	const char *working_dir;
	const char *hostname;
	const char *const *env; /* "K=V" */
	const struct engine_pair *labels;
	const char *const *binds;             /* "src:dst:ro" */
	const char *const *volumes_anonymous; /* container paths */
	const struct engine_pair *tmpfs;      /* path, options */
	const char *const *dns;
	const char *const *extra_hosts;
	const char *network_mode; /* "none", "bridge", name, "container:id" */
	const char *const *network_aliases; /* on the network of that name */
	/* With no network_mode beside it, "none" is sent as well: Podman knows
	 * only that. */
	bool network_disabled; /* Config.NetworkDisabled: loopback only, and
				  starts in half the time */
	int64_t memory_bytes;  /* also the swap limit; 0: none */
	int64_t nano_cpus;
	int64_t pids;
	const char *const *cap_drop;
	const char *const *cap_add;
	const char *const *security_opt;
	bool readonly_rootfs;
	bool keep_log;   /* for `docker logs`, bounded; else the engine has none
			  */
	bool open_stdin; /* for the attach channel */
	bool init;
};
int engine_container_create(struct engine *e, const struct ctx *ctx,
    const struct engine_container_spec *spec, char ret_id[ENGINE_ID_LEN],
    struct err *err) MUST_CHECK;
int engine_container_start(struct engine *e, const struct ctx *ctx,
    const char *id, struct err *err) MUST_CHECK;
/* signal: "SIGKILL"; a container that is not running is fine. */
int engine_container_kill(struct engine *e, const struct ctx *ctx,
    const char *id, const char *signal, struct err *err) MUST_CHECK;
/* Force-removes with anonymous volumes; gone already, or removal already in
 * progress, is fine. */
int engine_container_remove(struct engine *e, const struct ctx *ctx,
    const char *id, struct err *err) MUST_CHECK;
/* Limits of a running container; 0 leaves one as it is. Podman 4.3 has no such
 * call: INVALID "engine_unsupported". */
int engine_container_update(struct engine *e, const struct ctx *ctx,
    const char *id, int64_t memory_bytes, int64_t nano_cpus, int64_t pids,
    struct err *err) MUST_CHECK;

struct engine_label {
	char *key, *value;
};
struct engine_container {
	char id[ENGINE_ID_LEN];
	char name[128];
	char image[256];
	char state[24]; /* created running paused restarting removing exited
			   dead */
	int pid;
	int exit_code;
	bool oom_killed;
	char error[256];
	char ip[64]; /* first network's address, or "" */
	char started_at[40];
	int64_t created_at; /* wall ns; only a list tells it */
	struct engine_label *labels;
	size_t nlabels;
};
void engine_container_fini(struct engine_container *c);
static inline void engine_container_fini_guard(struct engine_container *c)
{
	engine_container_fini(c);
}
const char *engine_container_label(
    const struct engine_container *c, const char *key); /* NULL: none */
int engine_container_inspect(struct engine *e, const struct ctx *ctx,
    const char *id, struct engine_container *ret, struct err *err) MUST_CHECK;
/* Each "NAME=value" of its environment, borrowed. There are secrets among
 * them. */
int engine_container_env(struct engine *e, const struct ctx *ctx,
    const char *id, void (*take)(void *arg, const char *pair), void *arg,
    struct err *err) MUST_CHECK;
/* All (running or not) that bear each "key=value" label. state, pid (0) and
 * labels are filled as far as the list tells. Free with _list_free. */
struct engine_container_list {
	struct engine_container *items;
	size_t n;
};
void engine_container_list_free(struct engine_container_list *l);
static inline void engine_container_list_free_guard(
    struct engine_container_list *l)
{
	engine_container_list_free(l);
}
int engine_container_list(struct engine *e, const struct ctx *ctx,
    const char *const *labels, struct engine_container_list *ret,
    struct err *err) MUST_CHECK;
/* Unpacks a tar at path inside the container. */
int engine_container_put_archive(struct engine *e, const struct ctx *ctx,
    const char *id, const char *path, const void *tar, size_t len,
    struct err *err) MUST_CHECK;
/* Duplex stream on a non-blocking socket: write = stdin; reads are the engine's
 * 8-byte-framed stdout/stderr stream (engine/frames.h). early: bytes already
 * read. Docker lets a container be attached to again after a close; Podman 4.3
 * ends its stdin with the first peer that goes. */
int engine_container_attach(struct engine *e, const struct ctx *ctx,
    const char *id, int *ret_fd, struct buf *early, struct err *err) MUST_CHECK;
/* Runs argv in a running container and collects its output, both streams as
 * they come; what does not fit is dropped and out->overflow tells so;
 * for doctor and debugging, never per step. */
int engine_container_exec(struct engine *e, const struct ctx *ctx,
    const char *id, const char *const *argv, struct buf *out,
    int *ret_exit_code, struct err *err) MUST_CHECK;

/* -- images ------------------------------------------------------------ */
struct engine_image {
	char id[80];
	char user[128];
	char working_dir[256];
	char os_arch[64];
	int64_t size_bytes;
	char parent[80];    /* id of the image it was built on, or "" */
	int64_t created_at; /* wall ns; 0: not told */
	int64_t tagged_at;  /* given a name last; 0: not told (Podman) */
	size_t ntags;
	char **env; /* "K=V", NULL-terminated, may be NULL */
	struct engine_label *labels;
	size_t nlabels;
};
const char *engine_image_label(
    const struct engine_image *i, const char *key); /* NULL: none */
void engine_image_fini(struct engine_image *i);
static inline void engine_image_fini_guard(struct engine_image *i)
{
	engine_image_fini(i);
}
int engine_image_inspect(struct engine *e, const struct ctx *ctx,
    const char *ref, struct engine_image *ret, struct err *err) MUST_CHECK;
/* Blocks until the pull ends. progress (may be NULL): one line of text per
 * status change. Failures: code "image_pull_failed" with the registry's words,
 * NOT_FOUND when it knows no such image or denies it, else UNAVAILABLE. auth:
 * base64url X-Registry-Auth or NULL. */
int engine_image_pull(struct engine *e, const struct ctx *ctx, const char *ref,
    const char *auth, void (*progress)(void *arg, const char *line), void *arg,
    struct err *err) MUST_CHECK;
/* docker import: a root file system tar (streamed) becomes image ref. */
int engine_image_import(struct engine *e, const struct ctx *ctx,
    const char *ref, const void *tar, size_t len, const char *const *changes,
    struct err *err) MUST_CHECK;

/* -- networks and volumes ---------------------------------------------- */
struct engine_network_spec {
	const char *name;
	const char *bridge_name; /* com.docker.network.bridge.name, <= 15 */
	const char *subnet;      /* "10.213.0.0/20" */
	const char *ip_range;    /* NULL: whole subnet */
	const char *gateway;
	bool internal;
	bool icc; /* containers may talk to each other */
	/* Of ports that are published without an address; NULL: all of the
	 * host. Podman does not know it. */
	const char *publish_on;
	int mtu; /* 0: default */
	const struct engine_pair *labels;
};
/*
 * icc false is verified: an engine that ignores it (Podman does) leads to
 * INVALID "engine_unsupported" and no network, never to a weaker one. Whether
 * bridge_name was taken shows in inspect (Podman 4.3: "", it picks its own).
 */
int engine_network_create(struct engine *e, const struct ctx *ctx,
    const struct engine_network_spec *spec, char ret_id[ENGINE_ID_LEN],
    struct err *err) MUST_CHECK;
/* Prefer the name: given an id, Podman 4.3 removes a network in use. */
int engine_network_remove(struct engine *e, const struct ctx *ctx,
    const char *id, struct err *err) MUST_CHECK; /* gone is fine */
struct engine_network {
	char id[ENGINE_ID_LEN];
	char name[128];
	char driver[32];
	char subnet[64];
	char gateway[64];
	char bridge_name[32];
	bool internal;
	struct engine_label *labels;
	size_t nlabels;
};
void engine_network_fini(struct engine_network *n);
static inline void engine_network_fini_guard(struct engine_network *n)
{
	engine_network_fini(n);
}
int engine_network_inspect(struct engine *e, const struct ctx *ctx,
    const char *name, struct engine_network *ret, struct err *err) MUST_CHECK;
struct engine_network_list {
	struct engine_network *items;
	size_t n;
};
void engine_network_list_free(struct engine_network_list *l);
static inline void engine_network_list_free_guard(struct engine_network_list *l)
{
	engine_network_list_free(l);
}
int engine_network_list(struct engine *e, const struct ctx *ctx,
    const char *const *labels, struct engine_network_list *ret,
    struct err *err) MUST_CHECK;

int engine_volume_create(struct engine *e, const struct ctx *ctx,
    const char *name, const struct engine_pair *labels,
    struct err *err) MUST_CHECK;
int engine_volume_remove(struct engine *e, const struct ctx *ctx,
    const char *name, struct err *err) MUST_CHECK;

/* -- events ------------------------------------------------------------ */
struct engine_event {
	char action[32]; /* die, oom, start, destroy, ... ("health_status") */
	char id[ENGINE_ID_LEN];
	int64_t time_ns;
	int exit_code; /* die; else -1 */
	/* value of a label of the container, NULL: none; valid in the callback
	 */
	const char *(*label)(const struct engine_event *ev, const char *key);
	const void *attributes; /* internal */
};
/*
 * Container events (start, die, oom, destroy) of containers with `label`
 * ("key=value"), blocking until cancelled or the stream breaks (then -1,
 * ERR_UNAVAILABLE). since_ns > 0: first replays from there (inclusive).
 * cb returns 0 to go on.
 */
int engine_events(struct engine *e, const struct ctx *ctx, const char *label,
    int64_t since_ns, int (*cb)(void *arg, const struct engine_event *ev),
    void *arg, struct err *err) MUST_CHECK;

/* Counters for metrics; any thread. */
struct engine_stats {
	uint64_t calls, errors, unavailable;
};
void engine_stats(const struct engine *e, struct engine_stats *ret);

#endif
