/* The processes of the container, as /proc tells of them. */
#ifndef AGENT_PROCS_H
#define AGENT_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/mem.h"

struct proc {
	pid_t pid, parent, group, session;
	uid_t uid; /* the real one */
	bool ours; /* set by procs_mark */
};

/* name: of a directory of /proc. False: no process, not living, or us. */
bool procs_read(const char *name, struct proc *ret);

/* All that live but the agent, ordered by pid; items for mem_free. */
struct procs {
	struct proc *items;
	size_t n;
};
void procs_list(struct procs *ret);
static inline void procs_free_guard(struct procs *l)
{
	mem_free(l->items);
}
/* Which are leader, of its session, or descend from either? Also one that was
 * marked in `before`, and what descends from it: its parents may have died
 * since. Pure. */
void procs_mark(struct procs *l, const struct procs *before, pid_t leader);

#endif
