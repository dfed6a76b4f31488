/*
 * Does another firewall on this machine drop what leaves a bridge of ours?
 * See hostnet.h. Called by network.c after it has put the guard in place;
 * reads nf_tables, which is where iptables of this decade puts its rules as
 * well, and changes nothing.
 */
#include "sandbox/hostnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/netlink.h"

#define DUMP_TRIES 8
#define CHAINS_MAX 16
#define NFT_NAME   128 /* longer ones are passed over */
#define GET(what)  (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (what))

struct drop_chain {
	uint8_t family;
	char table[NFT_NAME], chain[NFT_NAME];
};

struct drop_chains {
	struct drop_chain items[CHAINS_MAX];
	unsigned n;
};

static uint32_t get_be32(struct nl_span in, uint16_t type)
{
	return ntohl(nl_attr_get_u32(in, type));
}

static bool read_family(const struct nlmsghdr *h, uint8_t *ret)
{
	struct nfgenmsg head;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(head)))
		return false;
	memcpy(&head, NLMSG_DATA(h), sizeof(head));
	*ret = head.nfgen_family;
	return head.nfgen_family == NFPROTO_INET ||
	       head.nfgen_family == NFPROTO_IPV4;
}

/* A chain on the forward hook that drops what none of its rules took. */
static void see_chain(void *arg, const struct nlmsghdr *h)
{
	struct nl_span attrs = nl_msg_attrs(h, sizeof(struct nfgenmsg));
	struct drop_chains *found = arg;
	struct drop_chain c;
	struct nl_span hook, policy;

	if (found->n == CHAINS_MAX || !read_family(h, &c.family) ||
	    !nl_attr_find(attrs, NFTA_CHAIN_HOOK, &hook) ||
	    get_be32(hook, NFTA_HOOK_HOOKNUM) != NF_INET_FORWARD ||
	    !nl_attr_find(attrs, NFTA_CHAIN_POLICY, &policy) ||
	    get_be32(attrs, NFTA_CHAIN_POLICY) != NF_DROP ||
	    !nl_attr_get_str(
		attrs, NFTA_CHAIN_TABLE, c.table, sizeof(c.table)) ||
	    !nl_attr_get_str(attrs, NFTA_CHAIN_NAME, c.chain, sizeof(c.chain)))
		return;
	found->items[found->n++] = c;
}

struct mention {
	const char *bridge;
	bool found;
};

static void see_rule(void *arg, const struct nlmsghdr *h)
{
	struct nl_span attrs = nl_msg_attrs(h, sizeof(struct nfgenmsg));
	struct mention *m = arg;

	m->found = m->found || memmem(attrs.data, attrs.len, m->bridge,
				   strlen(m->bridge)) != NULL;
}

/* table: NULL for all. Entries may be seen twice. */
static int dump(struct nl_sock *s, uint16_t type, uint8_t family,
    const char *table, nl_reply_fn *fn, void *arg, struct err *err)
{
	const struct nfgenmsg head = {
	    .nfgen_family = family, .version = NFNETLINK_V0};
	struct nl_msg m;

	for (int i = 0; i < DUMP_TRIES; i++) {
		nl_msg_init(&m, type, NLM_F_REQUEST | NLM_F_DUMP);
		nl_msg_put(&m, &head, sizeof(head));
		if (table != NULL)
			nl_attr_str(&m, NFTA_RULE_TABLE, table);
		if (nl_call(s, &m, fn, arg, err) == 0)
			return 0;
		if (s->refused != EINTR)
			return err_wrap(err, "read the firewall's rules");
		err_clear(err);
	}
	return err_set(err, ERR_UNAVAILABLE, NULL,
	    "the firewall's rules change too fast to be read; try again");
}

int hostnet_forward_blocked(
    const char *bridge, char *ret_chain, size_t size, struct err *err)
{
	CLEANUP(nl_close) struct nl_sock s = {.fd = -1};
	struct drop_chains chains = {.n = 0};

	TRY(nl_open(&s, NETLINK_NETFILTER, err));
	TRY(dump(&s, GET(NFT_MSG_GETCHAIN), NFPROTO_UNSPEC, NULL, see_chain,
	    &chains, err));
	for (unsigned i = 0; i < chains.n; i++) {
		const struct drop_chain *c = &chains.items[i];
		struct mention m = {.bridge = bridge};

		TRY(dump(&s, GET(NFT_MSG_GETRULE), c->family, c->table,
		    see_rule, &m, err));
		if (m.found)
			continue;
		snprintf(ret_chain, size, "chain %.*s of table %s %.*s",
		    NFT_NAME, c->chain,
		    c->family == NFPROTO_IPV4 ? "ip" : "inet", NFT_NAME,
		    c->table);
		return 1;
	}
	return 0;
}
