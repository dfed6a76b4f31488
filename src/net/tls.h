/*
 * TLS as a machine that moves no bytes itself: it is given what the peer
 * sent, and says what to send. So the server's loop and the blocking client
 * use the same one. TLS 1.2 and 1.3, HTTP/1.1 by ALPN, no renegotiation, no
 * compression, no resumption: nothing is kept that could decrypt what was
 * said before (RFC 8446; RFC 9325 for the choice of ciphers).
 *
 * A session is used by one thread at a time and blocks never. Nothing outside
 * net/ sees OpenSSL.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* -- sessions ---------------------------------------------------------- */

struct tls_session;

enum tls_progress {
	TLS_DONE,   /* the handshake is complete; bytes were read */
	TLS_WANT,   /* give what the peer sends next */
	TLS_CLOSED, /* the peer said that it has no more to say */
	TLS_FAILED, /* *err says why; send what is in out, then close */
};

void tls_session_free(struct tls_session *s);
DEFINE_CLEANUP(struct tls_session *, tls_session_free);
/* What the peer sent; used up when a call answers TLS_WANT, until then it
 * must stay where it is. */
void tls_session_give(struct tls_session *s, const char *data, size_t len);
/* Bytes for the peer: send all of them after each call, then buf_clear or
 * buf_fini. */
struct buf *tls_session_out(struct tls_session *s);

enum tls_progress tls_session_handshake(struct tls_session *s, struct err *err);
/* TLS_DONE: *ret_len > 0 plain bytes are in data. */
enum tls_progress tls_session_read(struct tls_session *s, char *data,
    size_t size, size_t *ret_len, struct err *err);
/* After the handshake: all of data goes to out, as records. */
int tls_session_write(struct tls_session *s, const void *data, size_t len,
    struct err *err) MUST_CHECK;
/* Says that we have no more to say. */
void tls_session_end(struct tls_session *s);
/* Has the peer shown a certificate of an authority that we trust? */
bool tls_session_is_certified(const struct tls_session *s);

/* -- the server's side --------------------------------------------------- */

enum tls_client_auth {
	TLS_CLIENTS_ANY, /* nobody is asked for a certificate */
	TLS_CLIENTS_ASK, /* a bad one is refused, none is not */
	TLS_CLIENTS_ALL, /* without one there is no connection */
};
struct tls_files {
	const char *certificate; /* PEM: ours, then those up to the root */
	const char *key;         /* PEM, not readable for everybody */
	const char *client_ca;   /* PEM: who vouches for clients, or NULL */
	enum tls_client_auth clients;
};

enum { TLS_NAME_MAX = 256, TLS_NAMES_MAX = 1024 };
/* What a certificate says. */
struct tls_facts {
	char subject[TLS_NAME_MAX], issuer[TLS_NAME_MAX];
	char names[TLS_NAMES_MAX];     /* "hub.example.com, 192.0.2.1" */
	int64_t not_before, not_after; /* wall ns */
};

/*
 * The server's certificate, in the form of files that are replaced now and
 * then. Any thread; the sessions that it made go on with what they began with.
 */
struct tls_keeper;

/* Reads the files. ERR_INVALID "bad_certificate": one cannot be read, they do
 * not belong together, the time of the certificate is not now, or everybody
 * may read the key. */
int tls_keeper_open(struct tls_keeper **ret, const struct tls_files *files,
    struct err *err) MUST_CHECK;
void tls_keeper_close(struct tls_keeper *k);
DEFINE_CLEANUP(struct tls_keeper *, tls_keeper_close);

enum tls_look {
	TLS_LOOK_SAME,   /* nothing new */
	TLS_LOOK_NEW,    /* new connections get the new one */
	TLS_LOOK_BROKEN, /* *err says why; the old one stays in use */
};
/*
 * Have the files changed? When they look different twice in the same way,
 * they are read (who replaces one may not be done with the other); with `now`
 * they are read in any case.
 */
enum tls_look tls_keeper_look(
    struct tls_keeper *k, bool now, struct err *err) MUST_CHECK;
void tls_keeper_facts(struct tls_keeper *k, struct tls_facts *ret);
/* A session for a connection that was accepted. */
struct tls_session *tls_keeper_session(struct tls_keeper *k);

/* -- the client's side --------------------------------------------------- */

/* False in programs that are linked statically. */
bool tls_is_built_in(void);

/* Whom a client trusts and how it proves itself; NULL: the system's
 * authorities, nothing. */
struct tls_trust {
	const char *ca_file;           /* authorities instead of the system's */
	const char *certificate, *key; /* PEM, of this client */
	/* The one certificate that the server must show: its name and
	 * authority do not matter then. */
	const char *exactly;
};
struct tls_client;

int tls_client_open(struct tls_client **ret, const struct tls_trust *trust,
    struct err *err) MUST_CHECK;
void tls_client_close(struct tls_client *c);
DEFINE_CLEANUP(struct tls_client *, tls_client_close);
/* host: the name or address that the certificate must be for. */
struct tls_session *tls_client_session(
    const struct tls_client *c, const char *host);

#endif
