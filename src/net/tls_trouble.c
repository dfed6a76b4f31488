/*
 * Why a TLS connection failed, in words that say what to do. Called by
 * tls_session.c with OpenSSL's errors still in the thread's queue. Pure but
 * for reading these.
 */
#include <openssl/sslerr.h>
#include <string.h>

#include "net/tls_internal.h"

/* -- of the certificate that a client was shown ------------------------- */

static int bad_name(const struct tls_session *s, struct err *err)
{
	const struct tls_facts *f = s->shown;
	const char *names = "another name";

	if (f != NULL)
		names = f->names[0] != '\0' ? f->names : f->subject;
	return err_set(err, ERR_INVALID, "bad_certificate",
	    "the certificate there is not for %s, it is for %.200s: use that "
	    "name, or have %s put into it",
	    s->host, names, s->host);
}

static int bad_authority(const struct tls_session *s, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_certificate",
	    "nobody that is trusted here vouches for the certificate of %s "
	    "(issued by %.120s): name the file of its authority in "
	    "RUNNERHUB_CA_FILE",
	    s->host, s->shown != NULL ? s->shown->issuer : "an unknown one");
}

/* 0: the certificate is not the trouble. */
static int judge_certificate(const struct tls_session *s, struct err *err)
{
	long why = s->t->SSL_get_verify_result(s->ssl);

	switch (why) {
	case X509_V_OK:
		return 0;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return bad_name(s, err);
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
		return bad_authority(s, err);
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return err_set(err, ERR_INVALID, "bad_certificate",
		    "the certificate of %s has expired: it must be renewed "
		    "there (or this machine's clock is wrong)",
		    s->host);
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return err_set(err, ERR_INVALID, "bad_certificate",
		    "the certificate of %s is not valid yet: is this machine's "
		    "clock right?",
		    s->host);
	default:
		return err_set(err, ERR_INVALID, "bad_certificate",
		    "the certificate of %s is not good: %s", s->host,
		    s->t->X509_verify_cert_error_string(why));
	}
}

/* -- of what the server said ---------------------------------------------- */

static int client_trouble(
    const struct tls_session *s, int reason, struct err *err)
{
	switch (reason) {
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
		return err_set(err, ERR_INVALID, "no_tls",
		    "who listens at %s does not speak TLS there: is it an "
		    "http:// address?",
		    s->host);
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return err_set(err, ERR_INVALID, "certificate_required",
		    "%s wants a certificate of its clients: name yours in "
		    "RUNNERHUB_CLIENT_CERT and RUNNERHUB_CLIENT_KEY",
		    s->host);
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
		return err_set(err, ERR_INVALID, "certificate_refused",
		    "%s does not accept our certificate "
		    "(RUNNERHUB_CLIENT_CERT): %s",
		    s->host, tls_reason(s->t));
	default:
		return err_set(err, ERR_UNAVAILABLE, "tls_failed",
		    "the TLS connection to %s failed: %s", s->host,
		    tls_reason(s->t));
	}
}

int tls_trouble(const struct tls_session *s, struct err *err)
{
	int reason = tls_reason_code(s->t);

	if (!s->is_client)
		return err_set(err, ERR_INVALID, "tls_failed", "%s",
		    reason != 0 ? tls_reason(s->t) : "the connection ended");
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		TRY(judge_certificate(s, err));
	return client_trouble(s, reason, err);
}
