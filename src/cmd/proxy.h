/*
 * A runner's directory as a proxy: what `runnerhub proxy` puts there and takes
 * away again. In the directory, all owned by the runner's user:
 *
 *   bin/Runner.Worker          the relay (mode worker, both)
 *   bin/Runner.Worker.stock    the runner's own, meanwhile
 *   .env                       a block of lines at its end
 *   .runnerhub/                state.json, token, guard.sh
 *
 * Every change is a rename: at each moment a job either goes through the hub
 * or fails. Main thread.
 */
#ifndef CMD_PROXY_H
#define CMD_PROXY_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

enum proxy_mode { PROXY_WORKER, PROXY_HOOKS, PROXY_BOTH };
const char *proxy_mode_name(enum proxy_mode mode);
/* 0 or -1 with what was expected. */
int proxy_mode_parse(
    const char *text, enum proxy_mode *ret, struct err *err) MUST_CHECK;

struct proxy_dir {
	char *path;  /* absolute, without links */
	uid_t owner; /* of the directory: the user that the runner runs as */
	gid_t group;
	char *agent_name; /* of .runner; NULL: none */
	char *work;       /* the work directory, absolute */
};
/* ERR_INVALID in words when path is no configured runner's directory. */
int proxy_dir_open(
    struct proxy_dir *ret, const char *path, struct err *err) MUST_CHECK;
void proxy_dir_fini(struct proxy_dir *d);
static inline void proxy_dir_fini_guard(struct proxy_dir *d)
{
	proxy_dir_fini(d);
}
/* root becomes the directory's owner for good: what it then writes belongs to
 * the runner, and no link planted there leads it elsewhere. */
int proxy_dir_become_owner(
    const struct proxy_dir *d, struct err *err) MUST_CHECK;
/* The path of a program that came with this one, mem_free; NULL: not found. */
char *proxy_companion(const char *name);
/* "<path>/<name>"; mem_free. */
char *proxy_path(const struct proxy_dir *d, const char *name);

/* -- proxy_relay.c: bin/Runner.Worker ---------------------------------- */
enum proxy_relay {
	RELAY_ABSENT, /* the runner's own worker is there */
	RELAY_OTHER,  /* a relay, but another build than `program` */
	RELAY_PLACED,
};
int proxy_relay_look(const struct proxy_dir *d, const char *program,
    enum proxy_relay *ret, struct err *err) MUST_CHECK;
/* Puts a copy of program there, whatever is there now. Also after the runner
 * has updated itself; cheap when nothing is to do. */
int proxy_relay_place(
    const struct proxy_dir *d, const char *program, struct err *err) MUST_CHECK;
/* Puts the runner's own back, in every bin directory. */
int proxy_relay_remove(const struct proxy_dir *d, struct err *err) MUST_CHECK;

/* -- proxy_env.c: .env ------------------------------------------------- */
/* Our block at the end of the file becomes `lines` ("A=b\n..."); other lines
 * stay as they are, byte for byte. */
int proxy_env_write(
    const struct proxy_dir *d, const char *lines, struct err *err) MUST_CHECK;
/* 1 the block is there with these lines, 0 it is not, -1. */
int proxy_env_look(
    const struct proxy_dir *d, const char *lines, struct err *err) MUST_CHECK;
int proxy_env_remove(const struct proxy_dir *d, struct err *err) MUST_CHECK;

/* -- proxy_state.c: .runnerhub/ ---------------------------------------- */
struct proxy_setup {
	enum proxy_mode mode;
	char *url, *name;
	char *runner_id;  /* at the hub; NULL: registered by somebody else */
	char *token_file; /* NULL: .runnerhub/token */
	char *ca_file;    /* of https; NULL: the system's authorities */
	char *client_certificate, *client_key; /* NULL: none */
	char *image;         /* of the worker; NULL: the hub's default */
	char *worker, *hook; /* programs: relay, hooks' shim */
	bool bare; /* modes hooks: jobs without container run on the proxy */
};
void proxy_setup_fini(struct proxy_setup *s);
static inline void proxy_setup_fini_guard(struct proxy_setup *s)
{
	proxy_setup_fini(s);
}
/* 1 read, 0 the directory is none of ours, -1. */
int proxy_setup_read(const struct proxy_dir *d, struct proxy_setup *ret,
    struct err *err) MUST_CHECK;
int proxy_setup_write(const struct proxy_dir *d, const struct proxy_setup *s,
    struct err *err) MUST_CHECK;
/* token: its length; not NULL-terminated text is refused by the hub. */
int proxy_token_write(
    const struct proxy_dir *d, const char *token, struct err *err) MUST_CHECK;
/* Everything that the setup says, into place: relay, .env, guard. Repeatable;
 * what a supervisor calls at each start of the runner. */
int proxy_apply(const struct proxy_dir *d, const struct proxy_setup *s,
    struct err *err) MUST_CHECK;
/* What of it is not in place, in words; 0 when out stayed empty. */
int proxy_differences(const struct proxy_dir *d, const struct proxy_setup *s,
    struct buf *out, struct err *err) MUST_CHECK;
/* And away again, .runnerhub last. */
int proxy_unapply(const struct proxy_dir *d, struct err *err) MUST_CHECK;

#endif
