/*
 * Whom a client trusts, and how it proves itself: see tls.h. Nothing changes
 * after tls_client_open; sessions are made on any thread.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/tls_internal.h"

struct tls_client {
	const struct tls_calls *t;
	SSL_CTX *ctx;
	X509 *exactly; /* NULL: by name and authority */
};

static int read_exactly(struct tls_client *c, const char *path, struct err *err)
{
	BIO *file;

	TRY(tls_file_check("hub's certificate", path, err));
	c->t->ERR_clear_error();
	file = c->t->BIO_new_file(path, "r");
	if (file != NULL)
		c->exactly = c->t->PEM_read_bio_X509(file, NULL, NULL, NULL);
	c->t->BIO_free(file);
	if (c->exactly != NULL)
		return 0;
	return err_set(err, ERR_INVALID, "bad_certificate",
	    "the hub's certificate %s: %s", path, tls_reason(c->t));
}

/* A bad certificate is gone when the handshake has failed: what it says is
 * kept, for people to read. */
static int on_verify(int good, X509_STORE_CTX *store)
{
	const struct tls_calls *t;
	struct err err = ERR_INIT;
	struct tls_session *s;

	if (good || tls_load(&t, &err) < 0)
		return good;
	s = t->SSL_get_ex_data(t->X509_STORE_CTX_get_ex_data(store,
				   t->SSL_get_ex_data_X509_STORE_CTX_idx()),
	    0);
	if (s->shown == NULL)
		s->shown = mem_zalloc(sizeof(*s->shown));
	tls_facts_read(t, t->X509_STORE_CTX_get0_cert(store), s->shown);
	return good;
}

/* The server's name is checked by each session. */
static int trust_authorities(
    struct tls_client *c, const char *file, struct err *err)
{
	int r;

	if (file != NULL)
		TRY(tls_file_check("file of authorities", file, err));
	c->t->ERR_clear_error();
	r = file != NULL ? c->t->SSL_CTX_load_verify_file(c->ctx, file)
			 : c->t->SSL_CTX_set_default_verify_paths(c->ctx);
	if (r != 1)
		return err_set(err, ERR_INVALID, "bad_certificate",
		    "the authorities in %s: %s",
		    file != NULL ? file : "the system's store",
		    tls_reason(c->t));
	c->t->SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, on_verify);
	return 0;
}

static int fill(
    struct tls_client *c, const struct tls_trust *u, struct err *err)
{
	if ((u->certificate == NULL) != (u->key == NULL))
		return err_set(err, ERR_INVALID, "bad_certificate",
		    "a client's certificate and its key belong together: set "
		    "RUNNERHUB_CLIENT_CERT and RUNNERHUB_CLIENT_KEY");
	if (u->certificate != NULL)
		TRY(tls_context_use(c->t, c->ctx, u->certificate, u->key, err));
	return u->exactly != NULL ? read_exactly(c, u->exactly, err)
				  : trust_authorities(c, u->ca_file, err);
}

bool tls_is_built_in(void)
{
	return true;
}

int tls_client_open(
    struct tls_client **ret, const struct tls_trust *trust, struct err *err)
{
	static const struct tls_trust nothing = {.ca_file = NULL};
	CLEANUP(tls_client_close) struct tls_client *c = NULL;
	const struct tls_calls *t;

	TRY(tls_load(&t, err));
	c = mem_zalloc(sizeof(*c));
	c->t = t;
	c->ctx = tls_context_new(t, false);
	if (c->ctx == NULL)
		return err_set(err, ERR_INTERNAL, "tls_context",
		    "OpenSSL refuses our choice of ciphers: %s", tls_reason(t));
	TRY(fill(c, trust != NULL ? trust : &nothing, err));
	*ret = STEAL(c);
	return 0;
}

void tls_client_close(struct tls_client *c)
{
	if (c == NULL)
		return;
	c->t->X509_free(c->exactly);
	c->t->SSL_CTX_free(c->ctx);
	mem_free(c);
}

/* A name goes along as SNI; an address must not (RFC 6066 §3). */
static void expect_host(const struct tls_session *s)
{
	const struct tls_calls *t = s->t;
	unsigned char address[sizeof(struct in6_addr)];
	int r;

	if (inet_pton(AF_INET, s->host, address) == 1 ||
	    inet_pton(AF_INET6, s->host, address) == 1) {
		r = t->X509_VERIFY_PARAM_set1_ip_asc(
		    t->SSL_get0_param(s->ssl), s->host);
	} else {
		r = t->SSL_set1_host(s->ssl, s->host);
		t->SSL_ctrl(s->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
		    TLSEXT_NAMETYPE_host_name, (void *)s->host);
	}
	if (r != 1)
		WRONG("a host name that OpenSSL does not take");
}

struct tls_session *tls_client_session(
    const struct tls_client *c, const char *host)
{
	static const unsigned char http[] = "\x08http/1.1";
	struct tls_session *s = tls_session_new(c->t, c->ctx, true);

	snprintf(s->host, sizeof(s->host), "%s", host);
	s->exactly = c->exactly;
	if (c->t->SSL_set_ex_data(s->ssl, 0, s) != 1)
		WRONG("out of memory"); /* as mem_alloc */
	c->t->SSL_set_alpn_protos(s->ssl, http, sizeof(http) - 1);
	expect_host(s);
	return s;
}
