/* Counters of a container's network: see use.h. */
#include "components/use.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "components/procnet.h"

/* Some ten thousand connections: then it is used, whatever follows. */
#define FILE_MAX ((size_t)4 * 1024 * 1024)

/* -- pure -------------------------------------------------------------- */

static bool is_word(const char *at, const char *word)
{
	size_t n = strlen(word);

	return strncmp(at, word, n) == 0 && strchr(" \n", at[n]) != NULL;
}

/* Two lines a protocol: the names, then the values. */
bool use_read_snmp(
    const char *text, const char *protocol, const char *field, uint64_t *ret)
{
	size_t n = strlen(protocol);
	const char *names = text, *values, *word;

	while (names != NULL &&
	       !(strncmp(names, protocol, n) == 0 && names[n] == ':'))
		names = procnet_line(names);
	values = names != NULL ? procnet_line(names) : NULL;
	if (values == NULL)
		return false;
	for (size_t i = 1; (word = procnet_word(names, i)) != NULL; i++) {
		if (!is_word(word, field))
			continue;
		word = procnet_word(values, i);
		return word != NULL && procnet_number(word, ret);
	}
	return false;
}

unsigned use_read_tcp(const char *text, const int *ports, size_t nports)
{
	const char *at = procnet_line(text);
	struct procnet_row row;
	unsigned open = 0;

	while (procnet_row(&at, &row))
		for (size_t i = 0; i < nports; i++)
			open += row.state == PROCNET_ESTABLISHED &&
				row.port == ports[i];
	return open;
}

bool use_was_made(const struct use_count *before, const struct use_count *now)
{
	return now->open > 0 || now->accepted != before->accepted ||
	       now->datagrams != before->datagrams;
}

/* -- of a container ---------------------------------------------------- */

static int read_proc(
    int pid, const char *file, struct buf *out, struct err *err)
{
	char path[64];

	buf_clear(out);
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return fs_read_file(path, out, err);
}

/* The number may be of another process: of other namespaces, or a new one. */
static int check_process(
    int pid, const char *container, struct buf *text, struct err *err)
{
	if (pid > 0 && container[0] != '\0' &&
	    read_proc(pid, "cgroup", text, err) == 0 &&
	    strstr(buf_str(text), container) != NULL)
		return 0;
	err_clear(err);
	return err_set(err, ERR_UNAVAILABLE, NULL,
	    "its processes cannot be seen from where the hub runs");
}

static int count_open(int pid, const char *file, const struct lifeplan *plan,
    struct buf *text, unsigned *ret, struct err *err)
{
	if (read_proc(pid, file, text, err) < 0) {
		if (err->kind == ERR_NOT_FOUND) { /* no IPv6 here */
			err_clear(err);
			return 0;
		}
		if (err->kind != ERR_LIMIT)
			return -1;
		err_clear(err);
	}
	*ret += use_read_tcp(buf_str(text), plan->ports, plan->nports);
	return 0;
}

int use_count(int pid, const char *container, const struct lifeplan *plan,
    struct use_count *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = FILE_MAX};
	struct use_count found = {0};

	TRY(check_process(pid, container, &text, err));
	TRY(read_proc(pid, "net/snmp", &text, err));
	if (!use_read_snmp(
		buf_str(&text), "Tcp", "PassiveOpens", &found.accepted))
		return err_set(err, ERR_UNAVAILABLE, NULL,
		    "/proc/net/snmp does not count connections");
	if (plan->udp)
		use_read_snmp(
		    buf_str(&text), "Udp", "InDatagrams", &found.datagrams);
	TRY(count_open(pid, "net/tcp", plan, &text, &found.open, err));
	TRY(count_open(pid, "net/tcp6", plan, &text, &found.open, err));
	*ret = found;
	return 0;
}
