/* What channel.c and channel_read.c share. */
#ifndef SANDBOX_CHANNEL_INTERNAL_H
#define SANDBOX_CHANNEL_INTERNAL_H

#include "engine/frames.h"
#include "sandbox/channel.h"

struct command {
	uint32_t seq;
	struct buf frame;
	struct command *next;
};

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
	bool ready;
	uint64_t off, acked, agent_next;
	uint32_t next_seq, agent_seq;
	struct buf in, out;
	struct command *commands, **commands_end;
};

/* Writes what the socket takes; a broken connection is closed. */
void channel_flush(struct channel *ch);
/* Hands over every whole record of `in`, answers what else is in it. */
int channel_deliver(struct channel *ch, channel_take take, void *arg,
    struct err *err) MUST_CHECK;

#endif
