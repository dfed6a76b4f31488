/*
 * OpenSSL, loaded when the first certificate is read or the first https://
 * address is called: a hub that speaks plain HTTP does without its memory.
 * The types are those of its headers; its functions are called by the table,
 * not by name. For the tls_*.c files only.
 */
#ifndef NET_TLS_LOAD_H
#define NET_TLS_LOAD_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/defs.h"
#include "base/err.h"

#define TLS_SSL_CALLS(X)                                                       \
	X(SSL_CTX_check_private_key)                                           \
	X(SSL_CTX_ctrl)                                                        \
	X(SSL_CTX_free)                                                        \
	X(SSL_CTX_get0_certificate)                                            \
	X(SSL_CTX_load_verify_file)                                            \
	X(SSL_CTX_new)                                                         \
	X(SSL_CTX_set_alpn_select_cb)                                          \
	X(SSL_CTX_set_cipher_list)                                             \
	X(SSL_CTX_set_client_CA_list)                                          \
	X(SSL_CTX_set_default_passwd_cb)                                       \
	X(SSL_CTX_set_default_verify_paths)                                    \
	X(SSL_CTX_set_num_tickets)                                             \
	X(SSL_CTX_set_options)                                                 \
	X(SSL_CTX_set_security_level)                                          \
	X(SSL_CTX_set_session_id_context)                                      \
	X(SSL_CTX_set_verify)                                                  \
	X(SSL_CTX_use_PrivateKey_file)                                         \
	X(SSL_CTX_use_certificate_chain_file)                                  \
	X(SSL_ctrl)                                                            \
	X(SSL_do_handshake)                                                    \
	X(SSL_free)                                                            \
	X(SSL_get0_param)                                                      \
	X(SSL_get0_peer_certificate)                                           \
	X(SSL_get_error)                                                       \
	X(SSL_get_ex_data)                                                     \
	X(SSL_get_ex_data_X509_STORE_CTX_idx)                                  \
	X(SSL_get_verify_result)                                               \
	X(SSL_load_client_CA_file)                                             \
	X(SSL_new)                                                             \
	X(SSL_read)                                                            \
	X(SSL_set1_host)                                                       \
	X(SSL_set_accept_state)                                                \
	X(SSL_set_alpn_protos)                                                 \
	X(SSL_set_bio)                                                         \
	X(SSL_set_connect_state)                                               \
	X(SSL_set_ex_data)                                                     \
	X(SSL_shutdown)                                                        \
	X(SSL_write)                                                           \
	X(TLS_client_method)                                                   \
	X(TLS_server_method)

#define TLS_CRYPTO_CALLS(X)                                                    \
	X(ASN1_STRING_get0_data)                                               \
	X(ASN1_STRING_length)                                                  \
	X(ASN1_TIME_to_tm)                                                     \
	X(BIO_clear_flags)                                                     \
	X(BIO_free)                                                            \
	X(BIO_get_data)                                                        \
	X(BIO_meth_new)                                                        \
	X(BIO_meth_set_create)                                                 \
	X(BIO_meth_set_ctrl)                                                   \
	X(BIO_meth_set_read)                                                   \
	X(BIO_meth_set_write)                                                  \
	X(BIO_new)                                                             \
	X(BIO_new_file)                                                        \
	X(BIO_read)                                                            \
	X(BIO_s_mem)                                                           \
	X(BIO_set_data)                                                        \
	X(BIO_set_flags)                                                       \
	X(BIO_set_init)                                                        \
	X(ERR_clear_error)                                                     \
	X(ERR_peek_error)                                                      \
	X(ERR_reason_error_string)                                             \
	X(GENERAL_NAMES_free)                                                  \
	X(OPENSSL_init_crypto)                                                 \
	X(OPENSSL_sk_num)                                                      \
	X(OPENSSL_sk_value)                                                    \
	X(PEM_read_bio_X509)                                                   \
	X(X509_NAME_print_ex)                                                  \
	X(X509_STORE_CTX_get0_cert)                                            \
	X(X509_STORE_CTX_get_ex_data)                                          \
	X(X509_VERIFY_PARAM_set1_ip_asc)                                       \
	X(X509_cmp)                                                            \
	X(X509_free)                                                           \
	X(X509_get0_notAfter)                                                  \
	X(X509_get0_notBefore)                                                 \
	X(X509_get_ext_d2i)                                                    \
	X(X509_get_issuer_name)                                                \
	X(X509_get_subject_name)                                               \
	X(X509_verify_cert_error_string)

#define TLS_MEMBER(name) __typeof__(name) *name;
struct tls_calls {
	TLS_SSL_CALLS(TLS_MEMBER)
	TLS_CRYPTO_CALLS(TLS_MEMBER)
};
#undef TLS_MEMBER

/* Any thread; the first call loads the library. Where it is missing, err
 * names the package, now and in every later call. */
int tls_load(const struct tls_calls **ret, struct err *err) MUST_CHECK;

/* Of this thread's last call: OpenSSL's words for what went wrong. */
const char *tls_reason(const struct tls_calls *t);
/* The reason's number (SSL_R_..., PEM_R_...), 0: none. */
int tls_reason_code(const struct tls_calls *t);

#endif
