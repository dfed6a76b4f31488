/*
 * The hub's end of the agent's channel: reconnecting, resumable, with
 * back-pressure (protocol: agent/wire.h). One thread uses a channel at a
 * time: the starter of a sandbox, then the carrier of its job.
 *
 *   wait -> pump -> wait ...   nothing here blocks but channel_wait.
 *
 * What the agent says is trusted for nothing beyond its own job: frames are
 * bounded, offsets checked, an impostor (another process of the container
 * that connects to the socket) is refused by its peer pid and boot nonce.
 */
#ifndef SANDBOX_CHANNEL_H
#define SANDBOX_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wire.h"
#include "base/buf.h"
#include "base/err.h"

struct channel;

/* Makes `path` a listening socket that any user may connect to (the parent
 * directory decides who gets there); an old socket is replaced. */
int channel_listen(
    struct channel **ret, const char *path, struct err *err) MUST_CHECK;
/*
 * A channel whose connections are made by dial(arg), for a remote engine: its
 * attach, whose reads bear the 8-byte stream framing. fresh: the agent has
 * not started yet and will greet by itself; else it is asked to (agent/link.h
 * says how), which takes two seconds of silence first.
 */
int channel_dial(struct channel **ret,
    int (*dial)(void *arg, int *ret_fd, struct buf *early, struct err *err),
    void *arg, bool fresh, struct err *err) MUST_CHECK;
void channel_free(struct channel *ch); /* NULL is fine */

/* Whom to expect: pid as the hub's kernel sees it (0: whoever is first),
 * nonce as an earlier HELLO gave it (0: unknown). */
void channel_expect(struct channel *ch, int pid, uint64_t nonce);
int channel_peer_pid(const struct channel *ch);   /* 0: not known */
uint64_t channel_nonce(const struct channel *ch); /* 0: no HELLO yet */
/* True once HELLO was received on the present connection. */
bool channel_is_ready(const struct channel *ch);
/* Of its last HELLO: 0 before, else 1 to WIRE_VERSION. An agent of version 1
 * (a container that an earlier hub left) is sent nothing newer. */
uint32_t channel_version(const struct channel *ch);
/* How far the agent's stream is kept: said in WELCOME, moved by pump. */
void channel_set_offset(struct channel *ch, uint64_t off);
uint64_t channel_offset(const struct channel *ch);
/* Where the agent's stream stood at its last HELLO. */
uint64_t channel_next(const struct channel *ch);
/* The agent's last accepted command number, from HELLO. */
uint32_t channel_last_seq(const struct channel *ch);

enum channel_wait { CHANNEL_IO = 1, CHANNEL_WOKEN = 2, CHANNEL_TIMEOUT = 4 };
/* Waits for traffic, for wake_fd (an eventfd, is drained; -1: none) or the
 * monotonic deadline. Returns a set of bits, never 0. */
int channel_wait(struct channel *ch, int wake_fd, int64_t deadline_ns);

enum { CHANNEL_BATCH = 128 }; /* records handed over at once, at most */
struct channel_record {
	struct wire_header h;
	int64_t time_ns;     /* the agent's wall clock */
	const uint8_t *data; /* behind the time, borrowed until return */
	size_t len;
	uint64_t end_off; /* offset in the agent's stream after it */
};
/*
 * Accepts, reads, flushes. Whole records are handed over in batches; when
 * `take` fails (disk full), they stay and are handed over again at the next
 * pump, and meanwhile the agent holds the job's writers back. Returns 0, or
 * -1 with take's error or ERR_INVALID for a peer that breaks the protocol
 * (its connection is closed).
 */
typedef int (*channel_take)(
    void *arg, const struct channel_record *recs, size_t n, struct err *err);
int channel_pump(struct channel *ch, channel_take take, void *arg,
    struct err *err) MUST_CHECK;

/*
 * Queues a command (its number is put in front of payload) and sends what
 * the socket takes. Kept until channel_confirm, sent again after a reconnect
 * if the agent does not know its number. Payload is copied and wiped.
 */
uint32_t channel_send(struct channel *ch, enum wire_type type, uint16_t step,
    const struct buf *payload);
/* Numbers continue after `seq`: a new hub resumes a job. */
void channel_set_seq(struct channel *ch, uint32_t seq);
/* Commands up to seq have arrived: forget their copies. */
void channel_confirm(struct channel *ch, uint32_t seq);
/*
 * Where the container's connections to WIRE_TUNNEL_PATH lead: a unix socket
 * of the hub. Borrowed; set before the first pump. NULL, and when nothing is
 * set: they are closed at once. They live on channel_wait and channel_pump.
 */
void channel_tunnel_to(struct channel *ch, const char *unix_path);

#endif
