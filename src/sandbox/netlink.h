/*
 * Netlink in small: build a bounded message, send it, wait for the kernel's
 * answer, read attributes. No state beyond one socket; a socket is used by
 * one thread at a time. For src/sandbox/hostnet_*.c only.
 */
#ifndef SANDBOX_NETLINK_H
#define SANDBOX_NETLINK_H

#include <linux/netlink.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define NL_MSG_MAX 1024

/*
 * One request being built: nl_msg_init, the family's fixed header by
 * nl_msg_put, then attributes. The bytes are a whole message after every
 * call. What does not fit is left out and marks `overflow`, which the send
 * refuses: check nothing in between.
 */
struct nl_msg {
	alignas(8) uint8_t bytes[NL_MSG_MAX];
	size_t len;
	bool overflow;
};

void nl_msg_init(struct nl_msg *m, uint16_t type, uint16_t flags);
void nl_msg_put(struct nl_msg *m, const void *head, size_t len);
void nl_msg_set_seq(struct nl_msg *m, uint32_t seq);

void nl_attr_put(struct nl_msg *m, uint16_t type, const void *data, size_t len);
void nl_attr_u8(struct nl_msg *m, uint16_t type, uint8_t v);
void nl_attr_u32(struct nl_msg *m, uint16_t type, uint32_t v);
/* Network byte order, as IPv4 addresses and all of nf_tables want it. */
void nl_attr_be32(struct nl_msg *m, uint16_t type, uint32_t v);
void nl_attr_str(struct nl_msg *m, uint16_t type, const char *s);
/* Attributes put between begin and end are inside the one of this type. */
size_t nl_nest_begin(struct nl_msg *m, uint16_t type);
void nl_nest_end(struct nl_msg *m, size_t nest);

/* -- reading ----------------------------------------------------------- */
/* Borrowed bytes of a received message. */
struct nl_span {
	const uint8_t *data;
	size_t len;
};

/* The attributes behind a fixed header of `head_len` bytes; empty when the
 * message is too short for it. */
struct nl_span nl_msg_attrs(const struct nlmsghdr *h, size_t head_len);
/* The first attribute of this type; false: none, or cut off. */
bool nl_attr_find(struct nl_span in, uint16_t type, struct nl_span *ret);
/* 0 when it is absent or of another size. */
uint32_t nl_attr_get_u32(struct nl_span in, uint16_t type);
/* Copies with NUL; false: absent or longer than cap - 1 (out is then ""). */
bool nl_attr_get_str(struct nl_span in, uint16_t type, char *out, size_t cap);

/* -- talking to the kernel --------------------------------------------- */
struct nl_sock {
	int fd; /* -1: closed */
	uint32_t seq;
	int refused; /* errno in the kernel's last answer, 0: accepted */
};

/* protocol: NETLINK_ROUTE, NETLINK_NETFILTER. Acts for ever in the network
 * namespace of the thread that opens it, whichever thread uses it. */
int nl_open(struct nl_sock *s, int protocol, struct err *err) MUST_CHECK;
void nl_close(struct nl_sock *s);
static inline void nl_close_guard(struct nl_sock *s)
{
	nl_close(s);
}

/* Called for each message of the answer; h is valid during the call. */
typedef void nl_reply_fn(void *arg, const struct nlmsghdr *h);

/*
 * Sends m and waits (at most 10 s) until the kernel accepted or refused it.
 * fn may be NULL. A dump (NLM_F_DUMP) that the kernel reports as torn by a
 * change is an error with refused = EINTR: repeat it. On -1, s->refused != 0
 * means that the kernel understood and said no; err has its words.
 */
int nl_call(struct nl_sock *s, struct nl_msg *m, nl_reply_fn *fn, void *arg,
    struct err *err) MUST_CHECK;

/*
 * Sends `len` bytes of messages numbered first..last at once; waits until
 * `last` is acknowledged (it asks for that) or any of them is refused.
 */
int nl_call_batch(struct nl_sock *s, const void *bytes, size_t len,
    uint32_t first, uint32_t last, struct err *err) MUST_CHECK;

/* -- inside, for tests ------------------------------------------------- */
enum nl_outcome { NL_MORE, NL_ACCEPTED, NL_REFUSED, NL_GARBLED };
struct nl_answer {
	uint32_t first, last; /* sequence numbers that are ours */
	bool torn;
	int refused;
	char words[160]; /* the kernel's explanation, "" when it has none */
};
/* Reads one datagram. Every length in it is checked. */
enum nl_outcome nl_read_datagram(struct nl_answer *a, const void *data,
    size_t len, nl_reply_fn *fn, void *arg);

#endif
