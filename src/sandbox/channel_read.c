/*
 * What the agent says: greeting, records, and how far we acknowledge them.
 * Works on what channel.c has read, and trusts none of it: see channel.h.
 */
#include <string.h>

#include "sandbox/channel_internal.h"

enum { ACK_EVERY = WIRE_RING_BYTES / 8 };

static void put_offset_frame(struct channel *ch, enum wire_type type)
{
	size_t at = wire_frame_begin(&ch->out, (uint8_t)type, 0, 0);

	wire_put_u64(&ch->out, ch->off);
	wire_frame_end(&ch->out, at);
	ch->acked = ch->off;
}

static int on_hello(struct channel *ch, struct wire_reader *r, struct err *err)
{
	uint32_t version, seq;
	uint64_t nonce, first, next;
	uint16_t step;

	if (wire_get_u32(r, &version) < 0 || wire_get_u64(r, &nonce) < 0 ||
	    wire_get_u64(r, &first) < 0 || wire_get_u64(r, &next) < 0 ||
	    wire_get_u32(r, &seq) < 0 || wire_get_u16(r, &step) < 0)
		return err_set(err, ERR_INVALID, "agent_protocol",
		    "the agent's greeting is too short");
	if (version < 1 || version > WIRE_VERSION)
		return err_set(err, ERR_INVALID, "agent_version",
		    "the agent speaks version %u, this hub 1 to %d", version,
		    WIRE_VERSION);
	nonce &= INT64_MAX; /* as it is written down */
	if (ch->nonce != 0 && nonce != ch->nonce)
		return err_set(err, ERR_INVALID, "agent_impostor",
		    "another process answered in place of the agent");
	if (ch->off < first || ch->off > next)
		return err_set(err, ERR_INVALID, "agent_gap",
		    "the agent holds output %llu..%llu, the hub has %llu",
		    (unsigned long long)first, (unsigned long long)next,
		    (unsigned long long)ch->off);
	channel_tunnels_reset(ch);
	ch->nonce = nonce;
	ch->version = version;
	ch->agent_seq = seq;
	ch->agent_next = next;
	ch->ready = true;
	put_offset_frame(ch, WIRE_WELCOME);
	for (const struct command *c = ch->commands; c != NULL; c = c->next)
		if (c->seq > seq)
			IGNORE(
			    buf_append(&ch->out, c->frame.data, c->frame.len));
	channel_flush(ch);
	return 0;
}

/* What has been handed over is kept: tell the agent now and then. */
static void acknowledge(struct channel *ch, bool now)
{
	if (ch->ready && ch->off > ch->acked &&
	    (now || ch->off - ch->acked >= ACK_EVERY))
		put_offset_frame(ch, WIRE_ACK);
	channel_flush(ch);
}

struct batch {
	struct channel_record recs[CHANNEL_BATCH];
	size_t n;
	size_t bytes; /* of ch->in that they take */
	bool urgent;  /* holds a mark: acknowledge at once */
};

static int record_from(const struct channel *ch, const struct batch *b,
    struct wire_header h, const uint8_t *payload, struct channel_record *ret,
    struct err *err)
{
	struct wire_reader r = {payload, h.len};
	uint64_t time_ns;

	if (wire_get_u64(&r, &time_ns) < 0)
		return err_set(err, ERR_INVALID, "agent_protocol",
		    "a record of the agent is too short");
	*ret = (struct channel_record){.h = h,
	    .time_ns = (int64_t)time_ns,
	    .data = r.p,
	    .len = r.left,
	    .end_off = (b->n > 0 ? b->recs[b->n - 1].end_off : ch->off) +
		       WIRE_HEADER_LEN + h.len};
	return 0;
}

/* Collects whole records at the front of `in`. A frame that is no record
 * ends the batch: it is handled alone, when it stands first. */
static int collect(struct channel *ch, struct batch *b, struct err *err)
{
	const uint8_t *in = (const uint8_t *)ch->in.data;
	struct wire_header h;

	b->n = b->bytes = 0;
	b->urgent = false;
	while (
	    b->n < CHANNEL_BATCH && ch->in.len - b->bytes >= WIRE_HEADER_LEN) {
		if (wire_header_get(in + b->bytes, &h) < 0)
			return err_set(err, ERR_INVALID, "agent_protocol",
			    "the agent sent a frame that is too long");
		if (ch->in.len - b->bytes < WIRE_HEADER_LEN + h.len ||
		    h.type < WIRE_RECORD_BASE)
			break;
		if (!ch->ready)
			return err_set(err, ERR_INVALID, "agent_protocol",
			    "the agent sent a record before its greeting");
		TRY(record_from(ch, b, h, in + b->bytes + WIRE_HEADER_LEN,
		    &b->recs[b->n], err));
		b->urgent |= h.type != WIRE_OUT;
		b->n++;
		b->bytes += WIRE_HEADER_LEN + h.len;
	}
	return 0;
}

/* 1: a frame was handled, 0: none is whole. */
static int handle_plain(struct channel *ch, struct err *err)
{
	const uint8_t *in = (const uint8_t *)ch->in.data;
	struct wire_reader r;
	struct wire_header h;

	if (ch->in.len < WIRE_HEADER_LEN)
		return 0;
	if (wire_header_get(in, &h) < 0)
		return err_set(err, ERR_INVALID, "agent_protocol",
		    "the agent sent a frame that is too long");
	if (ch->in.len < WIRE_HEADER_LEN + h.len || h.type >= WIRE_RECORD_BASE)
		return 0;
	r = (struct wire_reader){in + WIRE_HEADER_LEN, h.len};
	if (h.type == WIRE_HELLO)
		TRY(on_hello(ch, &r, err));
	else if (h.type >= WIRE_TUN_OPEN && h.type <= WIRE_TUN_CLOSE)
		TRY(channel_tunnel_take(ch, h.type, &r, err));
	if (ch->in.len >= WIRE_HEADER_LEN + h.len)
		buf_consume(&ch->in, WIRE_HEADER_LEN + h.len);
	return 1;
}

/* On a dialled stream: drops what stands before the next HELLO. True: it is
 * there. Job output may look like one, but for the nonce of a known agent. */
static bool find_hello(struct channel *ch)
{
	static const uint8_t head[] = {34, 0, 0, 0, WIRE_HELLO, 0, 0, 0};
	const uint8_t *at, *in = (const uint8_t *)ch->in.data;
	const size_t need = sizeof(head) + sizeof(uint32_t) + sizeof(uint64_t);
	struct wire_reader r;
	uint32_t version;
	uint64_t nonce;

	while (ch->in.len >= need) {
		at = memmem(in, ch->in.len, head, sizeof(head));
		if (at == NULL) {
			buf_consume(&ch->in, ch->in.len - sizeof(head) + 1);
			return false;
		}
		buf_consume(&ch->in, (size_t)(at - in));
		if (ch->in.len < need)
			return false;
		r = (struct wire_reader){in + sizeof(head), need};
		if (wire_get_u32(&r, &version) == 0 &&
		    wire_get_u64(&r, &nonce) == 0 && version >= 1 &&
		    version <= WIRE_VERSION &&
		    (ch->nonce == 0 || (nonce & INT64_MAX) == ch->nonce)) {
			ch->syncing = false;
			ch->ping_ns = 0;
			return true;
		}
		buf_consume(&ch->in, 1);
	}
	return false;
}

int channel_deliver(
    struct channel *ch, channel_take take, void *arg, struct err *err)
{
	struct batch b;
	int r;

	if (ch->syncing && !find_hello(ch))
		return 0;
	for (;;) {
		r = handle_plain(ch, err);
		if (r < 0)
			return -1;
		if (r > 0)
			continue;
		TRY(collect(ch, &b, err));
		if (b.n == 0)
			return 0;
		TRY(take(arg, b.recs, b.n, err));
		ch->off = b.recs[b.n - 1].end_off;
		buf_consume(&ch->in, b.bytes);
		acknowledge(ch, b.urgent);
	}
}
