/*
 * The server's certificate and its changes: see tls.h. One thread looks at
 * the files now and then; the loop thread asks for sessions. What is in use is
 * swapped under the mutex; files are read outside of it.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "net/tls_internal.h"

enum { FILES = 3 };

/* How the files look from outside; any change of content changes it. */
struct mark {
	struct {
		int64_t mtime_ns, ctime_ns;
		uint64_t inode;
		int64_t size; /* -1: it is not there */
	} file[FILES];
};

struct tls_keeper {
	const struct tls_calls *t;
	char *path[FILES]; /* certificate, key, clients' authorities */
	enum tls_client_auth clients;
	struct mtx mtx;
	/* guarded by mtx */
	SSL_CTX *ctx;
	struct tls_facts facts;
	/* of whoever looks: one thread at a time */
	struct mark used, seen;
};

/* -- one set of files ------------------------------------------------------ */

static struct mark mark_of(const struct tls_keeper *k)
{
	struct mark m = {0};
	struct stat st;

	for (int i = 0; i < FILES; i++) {
		m.file[i].size = -1;
		if (k->path[i] == NULL || stat(k->path[i], &st) != 0)
			continue;
		m.file[i].mtime_ns =
		    st.st_mtim.tv_sec * CLOCK_NS_PER_S + st.st_mtim.tv_nsec;
		m.file[i].ctime_ns =
		    st.st_ctim.tv_sec * CLOCK_NS_PER_S + st.st_ctim.tv_nsec;
		m.file[i].inode = st.st_ino;
		m.file[i].size = st.st_size;
	}
	return m;
}

static bool same(const struct mark *a, const struct mark *b)
{
	return memcmp(a, b, sizeof(*a)) == 0; /* no padding in it */
}

/* The one protocol that we speak; who offers others only is not refused:
 * RFC 7301 lets a server go on without an answer. */
static int choose_protocol(SSL *ssl, const unsigned char **out,
    unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
	static const char ours[] = "http/1.1";
	unsigned n;

	(void)ssl;
	(void)arg;
	for (unsigned i = 0; i < in_len; i += n + 1) {
		n = in[i];
		if (n != sizeof(ours) - 1 || i + 1 + n > in_len ||
		    memcmp(in + i + 1, ours, n) != 0)
			continue;
		*out = in + i + 1;
		*out_len = (unsigned char)n;
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static int trust_clients(
    const struct tls_keeper *k, SSL_CTX *ctx, struct err *err)
{
	static const unsigned char id[] = "runnerhub";
	const struct tls_calls *t = k->t;
	const char *path = k->path[2];
	STACK_OF(X509_NAME) * names;
	int mode = SSL_VERIFY_PEER;

	if (k->clients == TLS_CLIENTS_ANY)
		return 0;
	TRY(tls_file_check("file of clients' authorities", path, err));
	t->ERR_clear_error();
	names = t->SSL_load_client_CA_file(path);
	if (names == NULL || t->SSL_CTX_load_verify_file(ctx, path) != 1)
		return err_set(err, ERR_INVALID, "bad_certificate",
		    "the authorities of clients %s: %s", path, tls_reason(t));
	t->SSL_CTX_set_client_CA_list(ctx, names); /* takes them */
	t->SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
	if (k->clients == TLS_CLIENTS_ALL)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	t->SSL_CTX_set_verify(ctx, mode, NULL);
	return 0;
}

static int fill(const struct tls_keeper *k, SSL_CTX *ctx, struct tls_facts *ret,
    struct err *err)
{
	TRY(tls_context_use(k->t, ctx, k->path[0], k->path[1], err));
	tls_facts_read(k->t, k->t->SSL_CTX_get0_certificate(ctx), ret);
	TRY(tls_facts_check_time(ret, k->path[0], err));
	TRY(trust_clients(k, ctx, err));
	k->t->SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	return 0;
}

/* Reads all, and only then uses it. */
static int take(struct tls_keeper *k, struct err *err)
{
	SSL_CTX *ctx = tls_context_new(k->t, true), *old;
	struct tls_facts facts;

	if (ctx == NULL)
		return err_set(err, ERR_INTERNAL, "tls_context",
		    "OpenSSL refuses our choice of ciphers: %s",
		    tls_reason(k->t));
	if (fill(k, ctx, &facts, err) < 0) {
		k->t->SSL_CTX_free(ctx);
		return -1;
	}
	mtx_lock(&k->mtx);
	old = k->ctx;
	k->ctx = ctx;
	k->facts = facts;
	mtx_unlock(&k->mtx);
	k->t->SSL_CTX_free(old); /* sessions hold it on */
	return 0;
}

/* -- its life ------------------------------------------------------------ */

int tls_keeper_open(
    struct tls_keeper **ret, const struct tls_files *files, struct err *err)
{
	CLEANUP(tls_keeper_close) struct tls_keeper *k = NULL;
	const struct tls_calls *t;

	TRY(tls_load(&t, err));
	k = mem_zalloc(sizeof(*k));
	k->t = t;
	k->path[0] = mem_strdup(files->certificate);
	k->path[1] = mem_strdup(files->key);
	k->path[2] = mem_strdup_or_null(files->client_ca);
	k->clients = files->clients;
	mtx_init(&k->mtx, "tls keeper");
	k->used = k->seen = mark_of(k);
	TRY(take(k, err));
	*ret = STEAL(k);
	return 0;
}

void tls_keeper_close(struct tls_keeper *k)
{
	if (k == NULL)
		return;
	k->t->SSL_CTX_free(k->ctx);
	for (int i = 0; i < FILES; i++)
		mem_free(k->path[i]);
	mtx_fini(&k->mtx);
	mem_free(k);
}

enum tls_look tls_keeper_look(struct tls_keeper *k, bool now, struct err *err)
{
	struct mark m = mark_of(k);
	bool settled = same(&m, &k->seen);

	k->seen = m;
	if (!now && (!settled || same(&m, &k->used)))
		return TLS_LOOK_SAME;
	k->used = m; /* a broken one is told of once */
	return take(k, err) == 0 ? TLS_LOOK_NEW : TLS_LOOK_BROKEN;
}

void tls_keeper_facts(struct tls_keeper *k, struct tls_facts *ret)
{
	mtx_lock(&k->mtx);
	*ret = k->facts;
	mtx_unlock(&k->mtx);
}

struct tls_session *tls_keeper_session(struct tls_keeper *k)
{
	struct tls_session *s;

	mtx_lock(&k->mtx);
	s = tls_session_new(k->t, k->ctx, false);
	mtx_unlock(&k->mtx);
	return s;
}
