/*
 * What sessions of both sides have in common: versions, ciphers, how bytes
 * come and go; and certificate with key from their files. Any thread.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/tls_internal.h"

/* TLS 1.2: forward secret and authenticated, nothing else (RFC 9325 §4.2);
 * the suites of TLS 1.3 are all so. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* -- how bytes come and go ------------------------------------------------ */

static const struct tls_calls *pipe_calls;
static BIO_METHOD *pipe_method;

static int pipe_read(BIO *b, char *data, int size)
{
	struct tls_session *s = pipe_calls->BIO_get_data(b);
	size_t n = s->in_len < (size_t)size ? s->in_len : (size_t)size;

	pipe_calls->BIO_clear_flags(b, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
	if (n == 0) {
		pipe_calls->BIO_set_flags(
		    b, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
		return -1;
	}
	memcpy(data, s->in, n);
	s->in += n;
	s->in_len -= n;
	return (int)n;
}

static int pipe_write(BIO *b, const char *data, int len)
{
	struct tls_session *s = pipe_calls->BIO_get_data(b);

	pipe_calls->BIO_clear_flags(b, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
	return buf_append(&s->out, data, (size_t)len) == 0 ? len : -1;
}

static long pipe_ctrl(BIO *b, int what, long number, void *pointer)
{
	(void)b;
	(void)number;
	(void)pointer;
	return what == BIO_CTRL_FLUSH; /* there is nothing to wait for */
}

static int pipe_create(BIO *b)
{
	pipe_calls->BIO_set_init(b, 1);
	return 1;
}

static void make_method(void)
{
	const struct tls_calls *t = pipe_calls;

	pipe_method = t->BIO_meth_new(BIO_TYPE_SOURCE_SINK, "runnerhub");
	if (pipe_method == NULL)
		return;
	t->BIO_meth_set_create(pipe_method, pipe_create);
	t->BIO_meth_set_read(pipe_method, pipe_read);
	t->BIO_meth_set_write(pipe_method, pipe_write);
	t->BIO_meth_set_ctrl(pipe_method, pipe_ctrl);
}

static void make_method_once(void)
{
	struct err ignored = ERR_INIT;

	if (tls_load(&pipe_calls, &ignored) == 0)
		make_method();
}

BIO_METHOD *tls_pipe_method(const struct tls_calls *t)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)t; /* whoever has it has loaded it */
	pthread_once(&once, make_method_once);
	return pipe_method;
}

/* -- one side ----------------------------------------------------------- */

SSL_CTX *tls_context_new(const struct tls_calls *t, bool server)
{
	uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
			   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET |
			   SSL_OP_PRIORITIZE_CHACHA;
	SSL_CTX *ctx = t->SSL_CTX_new(
	    server ? t->TLS_server_method() : t->TLS_client_method());

	if (ctx == NULL)
		return NULL;
	/* What the machine's configuration of OpenSSL says may be stricter in
	 * its authorities, not laxer in these. */
	t->SSL_CTX_set_security_level(ctx, 2);
	t->SSL_CTX_ctrl(
	    ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
	t->SSL_CTX_ctrl(ctx, SSL_CTRL_SET_MAX_PROTO_VERSION, 0, NULL);
	t->SSL_CTX_set_options(ctx, options);
	t->SSL_CTX_set_num_tickets(ctx, 0);
	t->SSL_CTX_ctrl(
	    ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL);
	t->SSL_CTX_ctrl(ctx, SSL_CTRL_MODE,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
	    NULL);
	if (t->SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1) {
		t->SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/* -- its files ------------------------------------------------------------ */

static int bad_file(
    const char *what, const char *path, const char *why, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_certificate", "the %s %s: %s",
	    what, path, why);
}

int tls_file_check(const char *what, const char *path, struct err *err)
{
	if (access(path, R_OK) == 0)
		return 0;
	IGNORE(err_sys(err, errno, "cannot read the %s %s", what, path));
	return err_set(err, ERR_INVALID, "bad_certificate", "%s", err->msg);
}

/* Everybody on this machine could be the hub. */
static int check_private(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & S_IRWXO) != 0)
		return bad_file("key of the certificate", path,
		    "everybody on this machine may read or change it: "
		    "chmod o-rwx (and make a new one if others have been here)",
		    err);
	return 0;
}

/* Nobody is asked for a pass phrase; the remark tells that one was wanted. */
static _Thread_local bool wanted_phrase;

static int no_phrase(char *out, int size, int for_writing, void *arg)
{
	(void)out;
	(void)size;
	(void)for_writing;
	(void)arg;
	wanted_phrase = true;
	return -1;
}

static int use_key(
    const struct tls_calls *t, SSL_CTX *ctx, const char *path, struct err *err)
{
	TRY(tls_file_check("key of the certificate", path, err));
	TRY(check_private(path, err));
	wanted_phrase = false;
	t->SSL_CTX_set_default_passwd_cb(ctx, no_phrase);
	t->ERR_clear_error();
	if (t->SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) == 1)
		return 0;
	if (wanted_phrase)
		return bad_file("key of the certificate", path,
		    "it is sealed with a pass phrase, and nobody is there to "
		    "give it: write it without one (openssl pkey -in ... "
		    "-out ...)",
		    err);
	if (tls_reason_code(t) == X509_R_KEY_VALUES_MISMATCH)
		return bad_file(
		    "key", path, "it is not the one of the certificate", err);
	return bad_file("key of the certificate", path, tls_reason(t), err);
}

int tls_context_use(const struct tls_calls *t, SSL_CTX *ctx,
    const char *certificate, const char *key, struct err *err)
{
	TRY(tls_file_check("certificate", certificate, err));
	t->ERR_clear_error();
	if (t->SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		return bad_file("certificate", certificate, tls_reason(t), err);
	TRY(use_key(t, ctx, key, err));
	t->ERR_clear_error();
	if (t->SSL_CTX_check_private_key(ctx) != 1)
		return bad_file(
		    "key", key, "it is not the one of the certificate", err);
	return 0;
}
