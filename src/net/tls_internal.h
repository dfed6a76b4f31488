/*
 * The pieces of TLS, for its own files only:
 *   tls_load.c      OpenSSL's calls
 *   tls_context.c   what sessions of both sides have in common; files read
 *   tls_facts.c     what a certificate says
 *   tls_keeper.c    the server's certificate and its changes
 *   tls_client.c    whom a client trusts
 *   tls_session.c   one conversation
 *   tls_trouble.c   why one failed, in words
 * tls_none.c takes the place of all in programs without libraries.
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include "net/tls.h"
#include "net/tls_load.h"

/* -- tls_context.c ----------------------------------------------------- */
/* Versions, ciphers, options of one side; NULL: no memory for it. */
SSL_CTX *tls_context_new(const struct tls_calls *t, bool server);
/* Certificate and key, checked to belong together. */
int tls_context_use(const struct tls_calls *t, SSL_CTX *ctx,
    const char *certificate, const char *key, struct err *err) MUST_CHECK;
/* Can it be read? A message of its own, where OpenSSL would say little. */
int tls_file_check(
    const char *what, const char *path, struct err *err) MUST_CHECK;
/* How OpenSSL's calls take it that a session moves no bytes itself; NULL:
 * no memory for it. Any thread. */
BIO_METHOD *tls_pipe_method(const struct tls_calls *t);

/* -- tls_facts.c ------------------------------------------------------- */
void tls_facts_read(
    const struct tls_calls *t, X509 *certificate, struct tls_facts *ret);
/* ERR_INVALID when its time is not now. */
int tls_facts_check_time(
    const struct tls_facts *f, const char *path, struct err *err) MUST_CHECK;

/* -- tls_session.c ------------------------------------------------------ */
struct tls_session {
	const struct tls_calls *t;
	SSL *ssl;
	const char *in; /* what the peer sent and is not used yet */
	size_t in_len;
	struct buf out;
	bool failed; /* no more calls of OpenSSL but free */
	/* of a client */
	bool is_client;
	X509 *exactly; /* the tls_client's; NULL: by name and authority */
	char host[256];
	struct tls_facts *shown; /* what a bad certificate says; or NULL */
};
struct tls_session *tls_session_new(
    const struct tls_calls *t, SSL_CTX *ctx, bool is_client);

/* -- tls_trouble.c ------------------------------------------------------ */
/* Why the handshake or a read failed; OpenSSL's errors of this thread are
 * still there. Returns -1. */
int tls_trouble(const struct tls_session *s, struct err *err);

#endif
