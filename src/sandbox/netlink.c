/*
 * Netlink messages and the exchange with the kernel: see netlink.h. Called
 * by hostnet_*.c on the thread of whoever attaches a sandbox; owns only the
 * socket of a struct nl_sock.
 */
#include "sandbox/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"

/* What the kernel fills at most per datagram of a dump. */
#define DATAGRAM_MAX    32768
#define ANSWER_LIMIT_MS 10000
/* What a socket takes at once on most machines; and what it is made to. */
#define SEND_USUAL 65536
#define SEND_MAX   (4 * 1024 * 1024)

static void msg_seal(struct nl_msg *m)
{
	uint32_t len = (uint32_t)m->len;

	memcpy(
	    m->bytes + offsetof(struct nlmsghdr, nlmsg_len), &len, sizeof(len));
}

/* Room for len bytes, padded with zeros to the alignment; NULL: none. */
static uint8_t *msg_room(struct nl_msg *m, size_t len)
{
	uint8_t *at = m->bytes + m->len;

	if (len > NL_MSG_MAX || NLMSG_ALIGN(len) > NL_MSG_MAX - m->len) {
		m->overflow = true;
		return NULL;
	}
	memset(at, 0, NLMSG_ALIGN(len));
	m->len += NLMSG_ALIGN(len);
	msg_seal(m);
	return at;
}

void nl_msg_init(struct nl_msg *m, uint16_t type, uint16_t flags)
{
	struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = flags};

	m->len = 0;
	m->overflow = false;
	nl_msg_put(m, &h, sizeof(h));
}

void nl_msg_put(struct nl_msg *m, const void *head, size_t len)
{
	uint8_t *at = msg_room(m, len);

	if (at == NULL)
		return;
	memcpy(at, head, len);
	msg_seal(m);
}

void nl_msg_set_seq(struct nl_msg *m, uint32_t seq)
{
	memcpy(
	    m->bytes + offsetof(struct nlmsghdr, nlmsg_seq), &seq, sizeof(seq));
}

void nl_attr_put(struct nl_msg *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr a = {.nla_type = type};
	uint8_t *at;

	if (len > NL_MSG_MAX) {
		m->overflow = true;
		return;
	}
	a.nla_len = (uint16_t)(NLA_HDRLEN + len);
	at = msg_room(m, NLA_HDRLEN + len);
	if (at == NULL)
		return;
	memcpy(at, &a, sizeof(a));
	if (len > 0)
		memcpy(at + NLA_HDRLEN, data, len);
}

void nl_attr_u8(struct nl_msg *m, uint16_t type, uint8_t v)
{
	nl_attr_put(m, type, &v, sizeof(v));
}

void nl_attr_u32(struct nl_msg *m, uint16_t type, uint32_t v)
{
	nl_attr_put(m, type, &v, sizeof(v));
}

void nl_attr_be32(struct nl_msg *m, uint16_t type, uint32_t v)
{
	nl_attr_u32(m, type, htonl(v));
}

void nl_attr_str(struct nl_msg *m, uint16_t type, const char *s)
{
	nl_attr_put(m, type, s, strlen(s) + 1);
}

size_t nl_nest_begin(struct nl_msg *m, uint16_t type)
{
	size_t at = m->len;

	nl_attr_put(m, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void nl_nest_end(struct nl_msg *m, size_t nest)
{
	uint16_t len;

	if (m->overflow)
		return; /* the nest may not exist; the send refuses anyway */
	len = (uint16_t)(m->len - nest);
	memcpy(m->bytes + nest + offsetof(struct nlattr, nla_len), &len,
	    sizeof(len));
}

/* -- reading ----------------------------------------------------------- */
struct nl_span nl_msg_attrs(const struct nlmsghdr *h, size_t head_len)
{
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(head_len);

	if (h->nlmsg_len < skip)
		return (struct nl_span){NULL, 0};
	return (struct nl_span){(const uint8_t *)h + skip, h->nlmsg_len - skip};
}

bool nl_attr_find(struct nl_span in, uint16_t type, struct nl_span *ret)
{
	struct nlattr a;
	size_t step;

	while (in.len >= sizeof(a)) {
		memcpy(&a, in.data, sizeof(a));
		if (a.nla_len < NLA_HDRLEN || a.nla_len > in.len)
			return false;
		if ((a.nla_type & NLA_TYPE_MASK) == type) {
			*ret = (struct nl_span){
			    in.data + NLA_HDRLEN, a.nla_len - NLA_HDRLEN};
			return true;
		}
		step = NLA_ALIGN(a.nla_len);
		if (step >= in.len)
			return false;
		in.data += step;
		in.len -= step;
	}
	return false;
}

uint32_t nl_attr_get_u32(struct nl_span in, uint16_t type)
{
	struct nl_span a;
	uint32_t v = 0;

	if (nl_attr_find(in, type, &a) && a.len == sizeof(v))
		memcpy(&v, a.data, sizeof(v));
	return v;
}

bool nl_attr_get_str(struct nl_span in, uint16_t type, char *out, size_t cap)
{
	struct nl_span a;
	size_t len;

	out[0] = '\0';
	if (!nl_attr_find(in, type, &a))
		return false;
	len = strnlen((const char *)a.data, a.len);
	if (len >= cap)
		return false;
	memcpy(out, a.data, len);
	out[len] = '\0';
	return true;
}

/* -- talking to the kernel --------------------------------------------- */
int nl_open(struct nl_sock *s, int protocol, struct err *err)
{
	int on = 1;

	*s = (struct nl_sock){.fd = -1};
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (s->fd < 0)
		return err_sys(err, errno, "open a netlink socket");
	/* Both only improve error texts: kernels before 4.12 lack them. */
	IGNORE(
	    setsockopt(s->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)));
	IGNORE(
	    setsockopt(s->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)));
	return 0;
}

void nl_close(struct nl_sock *s)
{
	fd_close(s->fd);
	s->fd = -1;
}

/* An NLMSG_ERROR: the verdict on one request (0: accepted). */
static enum nl_outcome read_verdict(
    struct nl_answer *a, const struct nlmsghdr *h)
{
	struct nlmsgerr e;
	struct nl_span tlvs;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(e)))
		return NL_GARBLED;
	memcpy(&e, NLMSG_DATA(h), sizeof(e));
	if (e.error == 0)
		return h->nlmsg_seq == a->last ? NL_ACCEPTED : NL_MORE;
	a->refused = -e.error;
	/* With NLM_F_CAPPED the words follow at once; else the request is
	 * echoed before them and is not worth skipping. */
	if ((h->nlmsg_flags & NLM_F_ACK_TLVS) &&
	    (h->nlmsg_flags & NLM_F_CAPPED)) {
		tlvs = nl_msg_attrs(h, sizeof(e));
		IGNORE(nl_attr_get_str(
		    tlvs, NLMSGERR_ATTR_MSG, a->words, sizeof(a->words)));
	}
	return NL_REFUSED;
}

/* NLMSG_DONE ends a dump; its payload, when there, is a negative errno. */
static enum nl_outcome read_done(struct nl_answer *a, const struct nlmsghdr *h)
{
	int32_t code = 0;

	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(code)))
		memcpy(&code, NLMSG_DATA(h), sizeof(code));
	if (a->torn)
		code = -EINTR;
	a->refused = code < 0 ? -code : 0;
	return code < 0 ? NL_REFUSED : NL_ACCEPTED;
}

static enum nl_outcome read_message(
    struct nl_answer *a, const struct nlmsghdr *h, nl_reply_fn *fn, void *arg)
{
	/* Unsigned distance: numbers may wrap. */
	if (h->nlmsg_seq - a->first > a->last - a->first)
		return NL_MORE; /* a late answer to an earlier request */
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		a->torn = true;
	switch (h->nlmsg_type) {
	case NLMSG_ERROR:
		return read_verdict(a, h);
	case NLMSG_DONE:
		return read_done(a, h);
	case NLMSG_NOOP:
		return NL_MORE;
	default:
		if (fn != NULL)
			fn(arg, h);
		return NL_MORE;
	}
}

enum nl_outcome nl_read_datagram(struct nl_answer *a, const void *data,
    size_t len, nl_reply_fn *fn, void *arg)
{
	const uint8_t *at = data;
	const struct nlmsghdr *h;
	enum nl_outcome out;
	size_t step;

	while (len > 0) {
		h = (const struct nlmsghdr *)(const void *)at;
		if (len < sizeof(*h) || h->nlmsg_len < sizeof(*h) ||
		    h->nlmsg_len > len)
			return NL_GARBLED;
		out = read_message(a, h, fn, arg);
		if (out != NL_MORE)
			return out;
		step = NLMSG_ALIGN(h->nlmsg_len);
		if (step >= len)
			break;
		at += step;
		len -= step;
	}
	return NL_MORE;
}

/* One datagram from the kernel (others are ignored: *ret_len = 0). */
static int receive(struct nl_sock *s, void *data, int64_t deadline_ns,
    size_t *ret_len, struct err *err)
{
	struct sockaddr_nl from = {0};
	socklen_t from_len = sizeof(from);
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	ssize_t n;
	int ready;

	*ret_len = 0;
	ready = poll(&p, 1, clock_poll_ms(deadline_ns));
	if (ready == 0)
		return err_set(err, ERR_TIMEOUT, NULL,
		    "the kernel did not answer a netlink request in %d s",
		    ANSWER_LIMIT_MS / 1000);
	if (ready < 0)
		return errno == EINTR ? 0 : err_sys(err, errno, "poll netlink");
	n = recvfrom(s->fd, data, DATAGRAM_MAX, MSG_DONTWAIT | MSG_TRUNC,
	    (struct sockaddr *)&from, &from_len);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0)
		return err_sys(err, errno, "receive from netlink");
	if (n > DATAGRAM_MAX)
		return err_set(err, ERR_INTERNAL, NULL,
		    "netlink answer of %zd bytes, expected at most %d", n,
		    DATAGRAM_MAX);
	if (from.nl_pid == 0)
		*ret_len = (size_t)n;
	return 0;
}

static int refusal(
    struct nl_sock *s, const struct nl_answer *a, struct err *err)
{
	s->refused = a->refused;
	if (a->words[0] != '\0')
		return err_sys(err, a->refused, "%s", a->words);
	return err_sys(err, a->refused, "refused by the kernel");
}

static int exchange(struct nl_sock *s, const void *bytes, size_t len,
    struct nl_answer *a, nl_reply_fn *fn, void *arg, struct err *err)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int64_t deadline = clock_deadline_ms(ANSWER_LIMIT_MS);
	alignas(8) uint8_t data[DATAGRAM_MAX];
	size_t got;
	ssize_t n;

	s->refused = 0;
	do
		n = sendto(s->fd, bytes, len, 0, (struct sockaddr *)&kernel,
		    sizeof(kernel));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, errno, "send to netlink");
	for (;;) {
		TRY(receive(s, data, deadline, &got, err));
		switch (nl_read_datagram(a, data, got, fn, arg)) {
		case NL_MORE:
			continue;
		case NL_ACCEPTED:
			return 0;
		case NL_REFUSED:
			return refusal(s, a, err);
		case NL_GARBLED:
			return err_set(err, ERR_INTERNAL, NULL,
			    "the kernel's netlink answer is malformed");
		}
	}
}

int nl_call(struct nl_sock *s, struct nl_msg *m, nl_reply_fn *fn, void *arg,
    struct err *err)
{
	struct nl_answer a = {0};

	if (m->overflow)
		return err_set(err, ERR_INTERNAL, NULL,
		    "a netlink request is longer than %d bytes", NL_MSG_MAX);
	a.first = a.last = ++s->seq;
	nl_msg_set_seq(m, a.first);
	return exchange(s, m->bytes, m->len, &a, fn, arg, err);
}

/* The kernel takes no message larger than the socket's buffer. */
static int make_room(struct nl_sock *s, size_t len, struct err *err)
{
	int room = (int)(len < SEND_MAX ? len : SEND_MAX);

	if (len <= SEND_USUAL || setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE,
				     &room, sizeof(room)) == 0)
		return 0;
	return err_sys(err, errno, "make room for %zu bytes of rules", len);
}

int nl_call_batch(struct nl_sock *s, const void *bytes, size_t len,
    uint32_t first, uint32_t last, struct err *err)
{
	struct nl_answer a = {.first = first, .last = last};

	TRY(make_room(s, len, err));
	return exchange(s, bytes, len, &a, NULL, NULL, err);
}
