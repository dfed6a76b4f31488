/* What channel.c and channel_read.c share. */
#ifndef SANDBOX_CHANNEL_INTERNAL_H
#define SANDBOX_CHANNEL_INTERNAL_H

#include <poll.h>

#include "engine/frames.h"
#include "sandbox/channel.h"

struct command {
	uint32_t seq;
	struct buf frame;
	struct command *next;
};

struct tunnels; /* channel_tunnel.c */

struct channel {
	int listen_fd; /* -1: dialled */
	int fd;        /* -1: not connected */
	int (*dial)(void *arg, int *ret_fd, struct buf *early, struct err *err);
	void *dial_arg;
	int64_t redial_ns; /* not before this */
	int64_t accept_ns; /* out of descriptors: not before this */
	bool fresh;        /* dialled: the agent is yet to start */
	bool syncing;      /* dialled: skip to the next HELLO */
	int64_t ping_ns;   /* dialled: ask for a HELLO then; 0: not */
	struct frames frames;
	int expect_pid;
	uint64_t nonce;
	uint32_t version;
	bool ready;
	uint64_t off, acked, agent_next;
	uint32_t next_seq, agent_seq;
	struct buf in, out;
	struct command *commands, **commands_end;
	struct tunnels *tunnels; /* NULL: none yet */
};

/* Writes what the socket takes; a broken connection is closed. */
void channel_flush(struct channel *ch);
/* Hands over every whole record of `in`, answers what else is in it. */
int channel_deliver(struct channel *ch, channel_take take, void *arg,
    struct err *err) MUST_CHECK;

/* -- channel_tunnel.c -------------------------------------------------- */
/* A WIRE_TUN_* frame of the agent, behind its header. */
int channel_tunnel_take(struct channel *ch, uint8_t type, struct wire_reader *r,
    struct err *err) MUST_CHECK;
/* Moves what can be moved; frames for the agent go to `out`. */
void channel_tunnels_run(struct channel *ch);
/* Entries for poll, WIRE_TUNNELS_MAX at most. */
size_t channel_tunnels_poll(const struct channel *ch, struct pollfd *fds);
/* The connection is another one, or none: all of them end. */
void channel_tunnels_reset(struct channel *ch);
void channel_tunnels_free(struct channel *ch);

#endif
