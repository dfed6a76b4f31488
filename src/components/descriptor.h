/*
 * .runner/config.yml, the file in a component's repository that says how it is
 * built and run. All problems are reported at once, each with its line and
 * what is accepted. Scalars of environment and build arguments keep the text
 * that stands in the file (1.10 stays 1.10). Pure but for descriptor_load and
 * descriptor_check, which look at the file system.
 */
#ifndef COMPONENTS_DESCRIPTOR_H
#define COMPONENTS_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "components/problems.h"

struct descriptor_port {
	int host; /* 0: any of the pool */
	int container;
	bool udp;
};
struct descriptor_pair {
	char *name, *value;
};
enum health_kind { HEALTH_NONE, HEALTH_HTTP, HEALTH_TCP };
struct descriptor_health {
	enum health_kind kind;
	char *path; /* HTTP: "/" by default */
	int port;   /* of the container; the first by default */
	int64_t interval_ms, timeout_ms, start_period_ms;
	int retries;
};
enum restart_policy { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS };
struct descriptor {
	char *dockerfile; /* relative to the directory of the component */
	char *context;    /* the same; "." by default */
	char *target;     /* build stage, NULL: the last */
	struct descriptor_pair *args, *environment;
	size_t nargs, nenvironment;
	struct descriptor_port *ports;
	size_t nports;
	struct descriptor_health health;
	int64_t memory_bytes, pids;             /* 0: the hub's */
	double cpus;                            /* 0: the hub's */
	int64_t ttl_ms, idle_ms, stop_grace_ms; /* 0: none, none, the hub's */
	char **command; /* NULL: the image's; ends with NULL */
	char **secrets; /* names; ends with NULL, or NULL */
	enum restart_policy restart;
	/* where they stand in the file; {0}: not there */
	struct place dockerfile_at, context_at;
};
void descriptor_fini(struct descriptor *d);
static inline void descriptor_fini_guard(struct descriptor *d)
{
	descriptor_fini(d);
}

enum { DESCRIPTOR_BYTES_MAX = 256 * 1024 };
/*
 * 0: *ret is good; problems then holds warnings (unknown keys). -1
 * ERR_INVALID "INVALID_CONFIGURATION", err->msg names file, line and text of
 * the first and how many more; all of them in problems.
 */
int descriptor_parse(const char *text, size_t len, const char *file,
    struct descriptor *ret, struct problems *problems,
    struct err *err) MUST_CHECK;
/* Reads file (relative) below the directory of the component, and parses it.
 * ERR_NOT_FOUND "CONFIG_NOT_FOUND" when it is not there. */
int descriptor_load(int dir_fd, const char *file, struct descriptor *ret,
    struct problems *problems, struct err *err) MUST_CHECK;
/* Are Dockerfile and context there, below the directory of the component,
 * without a link that leads out of it? Adds what is wrong to problems; -1
 * ERR_INVALID "DOCKERFILE_NOT_FOUND" or "INVALID_CONFIGURATION". */
int descriptor_check(const struct descriptor *d, int dir_fd, const char *file,
    struct problems *problems, struct err *err) MUST_CHECK;
/* Opens them, through no link that leads out; -1 with errno. */
int descriptor_open_context(const struct descriptor *d, int dir_fd);
int descriptor_open_dockerfile(const struct descriptor *d, int dir_fd);

#endif
