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

/* The real uid of a living process, from /proc/PID/status. */
static bool living_uid(const char *pid, uid_t *ret)
{
	char path[64], text[1024];
	const char *state, *uid;
	ssize_t n;
	CLEANUP(fd_close) int fd = -1;

	snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (n <= 0)
		return false;
	text[n] = '\0';
	state = strstr(text, "\nState:\t");
	uid = strstr(text, "\nUid:\t");
	if (state == NULL || uid == NULL || state[8] == 'Z' || state[8] == 'X')
		return false;
	for (*ret = 0, uid += 6; *uid >= '0' && *uid <= '9'; uid++)
		*ret = *ret * 10 + (uid_t)(*uid - '0');
	return true;
}

/* SIGKILL as every uid that still lives here; false when nothing does. */
static bool kill_strays(void)
{
	struct dirent *entry;
	bool found = false;
	DIR *proc = opendir("/proc");
	uid_t uid, last = 0;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    strcmp(entry->d_name, "1") == 0)
			continue;
		if (!living_uid(entry->d_name, &uid))
			continue;
		if (!found || uid != last)
			IGNORE(kill_as(uid, -1, SIGKILL) < 0);
		found = true;
		last = uid;
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
