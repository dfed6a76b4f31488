/*
 * Network namespaces: see hostnet_ns.h. A thread that changes its namespace
 * is thrown away afterwards instead of being changed back: the way back
 * could fail and would leave a worker in a stranger's network.
 */
#include "sandbox/hostnet_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/thread.h"

static int is_our_own(int fd, bool *ret, struct err *err)
{
	struct stat theirs, ours;

	if (fstat(fd, &theirs) < 0 || stat("/proc/self/ns/net", &ours) < 0)
		return err_sys(err, errno, "compare network namespaces");
	*ret = theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
	return 0;
}

int ns_open(int pid, int *ret_fd, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	bool own = false;
	char path[64];

	if (pid <= 0)
		return err_set(err, ERR_INVALID, NULL,
		    "%d is not the process id of a container", pid);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ESRCH))
		return err_set(err, ERR_NOT_FOUND, NULL,
		    "process %d is gone: the container has ended, or its "
		    "process ids are not those of this machine",
		    pid);
	if (fd < 0)
		return err_sys(err, errno,
		    "open %s (CAP_SYS_PTRACE and CAP_SYS_ADMIN needed)", path);
	TRY(is_our_own(fd, &own, err));
	if (own)
		return err_set(err, ERR_INVALID, NULL,
		    "process %d is in the hub's own network namespace: not a "
		    "container with networking disabled",
		    pid);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

struct ns_job {
	int ns_fd;
	ns_fn *fn;
	void *arg;
	struct err *err;
	int rc;
};

static int ns_enter(int ns_fd, struct err *err)
{
	if (ns_fd == NS_NEW) {
		if (unshare(CLONE_NEWNET) < 0)
			return err_sys(err, errno,
			    "make a network namespace (CAP_SYS_ADMIN needed)");
		return 0;
	}
	if (setns(ns_fd, CLONE_NEWNET) < 0)
		return err_sys(err, errno,
		    "enter the container's network namespace (CAP_SYS_ADMIN "
		    "needed)");
	return 0;
}

static void *ns_thread(void *arg)
{
	struct ns_job *job = arg;

	job->rc = ns_enter(job->ns_fd, job->err);
	if (job->rc == 0)
		job->rc = job->fn(job->arg, job->err);
	return NULL;
}

int ns_run(int ns_fd, ns_fn *fn, void *arg, struct err *err)
{
	struct ns_job job = {ns_fd, fn, arg, err, -1};
	pthread_t t;

	TRY(thread_start(&t, "hostnet-ns", ns_thread, &job, err));
	thread_join(t);
	return job.rc;
}

static int open_here(void *arg, struct err *err)
{
	return nl_open(arg, NETLINK_ROUTE, err);
}

int ns_open_rtnetlink(int ns_fd, struct nl_sock *ret, struct err *err)
{
	return ns_run(ns_fd, open_here, ret, err);
}
