/*
 * The way of the container's processes to the hub: connections to a unix
 * socket, carried over the channel as WIRE_TUN_* frames (rules: wire.h).
 * Bytes for the hub are read only when the channel can take them; bytes for
 * a process wait here, one window at most. No connection outlives the
 * channel's: new ones wait in the socket's backlog until it is back.
 */
#ifndef AGENT_TUNNEL_H
#define AGENT_TUNNEL_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/wire.h"
#include "base/buf.h"
#include "base/err.h"

struct tunnel_end {
	uint32_t id;
	int fd;
	size_t window;   /* bytes that may be sent to the hub */
	uint32_t passed; /* bytes that the process took, not acknowledged yet */
	struct buf down; /* bytes that it has not taken */
	bool eof;        /* it writes no more */
	bool deaf;       /* it takes no more */
	bool ending;     /* the hub's answer ends behind `down` */
	bool gone;       /* the hub is to be told, then it is forgotten */
};

struct tunnel {
	int listener; /* -1: none */
	uint32_t last_id;
	struct tunnel_end ends[WIRE_TUNNELS_MAX];
	size_t n;
	size_t first;      /* whose turn it is to be read first */
	int64_t accept_at; /* out of descriptors: not before this */
	struct buf out;    /* whole frames for the channel */
	size_t out_sent;
};

void tunnel_init(struct tunnel *t);
/* Makes the directories of path and listens there, for every user. */
int tunnel_listen(
    struct tunnel *t, const char *path, struct err *err) MUST_CHECK;
/* The channel's connection is another one. */
void tunnel_reset(struct tunnel *t);

/* A frame of the hub. -1: the hub broke the rules. */
int tunnel_take(
    struct tunnel *t, uint8_t type, struct wire_reader *body) MUST_CHECK;
/* Has it anything for the channel? Makes the frames that are owed. */
bool tunnel_fill(struct tunnel *t);
/* In the middle of what it sends: no other frame may come between. */
bool tunnel_is_sending(const struct tunnel *t);
/* Writes to fd. 1: all is sent, 0: the channel is full, -1: it is broken. */
int tunnel_send(struct tunnel *t, int fd);

#define TUNNEL_FDS (1 + WIRE_TUNNELS_MAX)
/* up: the channel is there. Returns how many entries it filled; lowers
 * *deadline_ns to its own next time. */
size_t tunnel_prepare(const struct tunnel *t, bool up,
    struct pollfd fds[TUNNEL_FDS], int64_t *deadline_ns);
void tunnel_service(struct tunnel *t, const struct pollfd *fds, size_t n);

#endif
