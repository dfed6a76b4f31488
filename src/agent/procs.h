/* The processes of the container, as /proc tells of them. */
#ifndef AGENT_PROCS_H
#define AGENT_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct proc {
	pid_t pid, parent, group, session;
	uid_t uid; /* the real one */
};

/* name: of a directory of /proc. False: no process, not living, or us. */
bool procs_read(const char *name, struct proc *ret);

/* All that live but the agent, ordered by pid; to be freed by mem_free. */
size_t procs_list(struct proc **ret);
/* Is p leader, of its session, or a descendant of either? */
bool procs_belongs(
    const struct proc *all, size_t n, const struct proc *p, pid_t leader);

#endif
