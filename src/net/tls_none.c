/*
 * In the place of all other tls_*.c files where a program is linked
 * statically: it cannot load OpenSSL, so it says that it speaks no TLS. Such
 * programs stand beside the hub or in containers and have its unix socket.
 */
#include "net/tls.h"

bool tls_is_built_in(void)
{
	return false;
}

int tls_client_open(
    struct tls_client **ret, const struct tls_trust *trust, struct err *err)
{
	(void)ret;
	(void)trust;
	return err_set(err, ERR_INVALID, "no_tls",
	    "this program is linked statically, to run anywhere, and speaks no "
	    "TLS: give it the hub's socket (unix://) or an http:// address, or "
	    "install the one of the same name with -tls beside it");
}

void tls_client_close(struct tls_client *c)
{
	ASSERT(c == NULL);
}

/* None of these has anything that it could be called with. */

struct tls_session *tls_client_session(
    const struct tls_client *c, const char *host)
{
	(void)c;
	(void)host;
	WRONG("no TLS here");
}

void tls_session_free(struct tls_session *s)
{
	ASSERT(s == NULL);
}

void tls_session_give(struct tls_session *s, const char *data, size_t len)
{
	(void)s;
	(void)data;
	(void)len;
	WRONG("no TLS here");
}

struct buf *tls_session_out(struct tls_session *s)
{
	(void)s;
	WRONG("no TLS here");
}

enum tls_progress tls_session_handshake(struct tls_session *s, struct err *err)
{
	(void)s;
	(void)err;
	WRONG("no TLS here");
}

enum tls_progress tls_session_read(struct tls_session *s, char *data,
    size_t size, size_t *ret_len, struct err *err)
{
	(void)s;
	(void)data;
	(void)size;
	(void)ret_len;
	(void)err;
	WRONG("no TLS here");
}

int tls_session_write(
    struct tls_session *s, const void *data, size_t len, struct err *err)
{
	(void)s;
	(void)data;
	(void)len;
	(void)err;
	WRONG("no TLS here");
}

void tls_session_end(struct tls_session *s)
{
	(void)s;
	WRONG("no TLS here");
}
