/*
 * What the agent sends: greeting and answers, frames of tunnels, records. See
 * link.h; called by link.c. On the channel they stand one behind the other,
 * so whatever was begun is finished first.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent/link.h"

/* 0: sent all or the channel is full; -1: broken. */
static int send_control(struct link *l)
{
	ssize_t n = write(l->out, l->control, l->control_len);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	l->control_len -= (size_t)n;
	memmove(l->control, l->control + n, l->control_len);
	return 0;
}

static int send_records(struct link *l, uint64_t to)
{
	struct iovec pieces[2];
	ssize_t n;

	if (to == l->sent)
		return 0;
	n = writev(
	    l->out, pieces, ring_pieces(&l->outbox->ring, l->sent, to, pieces));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	l->sent += (uint64_t)n;
	return 0;
}

/* Up to the end of the record that is under way. 1: it is sent. */
static int finish_record(struct link *l)
{
	uint64_t edge;

	if (!l->welcomed)
		return 1;
	edge = ring_boundary(&l->outbox->ring, l->boundary, l->sent);
	if (send_records(l, edge) < 0)
		return -1;
	if (l->sent != edge)
		return 0;
	l->boundary = edge;
	return 1;
}

/* Between records: HELLO and PONG, then what the tunnels have. 1: all. */
static int send_between(struct link *l)
{
	int r;

	if (tunnel_is_sending(l->tunnel)) {
		r = tunnel_send(l->tunnel, l->out);
		if (r <= 0)
			return r;
	}
	if (l->control_len == 0 && !tunnel_fill(l->tunnel))
		return 1;
	r = finish_record(l);
	if (r <= 0)
		return r;
	if (l->control_len > 0 && send_control(l) < 0)
		return -1;
	return l->control_len > 0 ? 0 : tunnel_send(l->tunnel, l->out);
}

bool link_wants_out(const struct link *l)
{
	return l->control_len > 0 || tunnel_fill(l->tunnel) ||
	       (l->welcomed && l->sent < l->outbox->ring.next);
}

int link_transmit(struct link *l)
{
	int r = send_between(l);

	if (r > 0 && l->welcomed)
		return send_records(l, l->outbox->ring.next);
	return r < 0 ? -1 : 0;
}
