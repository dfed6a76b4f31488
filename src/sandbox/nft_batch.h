/*
 * A transaction of nf_tables requests: tables, base chains and rules made of
 * the few expressions that the sandbox guard needs. The kernel applies all
 * of it or nothing. For hostnet_guard.c only.
 *
 * Spoken to the kernel directly, not by libnftables: that library ends the
 * process on some failures, weighs a megabyte and is GPL-2.0-only.
 */
#ifndef SANDBOX_NFT_BATCH_H
#define SANDBOX_NFT_BATCH_H

#include "base/buf.h"
#include "base/err.h"
#include "sandbox/netlink.h"

struct nft_batch {
	const char *table; /* family inet; borrowed */
	struct buf bytes;
	size_t last_at; /* where the last message begins in bytes */
	uint32_t seq;
	struct nl_msg msg; /* the request being built */
	size_t rule;       /* its list of expressions, a nest in msg */
	bool overflow;
};

void nft_batch_init(struct nft_batch *b, const char *table);
void nft_batch_fini(struct nft_batch *b);
static inline void nft_batch_fini_guard(struct nft_batch *b)
{
	nft_batch_fini(b);
}
/* Sends everything and waits for the verdict. Once per batch. */
int nft_batch_commit(struct nft_batch *b, struct err *err) MUST_CHECK;

void nft_table_add(struct nft_batch *b); /* there already: fine */
/* With all that is in it; must exist: add it before. */
void nft_table_delete(struct nft_batch *b);
/* A filter chain on this hook (NF_INET_LOCAL_IN, ...), policy accept. */
void nft_chain_add(
    struct nft_batch *b, const char *chain, unsigned hook, int priority);
/* One that translates source addresses of what leaves the machine. */
void nft_snat_chain_add(struct nft_batch *b, const char *chain);

/* A chain without a hook, to jump to: add it and its rules before that. */
void nft_subchain_add(struct nft_batch *b, const char *chain);

/* A rule: begin, matches (all must hold), one verdict, end. */
void nft_rule_begin(struct nft_batch *b, const char *chain);
void nft_rule_end(struct nft_batch *b);

enum nft_way { NFT_IN, NFT_OUT };
/* The interface that the packet came by, or leaves by, is (not) this one. */
void nft_match_interface(
    struct nft_batch *b, enum nft_way way, bool equal, const char *name);
/* It leaves by an interface of this kind ("bridge"). */
void nft_match_out_kind(struct nft_batch *b, const char *kind);
void nft_match_replies(struct nft_batch *b);    /* established, related */
void nft_match_no_reply(struct nft_batch *b);   /* neither of them */
void nft_match_redirected(struct nft_batch *b); /* ct status dnat */
void nft_match_not_redirected(struct nft_batch *b);
void nft_match_family(struct nft_batch *b, uint8_t nfproto);
/* IPPROTO_TCP, IPPROTO_UDP, ... */
void nft_match_protocol(struct nft_batch *b, uint8_t protocol);
/* Destination port, of TCP or UDP. */
void nft_match_port(struct nft_batch *b, uint8_t protocol, uint16_t port);
/* IPv4 source, destination in address/prefix, host byte order. */
void nft_match_source(struct nft_batch *b, uint32_t address, unsigned prefix);
void nft_match_destination(
    struct nft_batch *b, uint32_t address, unsigned prefix);

void nft_count(struct nft_batch *b); /* shown by `nft list table` */
void nft_accept(struct nft_batch *b);
void nft_drop(struct nft_batch *b);
void nft_jump(struct nft_batch *b, const char *chain);
/* From now on it bears the address of the interface that it leaves by. In a
 * chain of nft_snat_chain_add. */
void nft_masquerade(struct nft_batch *b);
/* The sender is told: TCP at once by a reset; else by ICMP, of which the
 * kernel sends a peer one a second after the first few. */
void nft_reject_tcp(struct nft_batch *b);
void nft_reject(struct nft_batch *b);

#endif
