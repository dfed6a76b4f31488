/*
 * Sandboxes: one container with our agent, a network of its own and a
 * channel, used for exactly one job and then destroyed. `struct sandboxes`
 * makes them, knows all that live, and hears of their deaths.
 *
 * Files, below the state directory:
 *   agent-<hash>              the agent's binary, mounted read-only
 *   hook-<hash>/              the hook client, in those of nested sessions
 *   sandboxes/<id>/meta       address and nonce, for a restarted hub
 *   sandboxes/<id>/hub/s      the channel's socket; hub/ is mounted read-only
 *   sandboxes/<id>/etc/...    resolv.conf, hosts, hostname where we network
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/err.h"
#include "base/uuid.h"
#include "engine/engine.h"
#include "sandbox/channel.h"

struct sandboxes;

struct sandboxes_config {
	struct engine *engine; /* borrowed */
	const char *state_dir; /* absolute */
	const char *hub_id;    /* label runnerhub.hub */
	unsigned starts_parallel;
	int64_t start_timeout_ms;
	const char *network_mode;      /* isolated | none | a network's name */
	const char *network_mechanism; /* auto | veth | engine */
	const char *network_subnet;    /* "10.213.0.0/16" */
	const char *session_subnet;    /* "10.214.0.0/16" */
	const char *network_dns;       /* csv or NULL */
	bool deny_host_services;
	int mtu;
};
/* Makes the directories and places the agent. Does not talk to the engine.
 * Strings of the config are borrowed for the life of the object. */
int sandboxes_open(struct sandboxes **ret, const struct sandboxes_config *c,
    struct err *err) MUST_CHECK;
void sandboxes_close(struct sandboxes *s); /* leaves containers running */
/* Nothing of ours is left to the next hub: removes the network, too. Does
 * nothing while sandboxes live or were left running. */
void sandboxes_erase(struct sandboxes *s, const struct ctx *ctx);

/* Brings the engine side up (network, guard); idempotent, called when the
 * engine answers. Any thread. */
int sandboxes_prepare(
    struct sandboxes *s, const struct ctx *ctx, struct err *err) MUST_CHECK;
/* Puts the network's guard back in place; called now and then. */
void sandboxes_refresh(struct sandboxes *s);
/* What isolation is in force, in words, for the start-up log and doctor:
 * "isolated by veth on rh0a1b2c3d, host services denied". */
const char *sandboxes_describe(struct sandboxes *s, char *out, size_t size);
/* True when host services are reachable from sandboxes (warn mode or deny
 * impossible); why: the reason. */
bool sandboxes_host_exposed(struct sandboxes *s, char *why, size_t size);

struct sandbox_limits {
	int64_t memory_bytes, nano_cpus, pids;
};
enum sandbox_profile {
	SANDBOX_STRICT, /* all capabilities dropped but CHOWN, SETUID, SETGID */
	SANDBOX_RUNNER, /* the engine's less NET_RAW and MKNOD; sudo works */
};
struct sandbox_spec {
	const char *image;
	enum sandbox_profile profile;
	/*
	 * Sessions: the document (JSON) of POST /containers/create that
	 * containers/body.h made. It counts for what ours does not say: mounts,
	 * ports, tmpfs, labels, devices ... are added; image, command,
	 * environment, limits beyond ours never. Its user is that of steps.
	 * NULL: none.
	 */
	const char *document;
	const char *platform; /* of that document; NULL: the engine's */
	/* Unpacked at / before it starts (links into work directories). */
	const void *files;
	size_t files_len;
	/* The session's own network, see session_network.h; NULL: as below. */
	const char *session_network;
	const char *const *aliases; /* its names there, NULL-terminated */
	/* "volume:/path[:ro]", NULL-terminated; NULL: none. */
	const char *const *volumes;
	/* Processes in it open sessions themselves: they find the hook client
	 * as /.runnerhub/runnerhub-hook.sh. */
	bool nested;
	struct sandbox_limits limits;
	const char *network;    /* NULL: the configured mode */
	const char *job_id;     /* labels of cold containers; NULL: warm */
	const char *repository; /* NULL: warm */
};

struct sandbox {
	uint32_t magic;
	char id[UUID_TEXT_LEN];
	char container_id[ENGINE_ID_LEN];
	char *image;
	char *user;    /* of steps, the image's: "" is root */
	char *network; /* as asked: NULL = configured mode */
	struct sandbox_limits limits;
	struct channel *channel;
	uint32_t address;      /* 0: not ours */
	struct engine *engine; /* remote: what its channel attaches through */
	bool warm;
	int64_t created_ns, ready_ns; /* wall: container exists, agent ready */
	int wake_fd; /* eventfd: written at death and by sandbox_wake */
	/* written by the event thread before wake_fd, read after it */
	atomic_bool died;
	_Atomic int exit_code;
	atomic_bool engine_restarted;
	struct sandbox *next; /* in the registry; guarded by its mutex */
};
#define SANDBOX_MAGIC 0x5a4db0c5

/*
 * Creates, starts, connects: returns when the agent has greeted. At most
 * starts_parallel at a time, the others wait their turn. On failure
 * nothing is left behind (or the collector finds it by label).
 */
int sandbox_start(struct sandboxes *s, const struct ctx *ctx,
    const struct sandbox_spec *spec, struct sandbox **ret,
    struct err *err) MUST_CHECK;
/* Takes over a running container of an earlier hub: listens again where its
 * agent will connect. Does not wait for it. */
int sandbox_adopt(struct sandboxes *s, const struct ctx *ctx,
    const char *sandbox_id, const char *container_id, struct sandbox **ret,
    struct err *err) MUST_CHECK;
/* Other limits than those it was started with. */
int sandbox_update(struct sandboxes *s, const struct ctx *ctx,
    struct sandbox *sb, struct sandbox_limits limits,
    struct err *err) MUST_CHECK;
/* Ends every process in it now (the engine's kill). */
int sandbox_kill(struct sandboxes *s, const struct ctx *ctx, struct sandbox *sb,
    struct err *err) MUST_CHECK;
/* Removes container, directory, address; frees sb also when the engine
 * fails (the collector finds the container by label later). */
int sandbox_destroy(struct sandboxes *s, const struct ctx *ctx,
    struct sandbox *sb, struct err *err);
/* Leaves the container running for the next hub; frees sb. */
void sandbox_leave(struct sandboxes *s, struct sandbox *sb);
/* Interrupts a channel_wait on sb->wake_fd. Any thread. */
void sandbox_wake(struct sandbox *sb);

/* -- what the engine says ---------------------------------------------- */
/* A container of ours ended: wakes its sandbox. Event thread. */
void sandboxes_container_died(
    struct sandboxes *s, const char *container_id, int exit_code);
/* Holds the registry against what runs: those gone are marked died, with
 * engine_restarted when `restarted`. */
int sandboxes_reconcile(struct sandboxes *s, const struct ctx *ctx,
    bool restarted, struct err *err) MUST_CHECK;
/*
 * Collects garbage: containers with our hub label that no live sandbox owns
 * and keep() does not claim, and directories without a container. Returns
 * how many containers were removed, -1 on error.
 */
int sandboxes_collect(struct sandboxes *s, const struct ctx *ctx,
    bool (*keep)(void *arg, const char *container_id, const char *sandbox_id),
    void *arg, struct err *err);

struct sandboxes_stats {
	unsigned live, starting;
	uint64_t started, failed, destroyed;
};
void sandboxes_stats(struct sandboxes *s, struct sandboxes_stats *ret);

#endif
