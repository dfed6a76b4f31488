/*
 * The firewall of the sandboxes' bridge: see hostnet.h for what it promises.
 * Called once at start (and again by whoever finds it missing); owns one
 * nf_tables table. Our chains run just before the usual filter chains; an
 * "accept" here only ends our chain, so it opens nothing that the machine's
 * own rules close.
 */
#include "sandbox/hostnet.h"

#include <linux/in.h>
#include <linux/netfilter.h>
#include <net/if.h>

#include <string.h>

#include "sandbox/nft_batch.h"

#define PRIORITY (-10) /* "filter - 10" */
#define DNS_PORT 53

/*
 * Where clouds answer requests for a machine's identity and credentials.
 * Port 53 there is the provider's resolver (it is the only one of machines
 * on GCE and Azure) and stays open.
 */
static const struct {
	uint32_t address;
	unsigned prefix;
} metadata[] = {
    {0xA9FE0000, 16}, /* 169.254.0.0/16: AWS, GCE, Azure, OCI, OpenStack */
    {0xA83F8110, 32}, /* 168.63.129.16: Azure's wire server */
    {0x646464C8, 32}, /* 100.100.100.200: Alibaba */
};

#define REFUSE "refuse"

/* The end of whatever is refused: said aloud, so that a job fails at once
 * and with words instead of hanging. */
static void add_refuse_chain(struct nft_batch *b)
{
	nft_subchain_add(b, REFUSE);
	nft_rule_begin(b, REFUSE);
	nft_match_protocol(b, IPPROTO_TCP);
	nft_reject_tcp(b);
	nft_rule_end(b);
	nft_rule_begin(b, REFUSE);
	nft_reject(b);
	nft_rule_end(b);
}

static void refuse(struct nft_batch *b)
{
	nft_count(b);
	nft_jump(b, REFUSE);
}

static void pass_others(
    struct nft_batch *b, const char *chain, const char *bridge)
{
	nft_rule_begin(b, chain);
	nft_match_interface(b, NFT_IN, false, bridge);
	nft_accept(b);
	nft_rule_end(b);
}

static void pass_replies(struct nft_batch *b, const char *chain)
{
	nft_rule_begin(b, chain);
	nft_match_replies(b);
	nft_accept(b);
	nft_rule_end(b);
}

static void pass_dns(struct nft_batch *b, const char *chain)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		nft_rule_begin(b, chain);
		nft_match_port(b, protocols[i], DNS_PORT);
		nft_accept(b);
		nft_rule_end(b);
	}
}

/* To the machine itself, on any of its addresses, its proxies included. */
static void guard_input(struct nft_batch *b, const char *bridge, bool allow_dns)
{
	static const char chain[] = "input";

	nft_chain_add(b, chain, NF_INET_LOCAL_IN, PRIORITY);
	pass_others(b, chain, bridge);
	pass_replies(b, chain);
	if (allow_dns)
		pass_dns(b, chain);
	nft_rule_begin(b, chain);
	refuse(b);
	nft_rule_end(b);
}

/* Through the machine. The order matters: replies and DNS end the chain, so
 * what may not pass even then stands before them. */
static void guard_forward(struct nft_batch *b, const char *bridge)
{
	static const char chain[] = "forward";

	nft_chain_add(b, chain, NF_INET_FORWARD, PRIORITY);
	pass_others(b, chain, bridge);

	nft_rule_begin(b, chain); /* to another sandbox */
	nft_match_interface(b, NFT_OUT, true, bridge);
	nft_count(b);
	nft_drop(b);
	nft_rule_end(b);

	pass_replies(b, chain);

	nft_rule_begin(b, chain); /* no sandbox has an IPv6 address */
	nft_match_family(b, NFPROTO_IPV6);
	refuse(b);
	nft_rule_end(b);

	/* To a port published on the machine. By ICMP also for TCP: a reset
	 * would bear the translated address, and be taken for a stranger's. */
	nft_rule_begin(b, chain);
	nft_match_redirected(b);
	nft_count(b);
	nft_reject(b);
	nft_rule_end(b);

	pass_dns(b, chain);
	for (size_t i = 0; i < ARRAY_LEN(metadata); i++) {
		nft_rule_begin(b, chain);
		nft_match_destination(
		    b, metadata[i].address, metadata[i].prefix);
		refuse(b);
		nft_rule_end(b);
	}
}

static int check_table(const char *table, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	size_t len = strlen(table);

	if (len == 0 || len > 31 || strspn(table, allowed) != len)
		return err_set(err, ERR_INVALID, NULL,
		    "\"%.64s\" is no name for a firewall table: 1 to 31 small "
		    "letters, digits and _",
		    table);
	return 0;
}

static int commit(struct nft_batch *b, const char *what, struct err *err)
{
	if (nft_batch_commit(b, err) < 0)
		return err_wrap(err,
		    "%s firewall table inet %s (CAP_NET_ADMIN and a kernel "
		    "with nf_tables needed)",
		    what, b->table);
	return 0;
}

int hostnet_guard_install(
    const char *table, const char *bridge, bool allow_dns, struct err *err)
{
	CLEANUP(nft_batch_fini) struct nft_batch b;
	size_t len = strlen(bridge);

	nft_batch_init(&b, table);
	TRY(check_table(table, err));
	if (len == 0 || len >= IFNAMSIZ)
		return err_set(err, ERR_INVALID, NULL,
		    "bridge \"%.64s\": an interface name has 1 to %d "
		    "characters",
		    bridge, IFNAMSIZ - 1);
	nft_table_add(&b);
	nft_table_delete(&b);
	nft_table_add(&b);
	add_refuse_chain(&b);
	guard_input(&b, bridge, allow_dns);
	guard_forward(&b, bridge);
	return commit(&b, "install", err);
}

int hostnet_guard_remove(const char *table, struct err *err)
{
	CLEANUP(nft_batch_fini) struct nft_batch b;

	nft_batch_init(&b, table);
	TRY(check_table(table, err));
	nft_table_add(&b);
	nft_table_delete(&b);
	return commit(&b, "remove", err);
}
