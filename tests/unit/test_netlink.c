/*
 * Netlink messages: what the builder makes, that it stays within its bounds,
 * and that no answer, however malformed, is read beyond its end. The kernel
 * itself is asked in the last tests, which need no privileges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "sandbox/hostnet_link.h"
#include "sandbox/netlink.h"

/* -- building ------------------------------------------------------------- */
static uint32_t sealed_len(const struct nl_msg *m)
{
	struct nlmsghdr h;

	memcpy(&h, m->bytes, sizeof(h));
	return h.nlmsg_len;
}

static void builds_attributes_padded(void **state)
{
	/* 16 bytes header, then "abc" + NUL, u8 with 3 bytes of padding. */
	static const uint8_t want[] = {8, 0, 3, 0, 'a', 'b', 'c', 0, 5, 0, 4, 0,
	    7, 0, 0, 0, 8, 0, 5, 0, 10, 214, 240, 1};
	struct nl_msg m;

	(void)state;
	memset(&m, 0xAA, sizeof(m));
	nl_msg_init(&m, 77, NLM_F_REQUEST);
	assert_int_equal(sealed_len(&m), 16);
	nl_attr_str(&m, 3, "abc");
	nl_attr_u8(&m, 4, 7);
	nl_attr_be32(&m, 5, 0x0AD6F001);
	assert_int_equal(m.len, 16 + sizeof(want));
	assert_int_equal(sealed_len(&m), m.len);
	assert_memory_equal(m.bytes + 16, want, sizeof(want));
	assert_false(m.overflow);
	nl_msg_set_seq(&m, 0x01020304);
	assert_int_equal(
	    ((struct nlmsghdr *)(void *)m.bytes)->nlmsg_seq, 0x01020304);
	assert_int_equal(((struct nlmsghdr *)(void *)m.bytes)->nlmsg_type, 77);
}

static void nests_know_their_length(void **state)
{
	struct nl_msg m;
	struct nl_span in, outer, inner;
	size_t a, b;

	(void)state;
	nl_msg_init(&m, 1, 0);
	a = nl_nest_begin(&m, 10);
	nl_attr_u32(&m, 1, 5);
	b = nl_nest_begin(&m, 11);
	nl_attr_u32(&m, 2, 6);
	nl_nest_end(&m, b);
	nl_nest_end(&m, a);
	nl_attr_u32(&m, 3, 7);
	in = nl_msg_attrs((const struct nlmsghdr *)(const void *)m.bytes, 0);
	assert_true(nl_attr_find(in, 10, &outer));
	assert_int_equal(outer.len, 8 + 4 + 8);
	assert_int_equal(nl_attr_get_u32(outer, 1), 5);
	assert_true(nl_attr_find(outer, 11, &inner));
	assert_int_equal(inner.len, 8);
	assert_int_equal(nl_attr_get_u32(inner, 2), 6);
	assert_int_equal(nl_attr_get_u32(outer, 3), 0);
	assert_int_equal(nl_attr_get_u32(in, 3), 7);
}

static void overflow_is_kept_and_never_sent(void **state)
{
	struct nl_sock s = {.fd = -1};
	struct err err = ERR_INIT;
	uint8_t big[NL_MSG_MAX] = {0};
	struct nl_msg m;
	size_t nest, len;

	(void)state;
	nl_msg_init(&m, 1, 0);
	nest = nl_nest_begin(&m, 9);
	nl_attr_put(&m, 1, big, NL_MSG_MAX - 16 - 4 - 4);
	assert_false(m.overflow);
	assert_int_equal(m.len, NL_MSG_MAX);
	nl_attr_u8(&m, 2, 1);
	assert_true(m.overflow);
	assert_int_equal(m.len, NL_MSG_MAX);
	nl_nest_end(&m, nest);
	nl_msg_put(&m, big, 1);
	nl_attr_put(&m, 3, big, SIZE_MAX);
	assert_int_equal(m.len, NL_MSG_MAX);
	assert_int_equal(nl_call(&s, &m, NULL, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_INTERNAL);

	/* One byte too many, also by its padding, is left out whole. */
	nl_msg_init(&m, 1, 0);
	len = NL_MSG_MAX - 16 - 4;
	nl_attr_put(&m, 1, big, len + 1);
	assert_true(m.overflow);
	assert_int_equal(m.len, 16);
}

/* -- reading -------------------------------------------------------------- */
static void attributes_cut_off_are_not_found(void **state)
{
	uint8_t bytes[] = {5, 0, 1, 0, 'x', 0, 0, 0, 8, 0, 2, 0, 1, 0, 0, 0};
	struct nl_span got;

	(void)state;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		/* On the heap, so that a sanitizer sees the end. */
		uint8_t *copy = mem_alloc(len + 1);
		struct nl_span in = {copy, len};

		memcpy(copy, bytes, len);
		copy = mem_realloc(copy, len > 0 ? len : 1);
		in.data = copy;
		assert_int_equal(nl_attr_find(in, 1, &got), len >= 5);
		assert_int_equal(nl_attr_find(in, 2, &got), len >= 16);
		assert_int_equal(nl_attr_get_u32(in, 2), len >= 16);
		mem_free(copy);
	}
	bytes[0] = 3; /* shorter than its own header: no way forward */
	assert_false(
	    nl_attr_find((struct nl_span){bytes, sizeof(bytes)}, 2, &got));
}

static void strings_are_bounded(void **state)
{
	/* "eth0" without NUL, as no kernel sends it. */
	static const uint8_t bytes[] = {8, 0, 3, 0, 'e', 't', 'h', '0'};
	struct nl_span in = {bytes, sizeof(bytes)};
	char out[5], small[4];

	(void)state;
	assert_true(nl_attr_get_str(in, 3, out, sizeof(out)));
	assert_string_equal(out, "eth0");
	assert_false(nl_attr_get_str(in, 3, small, sizeof(small)));
	assert_string_equal(small, "");
	assert_false(nl_attr_get_str(in, 4, out, sizeof(out)));
	assert_int_equal(nl_attr_get_u32(in, 3), 0x30687465);
}

struct datagram {
	alignas(8) uint8_t bytes[512];
	size_t len;
};

static void add_message(struct datagram *d, uint16_t type, uint16_t flags,
    uint32_t seq, const void *body, size_t len)
{
	struct nlmsghdr h = {.nlmsg_len = (uint32_t)(sizeof(h) + len),
	    .nlmsg_type = type,
	    .nlmsg_flags = flags,
	    .nlmsg_seq = seq};

	memcpy(d->bytes + d->len, &h, sizeof(h));
	if (len > 0)
		memcpy(d->bytes + d->len + sizeof(h), body, len);
	d->len += NLMSG_ALIGN(sizeof(h) + len);
}

static void add_verdict(struct datagram *d, uint32_t seq, int eno)
{
	struct nlmsgerr e = {.error = -eno};

	add_message(d, NLMSG_ERROR, NLM_F_CAPPED, seq, &e, sizeof(e));
}

static void count(void *arg, const struct nlmsghdr *h)
{
	(void)h;
	++*(int *)arg;
}

static void reads_answers_up_to_the_verdict(void **state)
{
	struct nl_answer a = {.first = 5, .last = 5};
	struct datagram d = {.len = 0};
	int seen = 0;

	(void)state;
	add_verdict(&d, 4, EBUSY); /* to an earlier request */
	add_message(&d, RTM_NEWLINK, 0, 4, NULL, 0);
	add_message(&d, RTM_NEWLINK, 0, 5, "abc", 3);
	add_message(&d, NLMSG_NOOP, 0, 5, NULL, 0);
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, count, &seen), NL_MORE);
	assert_int_equal(seen, 1);
	add_verdict(&d, 5, 0);
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, NULL, NULL), NL_ACCEPTED);
	assert_int_equal(a.refused, 0);
}

static void a_batch_ends_with_its_last_or_its_first_refusal(void **state)
{
	struct nl_answer a = {.first = UINT32_MAX - 1, .last = 2};
	struct datagram d = {.len = 0};

	(void)state;
	add_verdict(&d, UINT32_MAX, 0);
	add_verdict(&d, 3, EPERM);
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, NULL, NULL), NL_MORE);
	add_verdict(&d, 1, EEXIST);
	add_verdict(&d, 2, 0);
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, NULL, NULL), NL_REFUSED);
	assert_int_equal(a.refused, EEXIST);
	a = (struct nl_answer){.first = 2, .last = 2};
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, NULL, NULL), NL_ACCEPTED);
}

static void a_torn_dump_is_an_error(void **state)
{
	struct nl_answer a = {.first = 1, .last = 1};
	struct datagram d = {.len = 0};
	int32_t zero = 0, failed = -ENOBUFS;

	(void)state;
	add_message(&d, RTM_NEWLINK, NLM_F_MULTI | NLM_F_DUMP_INTR, 1, NULL, 0);
	add_message(&d, NLMSG_DONE, NLM_F_MULTI, 1, &zero, sizeof(zero));
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, NULL, NULL), NL_REFUSED);
	assert_int_equal(a.refused, EINTR);
	a = (struct nl_answer){.first = 1, .last = 1};
	d.len = 0;
	add_message(&d, NLMSG_DONE, NLM_F_MULTI, 1, &failed, sizeof(failed));
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, NULL, NULL), NL_REFUSED);
	assert_int_equal(a.refused, ENOBUFS);
}

static void the_kernels_words_are_kept(void **state)
{
	struct {
		struct nlmsgerr e;
		struct nlattr a;
		char words[8];
	} body = {.e = {.error = -EINVAL},
	    .a = {.nla_len = 12, .nla_type = NLMSGERR_ATTR_MSG},
	    .words = "no, no"};
	struct nl_answer a = {.first = 1, .last = 1};
	struct datagram d = {.len = 0};

	(void)state;
	add_message(&d, NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, 1, &body,
	    sizeof(body));
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, NULL, NULL), NL_REFUSED);
	assert_string_equal(a.words, "no, no");
}

static void malformed_datagrams_are_refused(void **state)
{
	struct nl_answer a = {.first = 1, .last = 1};
	struct datagram d = {.len = 0};
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)d.bytes;

	(void)state;
	add_message(&d, NLMSG_ERROR, 0, 1, NULL, 0); /* without its verdict */
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, NULL, NULL), NL_GARBLED);
	h->nlmsg_len = 15;
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, NULL, NULL), NL_GARBLED);
	h->nlmsg_len = 17;
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, NULL, NULL), NL_GARBLED);
	h->nlmsg_len = UINT32_MAX;
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, d.len, NULL, NULL), NL_GARBLED);
	assert_int_equal(
	    nl_read_datagram(&a, d.bytes, 15, NULL, NULL), NL_GARBLED);
	assert_int_equal(nl_read_datagram(&a, d.bytes, 0, NULL, NULL), NL_MORE);
}

/* Random bytes, and good messages with bytes changed: it ends, within. */
static void noise_is_survived(void **state)
{
	struct datagram d = {.len = 0};

	(void)state;
	srandom(1);
	for (int round = 0; round < 20000; round++) {
		struct nl_answer a = {.first = 1, .last = 2};
		int seen = 0;

		d.len = 0;
		add_message(&d, RTM_NEWLINK, 0, 1, "abcdefgh", 8);
		add_verdict(&d, 1, 0);
		add_verdict(&d, 2, ENOENT);
		for (int i = 0; i < round % 7; i++)
			d.bytes[(size_t)random() % d.len] = (uint8_t)random();
		assert_in_range(
		    nl_read_datagram(&a, d.bytes,
			(size_t)random() % (d.len + 1), count, &seen),
		    NL_MORE, NL_GARBLED);
		assert_in_range(seen, 0, 30);
	}
}

/* -- the kernel ----------------------------------------------------------- */
static void finds_the_loopback(void **state)
{
	CLEANUP(nl_close) struct nl_sock s = {.fd = -1};
	struct err err = ERR_INIT;
	struct link_info info;

	(void)state;
	assert_int_equal(nl_open(&s, NETLINK_ROUTE, &err), 0);
	assert_int_equal(link_find(&s, "lo", &info, &err), 1);
	assert_int_equal(info.index, 1);
	assert_string_equal(info.name, "lo");
	assert_string_equal(info.kind, "");
	assert_true(info.mtu > 0);
	assert_int_equal(link_find(&s, "rhnosuchif", &info, &err), 0);
	assert_int_equal(err.kind, ERR_NONE);
}

static void see_loopback(void *arg, const struct link_info *info)
{
	if (strcmp(info->name, "lo") == 0 && info->index == 1)
		++*(int *)arg;
}

static void lists_interfaces(void **state)
{
	CLEANUP(nl_close) struct nl_sock s = {.fd = -1};
	struct err err = ERR_INIT;
	int seen = 0;

	(void)state;
	assert_int_equal(nl_open(&s, NETLINK_ROUTE, &err), 0);
	assert_int_equal(link_each(&s, see_loopback, &seen, &err), 0);
	assert_true(seen >= 1);
}

static void refusals_bear_the_kernels_errno(void **state)
{
	CLEANUP(nl_close) struct nl_sock s = {.fd = -1};
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	struct err err = ERR_INIT;
	struct nl_msg m;

	(void)state;
	assert_int_equal(nl_open(&s, NETLINK_ROUTE, &err), 0);
	nl_msg_init(&m, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK);
	nl_msg_put(&m, &head, sizeof(head));
	nl_attr_str(&m, IFLA_IFNAME, "rhnosuchif");
	assert_int_equal(nl_call(&s, &m, NULL, NULL, &err), -1);
	assert_int_equal(s.refused, ENODEV);
	assert_int_not_equal(err.kind, ERR_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(builds_attributes_padded),
	    cmocka_unit_test(nests_know_their_length),
	    cmocka_unit_test(overflow_is_kept_and_never_sent),
	    cmocka_unit_test(attributes_cut_off_are_not_found),
	    cmocka_unit_test(strings_are_bounded),
	    cmocka_unit_test(reads_answers_up_to_the_verdict),
	    cmocka_unit_test(a_batch_ends_with_its_last_or_its_first_refusal),
	    cmocka_unit_test(a_torn_dump_is_an_error),
	    cmocka_unit_test(the_kernels_words_are_kept),
	    cmocka_unit_test(malformed_datagrams_are_refused),
	    cmocka_unit_test(noise_is_survived),
	    cmocka_unit_test(finds_the_loopback),
	    cmocka_unit_test(lists_interfaces),
	    cmocka_unit_test(refusals_bear_the_kernels_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
