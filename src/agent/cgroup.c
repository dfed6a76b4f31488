/*
 * The container's memory counters: see cgroup.h. Called before and after
 * each step. The files are the kernel's, mounted read-only: v2 at the root
 * of /sys/fs/cgroup, v1 in its memory directory.
 */
#include "agent/cgroup.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/fs.h"

#define V1 "/sys/fs/cgroup/memory/"
#define V2 "/sys/fs/cgroup/"
/* v1 writes "no limit" as the largest multiple of a page. */
#define NO_LIMIT (UINT64_C(1) << 60)

/* The beginning of the file as a string; "" when there is none. */
static const char *read_small(const char *path, char *text, size_t size)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static uint64_t leading_number(const char *s)
{
	uint64_t v = 0;

	for (; *s >= '0' && *s <= '9'; s++) {
		if (v > (UINT64_MAX - 9) / 10)
			return UINT64_MAX;
		v = 10 * v + (uint64_t)(*s - '0');
	}
	return v;
}

uint64_t cgroup_text_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (; *text != '\0';
	     text += strcspn(text, "\n"), text += *text == '\n') {
		if (strncmp(text, key, len) == 0 && text[len] == ' ')
			return leading_number(text + len + 1);
	}
	return 0;
}

static uint64_t number_in(const char *path)
{
	char text[64];

	return leading_number(read_small(path, text, sizeof(text)));
}

struct cgroup_memory cgroup_memory_read(void)
{
	struct cgroup_memory m = {0};
	char text[1024];

	if (access(V2 "memory.events", F_OK) == 0) {
		read_small(V2 "memory.events", text, sizeof(text));
		m.limit = number_in(V2 "memory.max");
		m.peak = number_in(V2 "memory.peak");
	} else {
		read_small(V1 "memory.oom_control", text, sizeof(text));
		m.limit = number_in(V1 "memory.limit_in_bytes");
		m.peak = number_in(V1 "memory.max_usage_in_bytes");
	}
	m.oom_kills = cgroup_text_value(text, "oom_kill");
	if (m.limit >= NO_LIMIT)
		m.limit = 0;
	return m;
}
