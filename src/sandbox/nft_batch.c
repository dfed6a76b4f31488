/*
 * nf_tables requests as bytes: see nft_batch.h. Called by hostnet_guard.c.
 * Integers in attributes are in network byte order; what a register holds is
 * as the packet or the kernel has it (marks and bit sets: host order).
 */
#include "sandbox/nft_batch.h"

#include <arpa/inet.h>
#include <linux/ip.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>

/* Some 1500 sessions. */
#define BATCH_MAX (2 * 1024 * 1024)

/* The kernel's bit for a connection state in `ct state`. */
#define CT_STATE_BIT(state) (1u << ((state) + 1))

/* -- the transaction --------------------------------------------------- */
static void msg_begin(struct nft_batch *b, uint16_t type, uint16_t flags,
    const struct nfgenmsg *head)
{
	nl_msg_init(&b->msg, type, NLM_F_REQUEST | flags);
	nl_msg_put(&b->msg, head, sizeof(*head));
	nl_msg_set_seq(&b->msg, ++b->seq);
}

static void msg_end(struct nft_batch *b)
{
	b->last_at = b->bytes.len;
	if (b->msg.overflow ||
	    buf_append(&b->bytes, b->msg.bytes, b->msg.len) < 0)
		b->overflow = true;
}

static void fence(struct nft_batch *b, uint16_t type)
{
	const struct nfgenmsg head = {.nfgen_family = AF_UNSPEC,
	    .version = NFNETLINK_V0,
	    .res_id = htons(NFNL_SUBSYS_NFTABLES)};

	msg_begin(b, type, 0, &head);
	msg_end(b);
}

static void request_begin(struct nft_batch *b, uint16_t what, uint16_t flags)
{
	const struct nfgenmsg head = {
	    .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};

	msg_begin(
	    b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | what), flags, &head);
}

void nft_batch_init(struct nft_batch *b, const char *table)
{
	*b = (struct nft_batch){.table = table};
	buf_init(&b->bytes, BATCH_MAX);
	fence(b, NFNL_MSG_BATCH_BEGIN);
}

void nft_batch_fini(struct nft_batch *b)
{
	buf_fini(&b->bytes);
}

/* Hundreds of answers would not fit the socket: only the last request asks
 * for one. Refusals come anyway. */
static void ask_for_answer(struct nft_batch *b)
{
	struct nlmsghdr h;

	if (b->overflow || b->bytes.data == NULL)
		return;
	memcpy(&h, b->bytes.data + b->last_at, sizeof(h));
	h.nlmsg_flags |= NLM_F_ACK;
	memcpy(b->bytes.data + b->last_at, &h, sizeof(h));
}

/*
 * The answers come after the commit and in the order of the requests, so the
 * last request's is that of the whole. A refusal of the commit itself bears
 * the number of the first fence.
 */
int nft_batch_commit(struct nft_batch *b, struct err *err)
{
	CLEANUP(nl_close) struct nl_sock s = {.fd = -1};
	uint32_t last = b->seq;

	ask_for_answer(b);
	fence(b, NFNL_MSG_BATCH_END);
	if (b->overflow)
		return err_set(err, ERR_INTERNAL, NULL,
		    "the rules of table %s do not fit a transaction", b->table);
	TRY(nl_open(&s, NETLINK_NETFILTER, err));
	return nl_call_batch(&s, b->bytes.data, b->bytes.len, 1, last, err);
}

/* -- tables and chains ------------------------------------------------- */
void nft_table_add(struct nft_batch *b)
{
	request_begin(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	nl_attr_str(&b->msg, NFTA_TABLE_NAME, b->table);
	msg_end(b);
}

void nft_table_delete(struct nft_batch *b)
{
	request_begin(b, NFT_MSG_DELTABLE, 0);
	nl_attr_str(&b->msg, NFTA_TABLE_NAME, b->table);
	msg_end(b);
}

static void chain_add(struct nft_batch *b, const char *chain, const char *type,
    unsigned hook, int priority)
{
	size_t nest;

	request_begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nl_attr_str(&b->msg, NFTA_CHAIN_TABLE, b->table);
	nl_attr_str(&b->msg, NFTA_CHAIN_NAME, chain);
	nl_attr_str(&b->msg, NFTA_CHAIN_TYPE, type);
	nest = nl_nest_begin(&b->msg, NFTA_CHAIN_HOOK);
	nl_attr_be32(&b->msg, NFTA_HOOK_HOOKNUM, hook);
	nl_attr_be32(&b->msg, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	nl_nest_end(&b->msg, nest);
	nl_attr_be32(&b->msg, NFTA_CHAIN_POLICY, NF_ACCEPT);
	msg_end(b);
}

void nft_chain_add(
    struct nft_batch *b, const char *chain, unsigned hook, int priority)
{
	chain_add(b, chain, "filter", hook, priority);
}

void nft_snat_chain_add(struct nft_batch *b, const char *chain)
{
	chain_add(b, chain, "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC);
}

void nft_subchain_add(struct nft_batch *b, const char *chain)
{
	request_begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nl_attr_str(&b->msg, NFTA_CHAIN_TABLE, b->table);
	nl_attr_str(&b->msg, NFTA_CHAIN_NAME, chain);
	msg_end(b);
}

/* -- rules ------------------------------------------------------------- */
void nft_rule_begin(struct nft_batch *b, const char *chain)
{
	request_begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	nl_attr_str(&b->msg, NFTA_RULE_TABLE, b->table);
	nl_attr_str(&b->msg, NFTA_RULE_CHAIN, chain);
	b->rule = nl_nest_begin(&b->msg, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft_batch *b)
{
	nl_nest_end(&b->msg, b->rule);
	msg_end(b);
}

struct expr {
	size_t element, data;
};

static struct expr expr_begin(struct nft_batch *b, const char *name)
{
	struct expr e;

	e.element = nl_nest_begin(&b->msg, NFTA_LIST_ELEM);
	nl_attr_str(&b->msg, NFTA_EXPR_NAME, name);
	e.data = nl_nest_begin(&b->msg, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct nft_batch *b, struct expr e)
{
	nl_nest_end(&b->msg, e.data);
	nl_nest_end(&b->msg, e.element);
}

static void put_value(
    struct nft_batch *b, uint16_t type, const void *value, size_t len)
{
	size_t nest = nl_nest_begin(&b->msg, type);

	nl_attr_put(&b->msg, NFTA_DATA_VALUE, value, len);
	nl_nest_end(&b->msg, nest);
}

/* Each match loads register 1, perhaps masks it, and compares it. */
static void load_meta(struct nft_batch *b, uint32_t key)
{
	struct expr e = expr_begin(b, "meta");

	nl_attr_be32(&b->msg, NFTA_META_KEY, key);
	nl_attr_be32(&b->msg, NFTA_META_DREG, NFT_REG_1);
	expr_end(b, e);
}

static void load_ct(struct nft_batch *b, uint32_t key)
{
	struct expr e = expr_begin(b, "ct");

	nl_attr_be32(&b->msg, NFTA_CT_KEY, key);
	nl_attr_be32(&b->msg, NFTA_CT_DREG, NFT_REG_1);
	expr_end(b, e);
}

static void load_payload(
    struct nft_batch *b, uint32_t base, uint32_t offset, uint32_t len)
{
	struct expr e = expr_begin(b, "payload");

	nl_attr_be32(&b->msg, NFTA_PAYLOAD_DREG, NFT_REG_1);
	nl_attr_be32(&b->msg, NFTA_PAYLOAD_BASE, base);
	nl_attr_be32(&b->msg, NFTA_PAYLOAD_OFFSET, offset);
	nl_attr_be32(&b->msg, NFTA_PAYLOAD_LEN, len);
	expr_end(b, e);
}

/* The four bytes in the register, and mask. */
static void mask32(struct nft_batch *b, uint32_t mask)
{
	const uint32_t zero = 0;
	struct expr e = expr_begin(b, "bitwise");

	nl_attr_be32(&b->msg, NFTA_BITWISE_SREG, NFT_REG_1);
	nl_attr_be32(&b->msg, NFTA_BITWISE_DREG, NFT_REG_1);
	nl_attr_be32(&b->msg, NFTA_BITWISE_LEN, sizeof(mask));
	put_value(b, NFTA_BITWISE_MASK, &mask, sizeof(mask));
	put_value(b, NFTA_BITWISE_XOR, &zero, sizeof(zero));
	expr_end(b, e);
}

static void compare(
    struct nft_batch *b, bool equal, const void *value, size_t len)
{
	struct expr e = expr_begin(b, "cmp");

	nl_attr_be32(&b->msg, NFTA_CMP_SREG, NFT_REG_1);
	nl_attr_be32(&b->msg, NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
	put_value(b, NFTA_CMP_DATA, value, len);
	expr_end(b, e);
}

/* The kernel compares names with all the zeros behind them. */
static void match_name(
    struct nft_batch *b, uint32_t key, bool equal, const char *name)
{
	char padded[IFNAMSIZ] = {0};

	memcpy(padded, name, strnlen(name, sizeof(padded) - 1));
	load_meta(b, key);
	compare(b, equal, padded, sizeof(padded));
}

void nft_match_interface(
    struct nft_batch *b, enum nft_way way, bool equal, const char *name)
{
	match_name(b, way == NFT_IN ? NFT_META_IIFNAME : NFT_META_OIFNAME,
	    equal, name);
}

void nft_match_out_kind(struct nft_batch *b, const char *kind)
{
	match_name(b, NFT_META_OIFKIND, true, kind);
}

/* Is any of the bits set? */
static void match_ct_bits(
    struct nft_batch *b, uint32_t key, uint32_t bits, bool any)
{
	const uint32_t none = 0;

	load_ct(b, key);
	mask32(b, bits);
	compare(b, !any, &none, sizeof(none));
}

#define REPLY_BITS                                                             \
	(CT_STATE_BIT(IP_CT_ESTABLISHED) | CT_STATE_BIT(IP_CT_RELATED))

void nft_match_replies(struct nft_batch *b)
{
	match_ct_bits(b, NFT_CT_STATE, REPLY_BITS, true);
}

void nft_match_no_reply(struct nft_batch *b)
{
	match_ct_bits(b, NFT_CT_STATE, REPLY_BITS, false);
}

void nft_match_redirected(struct nft_batch *b)
{
	match_ct_bits(b, NFT_CT_STATUS, IPS_DST_NAT, true);
}

void nft_match_not_redirected(struct nft_batch *b)
{
	match_ct_bits(b, NFT_CT_STATUS, IPS_DST_NAT, false);
}

void nft_match_family(struct nft_batch *b, uint8_t nfproto)
{
	load_meta(b, NFT_META_NFPROTO);
	compare(b, true, &nfproto, sizeof(nfproto));
}

void nft_match_protocol(struct nft_batch *b, uint8_t protocol)
{
	load_meta(b, NFT_META_L4PROTO);
	compare(b, true, &protocol, sizeof(protocol));
}

/* Ports lie at the same place in TCP and UDP. */
void nft_match_port(struct nft_batch *b, uint8_t protocol, uint16_t port)
{
	const uint16_t wire = htons(port);

	nft_match_protocol(b, protocol);
	load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(wire));
	compare(b, true, &wire, sizeof(wire));
}

static void match_address(
    struct nft_batch *b, uint32_t offset, uint32_t address, unsigned prefix)
{
	const uint32_t mask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
	const uint32_t net = htonl(address & mask);

	nft_match_family(b, NFPROTO_IPV4);
	load_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(net));
	mask32(b, htonl(mask));
	compare(b, true, &net, sizeof(net));
}

void nft_match_source(struct nft_batch *b, uint32_t address, unsigned prefix)
{
	match_address(b, offsetof(struct iphdr, saddr), address, prefix);
}

void nft_match_destination(
    struct nft_batch *b, uint32_t address, unsigned prefix)
{
	match_address(b, offsetof(struct iphdr, daddr), address, prefix);
}

/* -- what happens ------------------------------------------------------ */
void nft_count(struct nft_batch *b)
{
	expr_end(b, expr_begin(b, "counter"));
}

/* chain: NULL but for a jump */
static void verdict(struct nft_batch *b, int32_t code, const char *chain)
{
	struct expr e = expr_begin(b, "immediate");
	size_t data, inner;

	nl_attr_be32(&b->msg, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest_begin(&b->msg, NFTA_IMMEDIATE_DATA);
	inner = nl_nest_begin(&b->msg, NFTA_DATA_VERDICT);
	nl_attr_be32(&b->msg, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain != NULL)
		nl_attr_str(&b->msg, NFTA_VERDICT_CHAIN, chain);
	nl_nest_end(&b->msg, inner);
	nl_nest_end(&b->msg, data);
	expr_end(b, e);
}

void nft_accept(struct nft_batch *b)
{
	verdict(b, NF_ACCEPT, NULL);
}

void nft_drop(struct nft_batch *b)
{
	verdict(b, NF_DROP, NULL);
}

void nft_jump(struct nft_batch *b, const char *chain)
{
	verdict(b, NFT_JUMP, chain);
}

void nft_masquerade(struct nft_batch *b)
{
	expr_end(b, expr_begin(b, "masq"));
}

static void reject_with(struct nft_batch *b, uint32_t type, uint8_t code)
{
	struct expr e = expr_begin(b, "reject");

	nl_attr_be32(&b->msg, NFTA_REJECT_TYPE, type);
	nl_attr_u8(&b->msg, NFTA_REJECT_ICMP_CODE, code);
	expr_end(b, e);
}

void nft_reject_tcp(struct nft_batch *b)
{
	reject_with(b, NFT_REJECT_TCP_RST, 0);
}

void nft_reject(struct nft_batch *b)
{
	reject_with(b, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH);
}
