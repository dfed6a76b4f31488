/*
 * Uids and signals: see priv.h. Called by the agent's loop; priv_drop also
 * in the child between fork and exec.
 */
#include "agent/priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/procs.h"
#include "base/fs.h"

#define KILL_ROUNDS 16

/* A change of the effective uid may bring back the system's default. */
static void stay_private(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int priv_become(const struct account *who, struct err *err)
{
	if (setgroups(who->group_count, who->groups) == 0 &&
	    setegid(who->gid) == 0 && seteuid(who->uid) == 0) {
		stay_private();
		return 0;
	}
	IGNORE(err_sys(err, errno, "become user %u:%u", who->uid, who->gid));
	priv_restore();
	return -1;
}

void priv_restore(void)
{
	if (seteuid(0) < 0 || setegid(0) < 0 || setgroups(0, NULL) < 0)
		WRONG("the agent cannot get back to root");
	stay_private();
}

int priv_drop(const struct account *who)
{
	if (setgroups(who->group_count, who->groups) < 0 ||
	    setresgid(who->gid, who->gid, who->gid) < 0)
		return -1;
	return setresuid(who->uid, who->uid, who->uid);
}

/* The real uid stays 0: processes of root and of `uid` are both reached. */
static int kill_as(uid_t uid, pid_t target, int sig)
{
	int r = seteuid(uid) == 0 ? kill(target, sig) : -1;
	int eno = errno;

	if (seteuid(0) < 0)
		WRONG("the agent cannot get back to root");
	stay_private();
	errno = eno;
	return r;
}

int priv_signal(const struct account *who, pid_t target, int sig)
{
	ASSERT(target > 1 || target < -1);
	return kill_as(who->uid, target, sig);
}

void priv_signal_step(const struct account *who, pid_t leader, int sig)
{
	CLEANUP(procs_free) struct procs before = {0}, now = {0};
	const struct procs none = {0};
	bool group, alone;

	ASSERT(leader > 1);
	/* Whom the signal ends is nobody's parent any more: who belongs to
	 * the step is seen before. */
	procs_list(&before);
	procs_mark(&before, &none, leader);
	/* The group at once: between its processes none is born unseen. One
	 * that was forked a moment ago is not in its own group yet, and may
	 * be by the time it is looked at. */
	group = kill_as(who->uid, -leader, sig) == 0;
	alone = !group && kill_as(who->uid, leader, sig) == 0;
	procs_list(&now); /* with those that were born meanwhile */
	procs_mark(&now, &before, leader);
	for (size_t i = 0; i < now.n; i++) {
		const struct proc *p = &now.items[i];
		bool reached = (group && p->group == leader &&
				   (p->uid == 0 || p->uid == who->uid)) ||
			       (alone && p->pid == leader);

		if (p->ours && !reached)
			IGNORE(kill_as(p->uid, p->pid, sig) < 0);
	}
}

/* SIGKILL as every uid that still lives here; false when nothing does. */
static bool kill_strays(void)
{
	struct dirent *entry;
	bool found = false;
	DIR *proc = opendir("/proc");
	struct proc p;
	uid_t last = 0;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (!procs_read(entry->d_name, &p))
			continue;
		if (!found || p.uid != last)
			IGNORE(kill_as(p.uid, -1, SIGKILL) < 0);
		found = true;
		last = p.uid;
	}
	if (proc != NULL)
		closedir(proc);
	return found;
}

void priv_kill_all(const struct account *who)
{
	ASSERT(getpid() == 1); /* elsewhere kill(-1) is everybody */
	IGNORE(kill_as(who->uid, -1, SIGKILL) < 0); /* looked at below */
	for (int i = 0; i < KILL_ROUNDS && kill_strays(); i++)
		;
}
