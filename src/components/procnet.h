/*
 * /proc/net/tcp, tcp6 and udp, as text: rows of sockets; and the process that
 * has one. The parsers are pure.
 */
#ifndef COMPONENTS_PROCNET_H
#define COMPONENTS_PROCNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROCNET_ESTABLISHED = 0x01, PROCNET_LISTEN = 0x0a };

/* The n-th word of a line; NULL: there are fewer. */
const char *procnet_word(const char *line, size_t n);
/* The line behind this one; NULL: it is the last. */
const char *procnet_line(const char *line);
/* A decimal number that ends with its word. */
bool procnet_number(const char *word, uint64_t *ret);

struct procnet_row {
	int port; /* the local one */
	int state;
	uint64_t inode;
};
/* The next row at *at or behind it, which is moved on; begin with
 * procnet_line of the text: the first line is its head. */
bool procnet_row(const char **at, struct procnet_row *ret);

struct procnet_owner {
	int pid;
	char name[32];
};
/* Which process of this machine has the port? False: it is not seen. */
bool procnet_owner_of(int port, bool udp, struct procnet_owner *ret);

#endif
