/* The codec of agent/wire.h, and the ring that keeps its records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent_image.h"
#include "agent/ring.h"
#include "agent/wire.h"
#include "base/buf.h"

static struct wire_reader reader_of(const struct buf *b)
{
	return (struct wire_reader){(const uint8_t *)b->data, b->len};
}

static void header_has_its_layout(void **state)
{
	struct wire_header h = {
	    .len = 0x00012345, .type = 33, .stream = 2, .step = 0x0807};
	static const uint8_t want[] = {0x45, 0x23, 0x01, 0, 33, 2, 7, 8};
	struct wire_header back;
	uint8_t raw[WIRE_HEADER_LEN];

	(void)state;
	wire_header_put(raw, h);
	assert_memory_equal(raw, want, sizeof(want));
	assert_int_equal(wire_header_get(raw, &back), 0);
	assert_int_equal(back.len, h.len);
	assert_int_equal(back.type, h.type);
	assert_int_equal(back.stream, h.stream);
	assert_int_equal(back.step, h.step);
}

static void header_refuses_a_long_payload(void **state)
{
	struct wire_header h = {.len = WIRE_PAYLOAD_MAX};
	uint8_t raw[WIRE_HEADER_LEN];

	(void)state;
	wire_header_put(raw, h);
	assert_int_equal(wire_header_get(raw, &h), 0);
	h.len = WIRE_PAYLOAD_MAX + 1;
	wire_header_put(raw, h);
	assert_int_equal(wire_header_get(raw, &h), -1);
	h.len = UINT32_MAX;
	wire_header_put(raw, h);
	assert_int_equal(wire_header_get(raw, &h), -1);
}

static void values_come_back(void **state)
{
	struct wire_reader r;
	struct buf b;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	const char *s;
	size_t len;

	(void)state;
	buf_init(&b, 1000);
	wire_put_u16(&b, 0xfffe);
	wire_put_u32(&b, 0xfffefdfc);
	wire_put_u64(&b, UINT64_C(0xfffefdfcfbfaf9f8));
	wire_put_str(&b, "text");
	wire_put_str(&b, NULL);
	wire_put_strn(&b, "part", 2);
	r = reader_of(&b);
	assert_int_equal(wire_get_u16(&r, &u16), 0);
	assert_int_equal(u16, 0xfffe);
	assert_int_equal(wire_get_u32(&r, &u32), 0);
	assert_int_equal(u32, 0xfffefdfc);
	assert_int_equal(wire_get_u64(&r, &u64), 0);
	assert_true(u64 == UINT64_C(0xfffefdfcfbfaf9f8));
	assert_int_equal(wire_get_str(&r, &s, &len), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(s, "text", 4);
	assert_int_equal(wire_get_str(&r, &s, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(wire_get_str(&r, &s, &len), 0);
	assert_int_equal(len, 2);
	assert_int_equal(r.left, 0);
	assert_int_equal(wire_get_str(&r, &s, &len), -1);
	assert_int_equal(wire_get_u16(&r, &u16), -1);
	buf_fini(&b);
}

static void reading_past_the_end_fails_and_moves_nothing(void **state)
{
	static const uint8_t few[] = {200, 0, 0, 0, 'a'};
	static const uint8_t nul[] = {3, 0, 0, 0, 'a', 0, 'b'};
	struct wire_reader r = {few, sizeof(few)};
	const char *s;
	uint64_t u64;
	size_t len;

	(void)state;
	assert_int_equal(wire_get_str(&r, &s, &len), -1);
	assert_int_equal(wire_get_u64(&r, &u64), -1);
	assert_ptr_equal(r.p, few);
	assert_int_equal(r.left, sizeof(few));
	r = (struct wire_reader){few, 3};
	assert_int_equal(wire_get_str(&r, &s, &len), -1);
	r = (struct wire_reader){nul, sizeof(nul)};
	assert_int_equal(wire_get_str(&r, &s, &len), -1);
}

static void step_end_comes_back_and_every_cut_is_refused(void **state)
{
	struct wire_end end = {.code = 137,
	    .flags = WIRE_END_SIGNALED | WIRE_END_OOM,
	    .utime_us = 1,
	    .stime_us = 2,
	    .maxrss_bytes = 3,
	    .oom_kills = 4,
	    .mem_limit = UINT64_C(1) << 40,
	    .mem_peak = 6};
	struct wire_end back;
	struct wire_reader r;
	const char *reason;
	struct buf b;
	size_t len;

	(void)state;
	buf_init(&b, 1000);
	wire_put_end(&b, &end, "out of memory");
	r = reader_of(&b);
	assert_int_equal(wire_get_end(&r, &back, &reason, &len), 0);
	assert_memory_equal(&back, &end, sizeof(end));
	assert_int_equal(len, strlen("out of memory"));
	assert_memory_equal(reason, "out of memory", len);
	for (size_t cut = 0; cut < b.len; cut++) {
		r = (struct wire_reader){(const uint8_t *)b.data, cut};
		assert_int_equal(wire_get_end(&r, &back, &reason, &len), -1);
	}
	buf_fini(&b);
}

static void frames_are_closed_with_their_length(void **state)
{
	struct wire_header h;
	struct buf b;
	size_t at;

	(void)state;
	buf_init(&b, 100);
	wire_put_u16(&b, 7);
	at = wire_frame_begin(&b, WIRE_OUT, 1, 9);
	wire_put_str(&b, "abc");
	wire_frame_end(&b, at);
	assert_int_equal(at, 2);
	assert_int_equal(wire_header_get((const uint8_t *)b.data + at, &h), 0);
	assert_int_equal(h.len, 7);
	assert_int_equal(h.type, WIRE_OUT);
	assert_int_equal(h.step, 9);
	buf_fini(&b);
}

static void overflow_is_kept(void **state)
{
	struct buf b;
	size_t at;

	(void)state;
	buf_init(&b, 10);
	at = wire_frame_begin(&b, WIRE_RUN, 0, 1);
	wire_put_str(&b, "does not fit");
	wire_frame_end(&b, at);
	assert_true(b.overflow);
	buf_fini(&b);
}

/* ---- ring ---- */

static uint8_t memory[WIRE_RING_BYTES];

static void put_frame(struct ring *r, size_t payload, char fill)
{
	static uint8_t raw[WIRE_HEADER_LEN + WIRE_OUT_MAX];
	struct wire_header h = {.len = (uint32_t)payload, .type = WIRE_OUT};

	wire_header_put(raw, h);
	memset(raw + WIRE_HEADER_LEN, fill, payload);
	ring_append(r, raw, WIRE_HEADER_LEN + payload);
}

static void ring_acks_only_at_frames(void **state)
{
	struct ring r;

	(void)state;
	ring_init(&r, memory);
	put_frame(&r, 10, 'a');
	put_frame(&r, 0, 'b');
	assert_int_equal(ring_ack(&r, 17), -1);
	assert_int_equal(ring_ack(&r, 27), -1);
	assert_int_equal(ring_ack(&r, 18), 0);
	assert_int_equal(ring_ack(&r, 0), -1);
	assert_int_equal(ring_boundary(&r, 18, 19), 26);
	assert_int_equal(ring_ack(&r, 26), 0);
	assert_int_equal(ring_room(&r), WIRE_RING_BYTES);
}

static void ring_keeps_bytes_across_its_end(void **state)
{
	struct iovec out[2];
	struct ring r;
	size_t frame = WIRE_HEADER_LEN + 1000, frames = 0;

	(void)state;
	ring_init(&r, memory);
	for (int lap = 0; lap < 3; lap++) {
		for (; ring_room(&r) >= frame; frames++)
			put_frame(&r, 1000, (char)frames);
		assert_int_equal(ring_ack(&r, r.next - 2 * frame), 0);
	}
	assert_int_equal(r.next, frames * frame);
	for (uint64_t at = r.first; at < r.next; at += frame) {
		uint8_t copy[WIRE_HEADER_LEN + 1000];
		int n = ring_pieces(&r, at, at + frame, out);

		memcpy(copy, out[0].iov_base, out[0].iov_len);
		if (n == 2)
			memcpy(copy + out[0].iov_len, out[1].iov_base,
			    out[1].iov_len);
		assert_int_equal(copy[WIRE_HEADER_LEN], (at / frame) & 0xff);
		assert_int_equal(copy[sizeof(copy) - 1], (at / frame) & 0xff);
	}
}

static void the_embedded_agent_is_a_program(void **state)
{
	(void)state;
	assert_true(agent_image_size() > 10000);
	assert_true(agent_image_size() < 200000);
	assert_memory_equal(agent_image,
	    "\x7f"
	    "ELF",
	    4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(header_has_its_layout),
	    cmocka_unit_test(header_refuses_a_long_payload),
	    cmocka_unit_test(values_come_back),
	    cmocka_unit_test(reading_past_the_end_fails_and_moves_nothing),
	    cmocka_unit_test(step_end_comes_back_and_every_cut_is_refused),
	    cmocka_unit_test(frames_are_closed_with_their_length),
	    cmocka_unit_test(overflow_is_kept),
	    cmocka_unit_test(ring_acks_only_at_frames),
	    cmocka_unit_test(ring_keeps_bytes_across_its_end),
	    cmocka_unit_test(the_embedded_agent_is_a_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
