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

#define REFUSE  "refuse"
#define FORWARD "forward"
#define MACHINE "machine"
#define SESSION "session"

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

/* What comes from a session's containers, or goes to them. */
static void match_session(
    struct nft_batch *b, enum nft_way way, const struct hostnet_session *s)
{
	if (s->device[0] != '\0')
		nft_match_interface(b, way, true, s->device);
	else if (way == NFT_IN)
		nft_match_source(b, s->base, s->prefix);
	else
		nft_match_destination(b, s->base, s->prefix);
}

/* To the machine itself, on any of its addresses, its proxies included. */
static void add_machine_chain(struct nft_batch *b, bool allow_dns)
{
	nft_subchain_add(b, MACHINE);
	pass_replies(b, MACHINE);
	if (allow_dns)
		pass_dns(b, MACHINE);
	nft_rule_begin(b, MACHINE);
	refuse(b);
	nft_rule_end(b);
}

/* Podman answers for the names of a network's containers on its gateway;
 * Docker does inside of the containers. */
static void pass_names(
    struct nft_batch *b, const char *chain, const struct hostnet_session *s)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		nft_rule_begin(b, chain);
		match_session(b, NFT_IN, s);
		nft_match_destination(b, s->base + 1, 32);
		nft_match_port(b, protocols[i], DNS_PORT);
		nft_accept(b);
		nft_rule_end(b);
	}
}

static void guard_input(struct nft_batch *b, const struct hostnet_guard *g)
{
	static const char chain[] = "input";

	add_machine_chain(b, g->allow_dns);
	nft_chain_add(b, chain, NF_INET_LOCAL_IN, PRIORITY);
	nft_rule_begin(b, chain);
	nft_match_interface(b, NFT_IN, true, g->bridge);
	nft_jump(b, MACHINE);
	nft_rule_end(b);
	for (size_t i = 0; i < g->nsessions; i++) {
		if (g->sessions[i].device[0] == '\0')
			pass_names(b, chain, &g->sessions[i]);
		nft_rule_begin(b, chain);
		match_session(b, NFT_IN, &g->sessions[i]);
		nft_jump(b, MACHINE);
		nft_rule_end(b);
	}
}

/* -- on a bridge of our own, beside what follows ----------------------- */

/* The machine's own connections are no forwarding; a port that an engine
 * publishes never leads here. */
static void guard_inbound(struct nft_batch *b, const char *bridge)
{
	nft_rule_begin(b, FORWARD);
	nft_match_interface(b, NFT_IN, false, bridge);
	nft_match_interface(b, NFT_OUT, true, bridge);
	nft_match_no_reply(b);
	nft_count(b);
	nft_drop(b);
	nft_rule_end(b);
}

/* A bridge is the network of an engine or of a hub, unless the machine
 * itself reaches the world over it. */
static void guard_neighbours(struct nft_batch *b, const char *chain,
    const struct hostnet_uplinks *uplinks)
{
	nft_rule_begin(b, chain);
	nft_match_out_kind(b, "bridge");
	for (unsigned i = 0; i < uplinks->n; i++)
		nft_match_interface(b, NFT_OUT, false, uplinks->names[i]);
	refuse(b);
	nft_rule_end(b);
}

static void translate(struct nft_batch *b, const struct hostnet_guard *g)
{
	static const char chain[] = "postrouting";

	nft_snat_chain_add(b, chain);
	nft_rule_begin(b, chain);
	nft_match_source(b, g->subnet, g->prefix);
	nft_match_interface(b, NFT_OUT, false, g->bridge);
	nft_masquerade(b);
	nft_rule_end(b);
}

/* -- what holds on any bridge ------------------------------------------ */

/* To a port published on the machine, and to the clouds' places. */
static void guard_places(struct nft_batch *b, const char *chain)
{
	/* By ICMP also for TCP: a reset would bear the translated address, and
	 * be taken for a stranger's. */
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

/* No container of ours has an IPv6 address. */
static void refuse_ipv6(struct nft_batch *b, const char *chain)
{
	nft_rule_begin(b, chain);
	nft_match_family(b, NFPROTO_IPV6);
	refuse(b);
	nft_rule_end(b);
}

/* -- sessions ---------------------------------------------------------- */

/* What a session's containers send beyond their own network. */
static void add_session_chain(
    struct nft_batch *b, const struct hostnet_guard *g)
{
	nft_subchain_add(b, SESSION);
	nft_rule_begin(b, SESSION);
	nft_match_interface(b, NFT_OUT, true, g->bridge);
	refuse(b);
	nft_rule_end(b);
	pass_replies(b, SESSION);
	refuse_ipv6(b, SESSION);
	if (g->own_bridge)
		guard_neighbours(b, SESSION, &g->uplinks);
	if (!g->open_host)
		guard_places(b, SESSION);
}

/* From one to itself, then from others to it, then from it to others. */
static void guard_session(struct nft_batch *b, const struct hostnet_session *s)
{
	nft_rule_begin(b, FORWARD);
	match_session(b, NFT_IN, s);
	match_session(b, NFT_OUT, s);
	nft_accept(b);
	nft_rule_end(b);

	nft_rule_begin(b, FORWARD);
	match_session(b, NFT_OUT, s);
	nft_match_no_reply(b);
	nft_match_not_redirected(b);
	refuse(b);
	nft_rule_end(b);

	nft_rule_begin(b, FORWARD);
	match_session(b, NFT_IN, s);
	nft_jump(b, SESSION);
	nft_rule_end(b);
}

/* Through the machine. The order matters: replies and DNS end the chain, so
 * what may not pass even then stands before them. */
static void guard_forward(struct nft_batch *b, const struct hostnet_guard *g)
{
	if (g->nsessions > 0)
		add_session_chain(b, g);
	nft_chain_add(b, FORWARD, NF_INET_FORWARD, PRIORITY);
	for (size_t i = 0; i < g->nsessions; i++)
		guard_session(b, &g->sessions[i]);
	if (g->own_bridge)
		guard_inbound(b, g->bridge);

	nft_rule_begin(b, FORWARD); /* what follows is for sandboxes */
	nft_match_interface(b, NFT_IN, false, g->bridge);
	nft_accept(b);
	nft_rule_end(b);

	nft_rule_begin(b, FORWARD); /* to another sandbox */
	nft_match_interface(b, NFT_OUT, true, g->bridge);
	nft_count(b);
	nft_drop(b);
	nft_rule_end(b);

	pass_replies(b, FORWARD);

	refuse_ipv6(b, FORWARD);

	if (g->own_bridge)
		guard_neighbours(b, FORWARD, &g->uplinks);
	if (!g->open_host)
		guard_places(b, FORWARD);
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

static int check_guard(const struct hostnet_guard *g, struct err *err)
{
	size_t len = strlen(g->bridge);

	TRY(check_table(g->table, err));
	if (len == 0 || len >= IFNAMSIZ)
		return err_set(err, ERR_INVALID, NULL,
		    "bridge \"%.64s\": an interface name has 1 to %d "
		    "characters",
		    g->bridge, IFNAMSIZ - 1);
	ASSERT(g->own_bridge || !g->open_host);
	return 0;
}

int hostnet_guard_install(const struct hostnet_guard *g, struct err *err)
{
	CLEANUP(nft_batch_fini) struct nft_batch b;

	nft_batch_init(&b, g->table);
	TRY(check_guard(g, err));
	nft_table_add(&b);
	nft_table_delete(&b);
	nft_table_add(&b);
	add_refuse_chain(&b);
	if (!g->open_host)
		guard_input(&b, g);
	guard_forward(&b, g);
	if (g->own_bridge)
		translate(&b, g);
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
