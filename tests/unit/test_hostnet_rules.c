/*
 * What an own bridge adds to hostnet: reading the machine's addresses and
 * routes, when they clash with a range, and the nf_tables requests of its
 * guard, as bytes. What the kernel makes of them is for the integration
 * tests.
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "sandbox/hostnet_range.h"
#include "sandbox/nft_batch.h"

#define IP(a, b, c, d)                                                         \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 |      \
	    (uint32_t)(d))

/* -- addresses and routes ------------------------------------------------- */
static const struct nlmsghdr *message(const struct nl_msg *m)
{
	return (const struct nlmsghdr *)(const void *)m->bytes;
}

static void address_message(
    struct nl_msg *m, uint8_t family, uint8_t prefix, uint32_t local)
{
	const struct ifaddrmsg head = {
	    .ifa_family = family, .ifa_prefixlen = prefix, .ifa_index = 7};

	nl_msg_init(m, RTM_NEWADDR, 0);
	nl_msg_put(m, &head, sizeof(head));
	nl_attr_be32(m, IFA_ADDRESS, local);
	nl_attr_be32(m, IFA_LOCAL, local);
}

static void route_message(struct nl_msg *m, const struct rtmsg *head)
{
	nl_msg_init(m, RTM_NEWROUTE, 0);
	nl_msg_put(m, head, sizeof(*head));
}

static void reads_an_address(void **state)
{
	struct host_range r;
	struct nl_msg m;

	(void)state;
	address_message(&m, AF_INET, 21, IP(10, 213, 9, 1));
	assert_true(host_range_read(message(&m), &r));
	assert_int_equal(r.base, IP(10, 213, 8, 0));
	assert_int_equal(r.prefix, 21);
	assert_int_equal(r.address, IP(10, 213, 9, 1));
	assert_int_equal(r.index, 7);
}

/* On a point-to-point link the range is the peer's. */
static void reads_the_range_of_a_peer(void **state)
{
	const struct ifaddrmsg head = {
	    .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 3};
	struct host_range r;
	struct nl_msg m;

	(void)state;
	nl_msg_init(&m, RTM_NEWADDR, 0);
	nl_msg_put(&m, &head, sizeof(head));
	nl_attr_be32(&m, IFA_ADDRESS, IP(10, 8, 0, 1));
	nl_attr_be32(&m, IFA_LOCAL, IP(10, 8, 0, 2));
	assert_true(host_range_read(message(&m), &r));
	assert_int_equal(r.base, IP(10, 8, 0, 1));
	assert_int_equal(r.address, IP(10, 8, 0, 2));
}

static void reads_routes(void **state)
{
	struct rtmsg head = {.rtm_family = AF_INET, .rtm_dst_len = 16};
	struct host_range r;
	struct nl_msg m;

	(void)state;
	route_message(&m, &head);
	nl_attr_be32(&m, RTA_DST, IP(10, 20, 0, 0));
	nl_attr_u32(&m, RTA_OIF, 4);
	assert_true(host_range_read(message(&m), &r));
	assert_int_equal(r.base, IP(10, 20, 0, 0));
	assert_int_equal(r.prefix, 16);
	assert_int_equal(r.address, 0);
	assert_int_equal(r.index, 4);

	head.rtm_dst_len = 0; /* the default route has no destination */
	route_message(&m, &head);
	assert_true(host_range_read(message(&m), &r));
	assert_int_equal(r.base, 0);
	assert_int_equal(r.prefix, 0);
}

static void passes_over_what_is_none_or_malformed(void **state)
{
	struct rtmsg head = {.rtm_family = AF_INET, .rtm_dst_len = 33};
	struct host_range r;
	struct nl_msg m;

	(void)state;
	address_message(&m, AF_INET6, 21, IP(10, 0, 0, 1));
	assert_false(host_range_read(message(&m), &r));
	address_message(&m, AF_INET, 33, IP(10, 0, 0, 1));
	assert_false(host_range_read(message(&m), &r));
	nl_msg_init(&m, RTM_NEWADDR, 0); /* without its head */
	assert_false(host_range_read(message(&m), &r));
	nl_msg_init(&m, RTM_NEWROUTE, 0);
	assert_false(host_range_read(message(&m), &r));
	route_message(&m, &head);
	assert_false(host_range_read(message(&m), &r));
	head = (struct rtmsg){.rtm_family = AF_INET, .rtm_flags = RTM_F_CLONED};
	route_message(&m, &head); /* a cached one */
	assert_false(host_range_read(message(&m), &r));
	nl_msg_init(&m, RTM_NEWLINK, 0);
	assert_false(host_range_read(message(&m), &r));
}

static void knows_which_ranges_clash(void **state)
{
	static const struct {
		struct host_range r;
		bool clashes; /* with 10.213.8.0/21 */
	} cases[] = {
	    {{.base = 0, .prefix = 0}, false},
	    {{.base = IP(10, 0, 0, 0), .prefix = 8}, false},
	    {{.base = IP(10, 0, 0, 0), .prefix = 8, .address = 1}, true},
	    {{.base = IP(11, 0, 0, 0), .prefix = 8, .address = 1}, false},
	    {{.base = IP(10, 213, 8, 0), .prefix = 21}, true},
	    {{.base = IP(10, 213, 15, 255), .prefix = 32}, true},
	    {{.base = IP(10, 213, 16, 0), .prefix = 32}, false},
	    {{.base = IP(10, 213, 7, 255), .prefix = 32, .address = 1}, false},
	    {{.base = IP(10, 213, 0, 0), .prefix = 21, .address = 1}, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    host_range_clashes(&cases[i].r, IP(10, 213, 8, 0), 21),
		    cases[i].clashes);
}

/* -- the guard's requests ------------------------------------------------- */
/* The last message of the batch. */
static const struct nlmsghdr *last_message(const struct nft_batch *b)
{
	const struct nlmsghdr *h = NULL;
	size_t at = 0;

	assert_false(b->overflow);
	while (at < b->bytes.len) {
		h = (const struct nlmsghdr *)(const void *)(b->bytes.data + at);
		assert_true(h->nlmsg_len >= NLMSG_HDRLEN);
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
	assert_int_equal(at, b->bytes.len);
	return h;
}

static struct nl_span attribute(struct nl_span in, uint16_t type)
{
	struct nl_span found = {NULL, 0};

	assert_true(nl_attr_find(in, type, &found));
	return found;
}

static uint32_t number(struct nl_span in, uint16_t type)
{
	return ntohl(nl_attr_get_u32(in, type));
}

/* Takes the first expression off the list; its name. */
static const char *next_expression(
    struct nl_span *list, char name[32], struct nl_span *data)
{
	struct nl_span e = attribute(*list, NFTA_LIST_ELEM);
	size_t len = NLMSG_ALIGN(e.len) + NLA_HDRLEN;

	assert_true(nl_attr_get_str(e, NFTA_EXPR_NAME, name, 32));
	*data = attribute(e, NFTA_EXPR_DATA);
	list->data += len;
	list->len -= len;
	return name;
}

static struct nl_span expressions(const struct nft_batch *b)
{
	return attribute(nl_msg_attrs(last_message(b), sizeof(struct nfgenmsg)),
	    NFTA_RULE_EXPRESSIONS);
}

static void assert_value(
    struct nl_span expr, uint16_t type, const void *want, size_t len)
{
	struct nl_span v = attribute(attribute(expr, type), NFTA_DATA_VALUE);

	assert_int_equal(v.len, len);
	assert_memory_equal(v.data, want, len);
}

static void builds_a_chain_that_translates(void **state)
{
	CLEANUP(nft_batch_fini) struct nft_batch b;
	struct nl_span attrs, hook;
	char type[16];

	(void)state;
	nft_batch_init(&b, "t");
	nft_snat_chain_add(&b, "postrouting");
	attrs = nl_msg_attrs(last_message(&b), sizeof(struct nfgenmsg));
	assert_true(
	    nl_attr_get_str(attrs, NFTA_CHAIN_TYPE, type, sizeof(type)));
	assert_string_equal(type, "nat");
	hook = attribute(attrs, NFTA_CHAIN_HOOK);
	assert_int_equal(number(hook, NFTA_HOOK_HOOKNUM), NF_INET_POST_ROUTING);
	assert_int_equal(number(hook, NFTA_HOOK_PRIORITY), 100);
	assert_int_equal(number(attrs, NFTA_CHAIN_POLICY), NF_ACCEPT);
}

static void builds_a_match_of_the_source(void **state)
{
	static const uint8_t net[] = {10, 213, 8, 0},
			     mask[] = {255, 255, 248, 0};
	CLEANUP(nft_batch_fini) struct nft_batch b;
	struct nl_span list, data;
	char name[32];

	(void)state;
	nft_batch_init(&b, "t");
	nft_rule_begin(&b, "c");
	nft_match_source(&b, IP(10, 213, 9, 7), 21);
	nft_masquerade(&b);
	nft_rule_end(&b);
	list = expressions(&b);
	assert_string_equal(next_expression(&list, name, &data), "meta");
	assert_int_equal(number(data, NFTA_META_KEY), NFT_META_NFPROTO);
	assert_string_equal(next_expression(&list, name, &data), "cmp");
	assert_string_equal(next_expression(&list, name, &data), "payload");
	assert_int_equal(number(data, NFTA_PAYLOAD_OFFSET), 12);
	assert_int_equal(number(data, NFTA_PAYLOAD_LEN), 4);
	assert_string_equal(next_expression(&list, name, &data), "bitwise");
	assert_value(data, NFTA_BITWISE_MASK, mask, sizeof(mask));
	assert_string_equal(next_expression(&list, name, &data), "cmp");
	assert_int_equal(number(data, NFTA_CMP_OP), NFT_CMP_EQ);
	assert_value(data, NFTA_CMP_DATA, net, sizeof(net));
	assert_string_equal(next_expression(&list, name, &data), "masq");
	assert_int_equal(list.len, 0);
}

static void builds_a_match_of_the_kind(void **state)
{
	static const char padded[16] = "bridge";
	CLEANUP(nft_batch_fini) struct nft_batch b;
	struct nl_span list, data;
	char name[32];

	(void)state;
	nft_batch_init(&b, "t");
	nft_rule_begin(&b, "c");
	nft_match_out_kind(&b, "bridge");
	nft_rule_end(&b);
	list = expressions(&b);
	assert_string_equal(next_expression(&list, name, &data), "meta");
	assert_int_equal(number(data, NFTA_META_KEY), NFT_META_OIFKIND);
	assert_string_equal(next_expression(&list, name, &data), "cmp");
	assert_value(data, NFTA_CMP_DATA, padded, sizeof(padded));
	assert_int_equal(list.len, 0);
}

/* The same bits; a reply has one of them, what is no reply has none. */
static void builds_replies_and_their_opposite(void **state)
{
	static const uint32_t none = 0, bits = 2 | 4;

	(void)state;
	for (int reply = 0; reply < 2; reply++) {
		CLEANUP(nft_batch_fini) struct nft_batch b;
		struct nl_span list, data;
		char name[32];

		nft_batch_init(&b, "t");
		nft_rule_begin(&b, "c");
		if (reply)
			nft_match_replies(&b);
		else
			nft_match_no_reply(&b);
		nft_rule_end(&b);
		list = expressions(&b);
		assert_string_equal(next_expression(&list, name, &data), "ct");
		assert_int_equal(number(data, NFTA_CT_KEY), NFT_CT_STATE);
		assert_string_equal(
		    next_expression(&list, name, &data), "bitwise");
		assert_value(data, NFTA_BITWISE_MASK, &bits, sizeof(bits));
		assert_string_equal(next_expression(&list, name, &data), "cmp");
		assert_int_equal(number(data, NFTA_CMP_OP),
		    reply ? NFT_CMP_NEQ : NFT_CMP_EQ);
		assert_value(data, NFTA_CMP_DATA, &none, sizeof(none));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_an_address),
	    cmocka_unit_test(reads_the_range_of_a_peer),
	    cmocka_unit_test(reads_routes),
	    cmocka_unit_test(passes_over_what_is_none_or_malformed),
	    cmocka_unit_test(knows_which_ranges_clash),
	    cmocka_unit_test(builds_a_chain_that_translates),
	    cmocka_unit_test(builds_a_match_of_the_source),
	    cmocka_unit_test(builds_a_match_of_the_kind),
	    cmocka_unit_test(builds_replies_and_their_opposite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
