/*
 * Sealing of secrets: see seal.h. seal() runs on the threads that delegate,
 * unseal() on those that start a job.
 */
#include "store/seal.h"

#include <sodium.h>
#include <string.h>

#include "base/mem.h"

#define VERSION_PLAIN  1 /* of before there was a keyring: no number, key 0 */
#define VERSION        2
#define NONCE_BYTES    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES      crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD_BYTES     5 /* version and number */
#define BOUND_MAX      (HEAD_BYTES + sizeof(struct uuid))
#define HASH_CONTEXT   "runnerhub content hashes, key 1"
#define RUNNER_CONTEXT "runnerhub tokens of runners, key 1"
#define AUDIT_CONTEXT  "runnerhub chain of the audit log, key 1"

_Static_assert(
    SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key size");
_Static_assert(
    SEAL_OVERHEAD_BYTES == HEAD_BYTES + NONCE_BYTES + TAG_BYTES, "overhead");

void seal_hash(uint8_t out[SEAL_KEY_BYTES], const char *context,
    const void *data, size_t len)
{
	ASSERT(crypto_generichash(out, SEAL_KEY_BYTES, data, len,
		   (const unsigned char *)context, strlen(context)) == 0);
}

int seal_begin(struct err *err)
{
	if (sodium_init() >= 0)
		return 0;
	return err_set(err, ERR_INTERNAL, "no_randomness",
	    "libsodium found no source of randomness");
}

void sealer_derive(struct sealer *s)
{
	const uint8_t *root = s->root.bytes;

	seal_hash(s->hash_key, HASH_CONTEXT, root, SEAL_KEY_BYTES);
	seal_hash(s->runner_key, RUNNER_CONTEXT, root, SEAL_KEY_BYTES);
	seal_hash(s->audit_key, AUDIT_CONTEXT, root, SEAL_KEY_BYTES);
}

void sealer_fini(struct sealer *s)
{
	secret_wipe(s, sizeof(*s));
}

void seal_sign_key(const struct sealer *s, int64_t wall_ns, const char *purpose,
    uint8_t ret[SEAL_KEY_BYTES])
{
	size_t i = s->n_sign - 1;

	ASSERT(s->n_sign > 0);
	while (i > 0 && s->sign[i].since > wall_ns)
		i--;
	seal_hash(ret, purpose, s->sign[i].bytes, SEAL_KEY_BYTES);
}

/* -- the box ----------------------------------------------------------- */

struct head {
	uint32_t id;
	size_t size_bytes;
	/* what the box is bound to beside its key */
	uint8_t bound[BOUND_MAX];
	size_t bound_len;
};

static void write_head(uint8_t *out, uint32_t id)
{
	out[0] = VERSION;
	for (int i = 0; i < 4; i++)
		out[1 + i] = (uint8_t)(id >> (24 - 8 * i));
}

/* -1: no sealed blob of ours. */
static int read_head(
    struct head *h, struct uuid owner, const void *sealed, size_t len)
{
	const uint8_t *p = sealed;
	size_t own;

	if (sealed == NULL || len < 1 ||
	    (p[0] != VERSION && p[0] != VERSION_PLAIN))
		return -1;
	h->size_bytes = p[0] == VERSION ? HEAD_BYTES : 1;
	if (len < h->size_bytes + NONCE_BYTES + TAG_BYTES)
		return -1;
	h->id = 0;
	for (size_t i = 1; i < h->size_bytes; i++)
		h->id = h->id << 8 | p[i];
	own = p[0] == VERSION ? HEAD_BYTES : 0;
	memcpy(h->bound, p, own);
	memcpy(h->bound + own, owner.b, sizeof(owner.b));
	h->bound_len = own + sizeof(owner.b);
	return 0;
}

static int open_box(const struct seal_key *key, const struct head *h,
    const void *sealed, size_t len, struct secret **ret)
{
	const uint8_t *nonce = (const uint8_t *)sealed + h->size_bytes;
	size_t box_len = len - h->size_bytes - NONCE_BYTES;
	size_t plain_len = box_len - TAG_BYTES;
	char *plain = mem_alloc(plain_len);
	int rc = crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)plain,
	    NULL, NULL, nonce + NONCE_BYTES, box_len, h->bound, h->bound_len,
	    nonce, key->bytes);

	if (rc == 0)
		*ret = secret_new(plain, plain_len);
	secret_wipe(plain, plain_len);
	mem_free(plain);
	return rc;
}

static int refuse_damaged(struct err *err)
{
	return err_set(err, ERR_INTERNAL, "sealed_damaged",
	    "the stored secrets are damaged or of an unknown version");
}

static int refuse_key(struct err *err)
{
	return err_set(err, ERR_INVALID, "wrong_key",
	    "the stored secrets do not open: they were sealed with another "
	    "key, or for something else");
}

void seal_with(const struct seal_key *key, struct uuid owner, const void *plain,
    size_t len, uint8_t *out)
{
	uint8_t bound[BOUND_MAX], *nonce = out + HEAD_BYTES;

	write_head(out, key->id);
	memcpy(bound, out, HEAD_BYTES);
	memcpy(bound + HEAD_BYTES, owner.b, sizeof(owner.b));
	random_bytes(nonce, NONCE_BYTES);
	ASSERT(crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_BYTES,
		   NULL, plain, len, bound, sizeof(bound), NULL, nonce,
		   key->bytes) == 0);
}

int unseal_with(const struct seal_key *key, struct uuid owner,
    const void *sealed, size_t len, struct secret **ret, struct err *err)
{
	struct head h;

	if (read_head(&h, owner, sealed, len) < 0)
		return refuse_damaged(err);
	if (h.id != key->id || open_box(key, &h, sealed, len, ret) < 0)
		return refuse_key(err);
	return 0;
}

/* -- with the keys of the store ---------------------------------------- */

void seal(const struct sealer *s, struct uuid owner, const void *plain,
    size_t len, uint8_t *out)
{
	ASSERT(s->n_data > 0);
	seal_with(&s->data[s->n_data - 1], owner, plain, len, out);
}

int unseal(const struct sealer *s, struct uuid owner, const void *sealed,
    size_t len, struct secret **ret, struct err *err)
{
	struct head h;

	if (read_head(&h, owner, sealed, len) < 0)
		return refuse_damaged(err);
	for (size_t i = 0; i < s->n_data; i++)
		if (s->data[i].id == h.id &&
		    open_box(&s->data[i], &h, sealed, len, ret) == 0)
			return 0;
	return refuse_key(err);
}

bool seal_is_newest(const struct sealer *s, const void *sealed, size_t len)
{
	static const struct uuid nobody;
	struct head h;

	return read_head(&h, nobody, sealed, len) == 0 &&
	       h.id == s->data[s->n_data - 1].id;
}
