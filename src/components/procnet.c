/* Sockets of this machine as /proc tells of them: see procnet.h. */
#include "components/procnet.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/parse.h"

#define FILE_MAX ((size_t)4 * 1024 * 1024)

/* -- pure -------------------------------------------------------------- */

const char *procnet_word(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		line += strcspn(line, " \n");
		line += strspn(line, " ");
	}
	return *line == '\n' || *line == '\0' ? NULL : line;
}

const char *procnet_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line == '\n' ? line + 1 : NULL;
}

bool procnet_number(const char *word, uint64_t *ret)
{
	char digits[24];
	size_t n = strcspn(word, " \n");
	int64_t value;

	if (n >= sizeof(digits))
		return false;
	memcpy(digits, word, n);
	digits[n] = '\0';
	if (parse_int(digits, 0, INT64_MAX, &value) < 0)
		return false;
	*ret = (uint64_t)value;
	return true;
}

/* So many hexadecimal digits; -1: they are none. */
static int hex(const char *at, int n)
{
	static const char digits[] = "0123456789ABCDEF";
	int value = 0;

	for (int i = 0; i < n; i++) {
		const char *d = at[i] != '\0' ? strchr(digits, at[i]) : NULL;

		if (d == NULL)
			return -1;
		value = value * 16 + (int)(d - digits);
	}
	return value;
}

/* "  0: 0100007F:1F90 0200007F:C350 01 tx:rx tr:when 0 0 0 12345 ...": the
 * local address, the peer's, the state; the inode is the tenth. */
static bool read_row(const char *line, struct procnet_row *ret)
{
	const char *row = line + strspn(line, " ");
	const char *local = procnet_word(row, 1);
	const char *state = procnet_word(row, 3);
	const char *inode = procnet_word(row, 9);
	const char *colon = local != NULL ? strchr(local, ':') : NULL;

	if (state == NULL || colon == NULL || colon > state)
		return false;
	ret->port = hex(colon + 1, 4);
	ret->state = hex(state, 2);
	ret->inode = 0;
	if (inode != NULL && !procnet_number(inode, &ret->inode))
		return false;
	return ret->port >= 0 && ret->state >= 0;
}

bool procnet_row(const char **at, struct procnet_row *ret)
{
	while (*at != NULL && **at != '\0') {
		const char *line = *at;

		*at = procnet_line(line);
		if (read_row(line, ret))
			return true;
	}
	return false;
}

/* -- whose it is ------------------------------------------------------- */

/* A listener of TCP, or a socket of UDP; 0: none. */
static uint64_t socket_at(const char *file, int port, bool udp)
{
	CLEANUP(buf_fini) struct buf text = {.max = FILE_MAX};
	struct err ignored = ERR_INIT; /* nobody is named then */
	struct procnet_row row;
	const char *at;

	if (fs_read_file(file, &text, &ignored) < 0)
		return 0;
	at = procnet_line(buf_str(&text));
	while (procnet_row(&at, &row))
		if (row.port == port && (udp || row.state == PROCNET_LISTEN))
			return row.inode;
	return 0;
}

static bool has_socket(const char *pid, const char *link)
{
	char path[300], target[64];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	while (dir != NULL && !found && (e = readdir(dir)) != NULL) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%.16s/fd/%.255s", pid,
		    e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		found = strcmp(target, link) == 0;
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

static void read_name(const char *pid, struct procnet_owner *ret)
{
	CLEANUP(buf_fini) struct buf text = {.max = 256};
	struct err ignored = ERR_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	if (fs_read_file(path, &text, &ignored) < 0)
		buf_clear(&text);
	snprintf(ret->name, sizeof(ret->name), "%.*s",
	    (int)strcspn(buf_str(&text), "\n"), buf_str(&text));
}

static bool find_holder(uint64_t inode, struct procnet_owner *ret)
{
	char link[64];
	struct dirent *e;
	bool found = false;
	uint64_t pid;
	DIR *dir = opendir("/proc");

	snprintf(
	    link, sizeof(link), "socket:[%llu]", (unsigned long long)inode);
	while (dir != NULL && !found && (e = readdir(dir)) != NULL) {
		if (!procnet_number(e->d_name, &pid) ||
		    !has_socket(e->d_name, link))
			continue;
		found = true;
		ret->pid = (int)pid;
		read_name(e->d_name, ret);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

bool procnet_owner_of(int port, bool udp, struct procnet_owner *ret)
{
	static const char *const files[2][2] = {
	    {"/proc/net/tcp", "/proc/net/tcp6"},
	    {"/proc/net/udp", "/proc/net/udp6"}};
	uint64_t inode = socket_at(files[udp][0], port, udp);

	if (inode == 0)
		inode = socket_at(files[udp][1], port, udp);
	return inode != 0 && find_holder(inode, ret);
}
