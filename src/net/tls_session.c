/*
 * One TLS conversation: see tls.h. OpenSSL reads from the bytes that were
 * given and writes into `out`; an idle session holds no buffer, neither here
 * nor in OpenSSL (SSL_MODE_RELEASE_BUFFERS). Used by the server's loop thread
 * and by whoever calls the HTTP client; each session by one at a time.
 */
#include <string.h>

#include "base/mem.h"
#include "net/tls_internal.h"

/* Handshakes are smaller, the server seals less at once. */
#define OUT_BYTES_MAX ((size_t)1024 * 1024)
/* SSL_write takes an int. */
#define PIECE_BYTES_MAX ((size_t)64 * 1024)

struct tls_session *tls_session_new(
    const struct tls_calls *t, SSL_CTX *ctx, bool is_client)
{
	struct tls_session *s = mem_zalloc(sizeof(*s));
	BIO_METHOD *method = tls_pipe_method(t);
	BIO *pipe = method != NULL ? t->BIO_new(method) : NULL;

	s->t = t;
	s->is_client = is_client;
	buf_init(&s->out, OUT_BYTES_MAX);
	s->ssl = t->SSL_new(ctx);
	if (s->ssl == NULL || pipe == NULL)
		WRONG("out of memory"); /* as mem_alloc */
	t->BIO_set_data(pipe, s);
	t->SSL_set_bio(s->ssl, pipe, pipe);
	if (is_client)
		t->SSL_set_connect_state(s->ssl);
	else
		t->SSL_set_accept_state(s->ssl);
	return s;
}

void tls_session_free(struct tls_session *s)
{
	if (s == NULL)
		return;
	s->t->SSL_free(s->ssl);
	buf_fini(&s->out);
	mem_free(s->shown);
	mem_free(s);
}

void tls_session_give(struct tls_session *s, const char *data, size_t len)
{
	s->in = data;
	s->in_len = len;
}

struct buf *tls_session_out(struct tls_session *s)
{
	return &s->out;
}

/* After a call of OpenSSL that returned r <= 0. */
static enum tls_progress judge(struct tls_session *s, int r, struct err *err)
{
	switch (s->t->SSL_get_error(s->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default:
		s->failed = true;
		IGNORE(tls_trouble(s, err));
		return TLS_FAILED;
	}
}

/* The one certificate that was promised, or another? */
static enum tls_progress check_exact(struct tls_session *s, struct err *err)
{
	X509 *shown;

	if (s->exactly == NULL)
		return TLS_DONE;
	shown = s->t->SSL_get0_peer_certificate(s->ssl);
	if (shown != NULL && s->t->X509_cmp(shown, s->exactly) == 0)
		return TLS_DONE;
	s->failed = true;
	IGNORE(err_set(err, ERR_INVALID, "bad_certificate",
	    "who listens there shows another certificate than this hub's own"));
	return TLS_FAILED;
}

/* An end in good order is none before there is a connection. */
static enum tls_progress left_early(struct tls_session *s, struct err *err)
{
	s->failed = true;
	IGNORE(err_set(err, ERR_UNAVAILABLE, "tls_failed",
	    "the other side ended the TLS connection before it began"));
	return TLS_FAILED;
}

enum tls_progress tls_session_handshake(struct tls_session *s, struct err *err)
{
	enum tls_progress p;
	int r;

	if (s->failed) {
		IGNORE(err_set(err, ERR_UNAVAILABLE, "tls_failed",
		    "the TLS connection has failed before"));
		return TLS_FAILED;
	}
	s->t->ERR_clear_error();
	r = s->t->SSL_do_handshake(s->ssl);
	if (r == 1)
		return check_exact(s, err);
	p = judge(s, r, err);
	return p == TLS_CLOSED ? left_early(s, err) : p;
}

enum tls_progress tls_session_read(struct tls_session *s, char *data,
    size_t size, size_t *ret_len, struct err *err)
{
	int n;

	if (s->failed)
		return tls_session_handshake(s, err); /* it says so */
	if (size > PIECE_BYTES_MAX)
		size = PIECE_BYTES_MAX;
	s->t->ERR_clear_error();
	n = s->t->SSL_read(s->ssl, data, (int)size);
	if (n <= 0)
		return judge(s, n, err);
	*ret_len = (size_t)n;
	return TLS_DONE;
}

int tls_session_write(
    struct tls_session *s, const void *data, size_t len, struct err *err)
{
	const char *p = data;
	size_t piece;
	int n;

	if (s->failed)
		return err_set(err, ERR_UNAVAILABLE, "tls_failed",
		    "the TLS connection has failed before");
	for (; len > 0; p += n, len -= (size_t)n) {
		piece = len < PIECE_BYTES_MAX ? len : PIECE_BYTES_MAX;
		s->t->ERR_clear_error();
		n = s->t->SSL_write(s->ssl, p, (int)piece);
		if (n > 0)
			continue;
		s->failed = true;
		return tls_trouble(s, err);
	}
	return 0;
}

void tls_session_end(struct tls_session *s)
{
	if (s->failed)
		return;
	s->t->ERR_clear_error();
	IGNORE(s->t->SSL_shutdown(s->ssl) < 0); /* the peer may be gone */
}

bool tls_session_is_certified(const struct tls_session *s)
{
	return s->t->SSL_get0_peer_certificate(s->ssl) != NULL &&
	       s->t->SSL_get_verify_result(s->ssl) == X509_V_OK;
}
