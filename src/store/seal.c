/*
 * Sealing of secrets: see seal.h. seal() runs on the threads that delegate,
 * unseal() on those that start a job; the key does not change after
 * store_open.
 */
#include "store/seal.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

#define SEAL_VERSION    1
#define NONCE_BYTES     crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES       crypto_aead_xchacha20poly1305_ietf_ABYTES
#define KEY_TEXT_MIN    16
#define HASH_CONTEXT    "runnerhub content hashes, key 1"
#define RUNNER_CONTEXT  "runnerhub tokens of runners, key 1"
#define SESSION_CONTEXT "runnerhub tokens of sessions, key 1"
#define AUDIT_CONTEXT   "runnerhub chain of the audit log, key 1"
#define KEY_CONTEXT     "runnerhub secrets at rest, key 1"

_Static_assert(
    SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key size");
_Static_assert(SEAL_OVERHEAD_BYTES == 1 + NONCE_BYTES + TAG_BYTES, "overhead");

/* BLAKE2b of data under a context, so that no two uses share a key. */
static void hash(uint8_t out[SEAL_KEY_BYTES], const char *context,
    const void *data, size_t len)
{
	ASSERT(crypto_generichash(out, SEAL_KEY_BYTES, data, len,
		   (const unsigned char *)context, strlen(context)) == 0);
}

static int derive(struct sealer *s, const char *text, struct err *err)
{
	size_t len = strlen(text);

	if (len < KEY_TEXT_MIN)
		return err_set(err, ERR_INVALID, "key_too_short",
		    "ENCRYPTION_KEY has %zu bytes, at least %d are needed", len,
		    KEY_TEXT_MIN);
	hash(s->key, KEY_CONTEXT, text, len);
	return 0;
}

static int read_key_file(struct sealer *s, const char *path, struct err *err)
{
	struct buf b;
	struct stat st;
	int rc = 0;

	if (stat(path, &st) < 0)
		return err_sys(err, errno, "look at the key file %s", path);
	if ((st.st_mode & 077) != 0)
		return err_set(err, ERR_FORBIDDEN, "key_file_open",
		    "the key file %s is open to others (mode %03o): chmod 600 "
		    "%s",
		    path, (unsigned)(st.st_mode & 0777), path);
	buf_init(&b, SEAL_KEY_BYTES);
	rc = fs_read_file(path, &b, err);
	if (rc == 0 && b.len != SEAL_KEY_BYTES)
		rc = err_set(err, ERR_INVALID, "key_file_damaged",
		    "the key file %s has %zu bytes instead of %d: restore it "
		    "from a backup",
		    path, b.len, SEAL_KEY_BYTES);
	if (rc == 0)
		memcpy(s->key, b.data, SEAL_KEY_BYTES);
	if (b.data != NULL)
		secret_wipe(b.data, b.len);
	buf_fini(&b);
	return rc;
}

static int make_key_file(struct sealer *s, const char *path, struct err *err)
{
	random_bytes(s->key, sizeof(s->key));
	return fs_replace_file(path, s->key, sizeof(s->key), 0600, err);
}

static int find_key(struct sealer *s, const char *encryption_key,
    const char *key_path, struct err *err)
{
	if (encryption_key != NULL)
		return derive(s, encryption_key, err);
	if (access(key_path, F_OK) < 0 && errno == ENOENT)
		return make_key_file(s, key_path, err);
	return read_key_file(s, key_path, err);
}

int sealer_init(struct sealer *s, const char *encryption_key,
    const char *key_path, struct err *err)
{
	if (sodium_init() < 0)
		return err_set(err, ERR_INTERNAL, "no_randomness",
		    "libsodium found no source of randomness");
	TRY(find_key(s, encryption_key, key_path, err));
	hash(s->hash_key, HASH_CONTEXT, s->key, sizeof(s->key));
	hash(s->runner_key, RUNNER_CONTEXT, s->key, sizeof(s->key));
	hash(s->session_key, SESSION_CONTEXT, s->key, sizeof(s->key));
	hash(s->audit_key, AUDIT_CONTEXT, s->key, sizeof(s->key));
	return 0;
}

void sealer_fini(struct sealer *s)
{
	secret_wipe(s, sizeof(*s));
}

void seal(const struct sealer *s, struct uuid owner, const void *plain,
    size_t len, uint8_t *out)
{
	uint8_t *nonce = out + 1;

	out[0] = SEAL_VERSION;
	random_bytes(nonce, NONCE_BYTES);
	ASSERT(crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_BYTES,
		   NULL, plain, len, owner.b, sizeof(owner.b), NULL, nonce,
		   s->key) == 0);
}

int unseal(const struct sealer *s, struct uuid owner, const void *sealed,
    size_t len, struct secret **ret, struct err *err)
{
	const uint8_t *p = sealed;
	char *plain;
	size_t plain_len;
	int rc;

	if (len < SEAL_OVERHEAD_BYTES || p[0] != SEAL_VERSION)
		return err_set(err, ERR_INTERNAL, "sealed_damaged",
		    "the stored secrets are damaged or of an unknown version");
	plain_len = len - SEAL_OVERHEAD_BYTES;
	plain = mem_alloc(plain_len);
	rc = crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)plain, NULL,
	    NULL, p + 1 + NONCE_BYTES, len - 1 - NONCE_BYTES, owner.b,
	    sizeof(owner.b), p + 1, s->key);
	if (rc == 0)
		*ret = secret_new(plain, plain_len);
	secret_wipe(plain, plain_len);
	mem_free(plain);
	if (rc != 0)
		return err_set(err, ERR_INVALID, "wrong_key",
		    "the stored secrets do not open: they were sealed with "
		    "another ENCRYPTION_KEY (or key file)");
	return 0;
}

struct secret *seal_secret_for(const struct sealer *s, const char *purpose)
{
	uint8_t bytes[SEAL_KEY_BYTES];
	struct secret *made;

	hash(bytes, purpose, s->key, sizeof(s->key));
	made = secret_new((const char *)bytes, sizeof(bytes));
	secret_wipe(bytes, sizeof(bytes));
	return made;
}
