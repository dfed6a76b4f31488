/*
 * The agent's end of the channel: connects, reconnects for ever, says HELLO,
 * sends records from the offset that WELCOME names, takes commands once and
 * in order, carries the tunnels. Non-blocking; driven by the agent's loop.
 *
 * path "-": the channel is fd 0 and 1, kept alive by the engine while hubs
 * attach and go. There the agent cannot see a new hub, so that hub keeps
 * silent for WIRE_STALE_MS (half a frame of its predecessor is then thrown
 * away), and asks with a PING of stream 1: the agent drops what it was
 * sending, answers HELLO and waits for WELCOME as after a connect.
 */
#ifndef AGENT_LINK_H
#define AGENT_LINK_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/outbox.h"
#include "agent/tunnel.h"
#include "agent/wire.h"
#include "base/buf.h"

/* 0: carried out; -1: the payload is malformed, or not now: reconnect. */
typedef int link_command_fn(
    void *arg, struct wire_header h, struct wire_reader *body);

struct link {
	const char *path;
	int in, out; /* -1 while away */
	bool welcomed;
	struct outbox *outbox;
	struct tunnel *tunnel;
	link_command_fn *command;
	void *command_arg;
	uint64_t nonce;
	uint32_t last_seq;
	uint16_t active_step; /* kept up to date by the step's owner */

	struct buf input;
	int64_t input_at;    /* when the last bytes came */
	uint64_t sent;       /* offset of the next record byte to send */
	uint64_t boundary;   /* a frame boundary <= sent */
	uint8_t control[96]; /* HELLO and PONG on their way */
	size_t control_len;
	int64_t lost_at, retry_at, welcome_by;
};

void link_init(struct link *l, const char *path, struct outbox *outbox,
    struct tunnel *tunnel, link_command_fn *command, void *arg);
/* Connects when it is time to; then fills up to 2 entries. Returns how many;
 * lowers *deadline_ns to its own next time. */
int link_prepare(struct link *l, struct pollfd fds[2], int64_t *deadline_ns);
/* After poll: reads, dispatches, writes. */
void link_service(struct link *l, const struct pollfd *fds, int n);

/* -- link_send.c, for link.c ------------------------------------------- */
bool link_wants_out(const struct link *l);
/* Sends what the channel takes. -1: it is broken. */
int link_transmit(struct link *l);

#endif
