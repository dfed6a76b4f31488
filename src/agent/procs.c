/* Reading /proc: see procs.h. Called by the agent's loop only. */
#include "agent/procs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

/* -1: there is none. Ids of the kernel are short. */
static long number(const char *at)
{
	long v = 0;

	if (*at < '0' || *at > '9')
		return -1;
	for (; *at >= '0' && *at <= '9'; at++)
		v = v * 10 + (*at - '0');
	return v;
}

/* The first number behind "\nKey:\t"; -1 when there is none. */
static long field(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at != NULL ? number(at + strlen(key)) : -1;
}

/* The name of the program cannot play a line: the kernel escapes it. */
static bool parse(const char *text, struct proc *ret)
{
	const char *state = strstr(text, "\nState:\t");
	long parent = field(text, "\nPPid:\t"), uid = field(text, "\nUid:\t");

	if (state == NULL || state[8] == 'Z' || state[8] == 'X')
		return false;
	if (parent < 0 || uid < 0)
		return false;
	ret->parent = (pid_t)parent;
	ret->uid = (uid_t)uid;
	/* As our own pid namespace counts: that one is named first. */
	ret->group = (pid_t)field(text, "\nNSpgid:\t");
	ret->session = (pid_t)field(text, "\nNSsid:\t");
	return true;
}

bool procs_read(const char *name, struct proc *ret)
{
	char path[64], text[1536];
	ssize_t n;
	CLEANUP(fd_close) int fd = -1;

	if (name[0] < '1' || name[0] > '9' || strcmp(name, "1") == 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%.20s/status", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (n <= 0)
		return false;
	text[n] = '\0';
	ret->pid = (pid_t)number(name);
	return parse(text, ret);
}

static int by_pid(const void *a, const void *b)
{
	const struct proc *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

void procs_list(struct procs *ret)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	size_t cap = 0;

	*ret = (struct procs){0};
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (ret->n == cap) {
			cap = cap > 0 ? 2 * cap : 64;
			ret->items =
			    mem_realloc(ret->items, cap * sizeof(*ret->items));
		}
		if (procs_read(entry->d_name, &ret->items[ret->n]))
			ret->n++;
	}
	if (dir != NULL)
		closedir(dir);
	if (ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_pid);
}

static const struct proc *find(const struct procs *l, pid_t pid)
{
	const struct proc key = {.pid = pid};

	if (l->n == 0)
		return NULL;
	return bsearch(&key, l->items, l->n, sizeof(*l->items), by_pid);
}

/* By its number, which comes again when all others have had their turn. */
static bool was_marked(const struct procs *before, const struct proc *p)
{
	const struct proc *was = find(before, p->pid);

	return was != NULL && was->ours;
}

/* They were not read at one moment: a chain may be broken, or (numbers come
 * again) even closed to a ring. */
static bool belongs(const struct procs *l, const struct procs *before,
    const struct proc *p, pid_t leader)
{
	for (size_t steps = 0; p != NULL && steps <= l->n; steps++) {
		if (p->pid == leader || p->session == leader ||
		    was_marked(before, p))
			return true;
		p = find(l, p->parent);
	}
	return false;
}

void procs_mark(struct procs *l, const struct procs *before, pid_t leader)
{
	for (size_t i = 0; i < l->n; i++)
		l->items[i].ours = belongs(l, before, &l->items[i], leader);
}
