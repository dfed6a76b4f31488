/*
 * OpenSSL's libcrypto, loaded when the first token is verified or signed: an
 * idle hub does without its memory. The types are those of its headers; its
 * functions are called by the table, not by name. Internal.
 */
#ifndef WEB_CRYPTO_LOAD_H
#define WEB_CRYPTO_LOAD_H

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "base/defs.h"
#include "base/err.h"

#define CRYPTO_CALLS(X)                                                        \
	X(BIO_free)                                                            \
	X(BIO_new_mem_buf)                                                     \
	X(BN_bin2bn)                                                           \
	X(BN_free)                                                             \
	X(ECDSA_SIG_free)                                                      \
	X(ECDSA_SIG_new)                                                       \
	X(ECDSA_SIG_set0)                                                      \
	X(ERR_clear_error)                                                     \
	X(EVP_DigestSign)                                                      \
	X(EVP_DigestSignInit)                                                  \
	X(EVP_DigestVerify)                                                    \
	X(EVP_DigestVerifyInit)                                                \
	X(EVP_MD_CTX_free)                                                     \
	X(EVP_MD_CTX_new)                                                      \
	X(EVP_PKEY_CTX_free)                                                   \
	X(EVP_PKEY_CTX_new_from_name)                                          \
	X(EVP_PKEY_free)                                                       \
	X(EVP_PKEY_fromdata)                                                   \
	X(EVP_PKEY_fromdata_init)                                              \
	X(EVP_PKEY_get_bits)                                                   \
	X(EVP_PKEY_is_a)                                                       \
	X(EVP_sha256)                                                          \
	X(OSSL_PARAM_construct_end)                                            \
	X(OSSL_PARAM_construct_octet_string)                                   \
	X(OSSL_PARAM_construct_utf8_string)                                    \
	X(PEM_read_bio_PrivateKey)                                             \
	X(i2d_ECDSA_SIG)

#define CRYPTO_MEMBER(name) __typeof__(name) *name;
struct crypto_calls {
	CRYPTO_CALLS(CRYPTO_MEMBER)
};
#undef CRYPTO_MEMBER

/* Any thread; the first call loads the library. Where it is missing, err
 * names the package, now and in every later call. */
int crypto_load(const struct crypto_calls **ret, struct err *err) MUST_CHECK;

#endif
