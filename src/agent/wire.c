/*
 * The codec of wire.h: fixed little-endian integers and counted strings.
 * Called by the agent and by the hub, on any thread; owns nothing. Every
 * read is bounded by what is left of the payload.
 */
#include "agent/wire.h"

#include <string.h>

#include "base/buf.h"

static void put_le(uint8_t *out, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *in, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)in[i] << (8 * i);
	return v;
}

void wire_header_put(uint8_t out[WIRE_HEADER_LEN], struct wire_header h)
{
	put_le(out, h.len, 4);
	out[4] = h.type;
	out[5] = h.stream;
	put_le(out + 6, h.step, 2);
}

int wire_header_get(const uint8_t in[WIRE_HEADER_LEN], struct wire_header *ret)
{
	uint32_t len = (uint32_t)get_le(in, 4);

	if (len > WIRE_PAYLOAD_MAX)
		return -1;
	ret->len = len;
	ret->type = in[4];
	ret->stream = in[5];
	ret->step = (uint16_t)get_le(in + 6, 2);
	return 0;
}

static int take(struct wire_reader *r, size_t bytes, uint64_t *ret)
{
	if (r->left < bytes)
		return -1;
	*ret = get_le(r->p, bytes);
	r->p += bytes;
	r->left -= bytes;
	return 0;
}

int wire_get_u16(struct wire_reader *r, uint16_t *ret)
{
	uint64_t v;

	if (take(r, 2, &v) < 0)
		return -1;
	*ret = (uint16_t)v;
	return 0;
}

int wire_get_u32(struct wire_reader *r, uint32_t *ret)
{
	uint64_t v;

	if (take(r, 4, &v) < 0)
		return -1;
	*ret = (uint32_t)v;
	return 0;
}

int wire_get_u64(struct wire_reader *r, uint64_t *ret)
{
	return take(r, 8, ret);
}

int wire_get_str(struct wire_reader *r, const char **ret, size_t *ret_len)
{
	struct wire_reader at = *r;
	uint32_t len;

	if (wire_get_u32(&at, &len) < 0 || len > at.left)
		return -1;
	if (len > 0 && memchr(at.p, '\0', len) != NULL)
		return -1;
	*ret = (const char *)at.p;
	*ret_len = len;
	r->p = at.p + len;
	r->left = at.left - len;
	return 0;
}

int wire_get_end(struct wire_reader *r, struct wire_end *ret,
    const char **ret_reason, size_t *ret_reason_len)
{
	if (wire_get_u32(r, &ret->code) < 0 || wire_get_u32(r, &ret->flags) < 0)
		return -1;
	if (wire_get_u64(r, &ret->utime_us) < 0 ||
	    wire_get_u64(r, &ret->stime_us) < 0 ||
	    wire_get_u64(r, &ret->maxrss_bytes) < 0 ||
	    wire_get_u64(r, &ret->oom_kills) < 0 ||
	    wire_get_u64(r, &ret->mem_limit) < 0 ||
	    wire_get_u64(r, &ret->mem_peak) < 0)
		return -1;
	return wire_get_str(r, ret_reason, ret_reason_len);
}

static void append_le(struct buf *b, uint64_t v, size_t bytes)
{
	uint8_t raw[8];

	put_le(raw, v, bytes);
	IGNORE(buf_append(b, raw, bytes)); /* overflow is kept in b */
}

void wire_put_u16(struct buf *b, uint16_t v)
{
	append_le(b, v, 2);
}

void wire_put_u32(struct buf *b, uint32_t v)
{
	append_le(b, v, 4);
}

void wire_put_u64(struct buf *b, uint64_t v)
{
	append_le(b, v, 8);
}

void wire_put_strn(struct buf *b, const char *s, size_t len)
{
	wire_put_u32(b, (uint32_t)len);
	IGNORE(buf_append(b, s, len)); /* overflow is kept in b */
}

void wire_put_str(struct buf *b, const char *s)
{
	wire_put_strn(b, s, s != NULL ? strlen(s) : 0);
}

void wire_put_end(struct buf *b, const struct wire_end *end, const char *reason)
{
	wire_put_u32(b, end->code);
	wire_put_u32(b, end->flags);
	wire_put_u64(b, end->utime_us);
	wire_put_u64(b, end->stime_us);
	wire_put_u64(b, end->maxrss_bytes);
	wire_put_u64(b, end->oom_kills);
	wire_put_u64(b, end->mem_limit);
	wire_put_u64(b, end->mem_peak);
	wire_put_str(b, reason);
}

size_t wire_frame_begin(
    struct buf *b, uint8_t type, uint8_t stream, uint16_t step)
{
	uint8_t raw[WIRE_HEADER_LEN];
	size_t at = b->len;

	wire_header_put(raw,
	    (struct wire_header){.type = type, .stream = stream, .step = step});
	IGNORE(buf_append(b, raw, sizeof(raw))); /* overflow is kept in b */
	return at;
}

void wire_frame_end(struct buf *b, size_t at)
{
	if (b->overflow)
		return; /* the caller refuses the whole buffer */
	ASSERT(at + WIRE_HEADER_LEN <= b->len);
	ASSERT(b->len - at - WIRE_HEADER_LEN <= WIRE_PAYLOAD_MAX);
	put_le((uint8_t *)b->data + at, b->len - at - WIRE_HEADER_LEN, 4);
}
