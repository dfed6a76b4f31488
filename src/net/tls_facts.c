/* What a certificate says, as text and times. Pure functions over OpenSSL's
 * reading of it; what stands in it was written by others and is bounded and
 * escaped here. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "net/tls_internal.h"

static void read_name(
    const struct tls_calls *t, X509_NAME *name, char out[TLS_NAME_MAX])
{
	BIO *text = t->BIO_new(t->BIO_s_mem());
	int n = -1;

	if (text != NULL && name != NULL &&
	    t->X509_NAME_print_ex(text, name, 0,
		XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0)
		n = t->BIO_read(text, out, TLS_NAME_MAX - 1);
	out[n > 0 ? n : 0] = '\0';
	t->BIO_free(text);
}

static int64_t read_time(const struct tls_calls *t, const ASN1_TIME *at)
{
	struct tm tm;

	if (at == NULL || t->ASN1_TIME_to_tm(at, &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm) * CLOCK_NS_PER_S;
}

/* A DNS name or an address; others say nothing to us. */
static void name_text(
    const struct tls_calls *t, const GENERAL_NAME *n, char out[TLS_NAME_MAX])
{
	const ASN1_STRING *s = n->d.ia5;
	const unsigned char *data;
	int len;

	out[0] = '\0';
	if (n->type != GEN_DNS && n->type != GEN_IPADD)
		return;
	data = t->ASN1_STRING_get0_data(s);
	len = t->ASN1_STRING_length(s);
	if (n->type == GEN_DNS && len < TLS_NAME_MAX) {
		for (int i = 0; i < len; i++)
			out[i] = data[i] > ' ' && data[i] < 0x7f ? (char)data[i]
								 : '?';
		out[len] = '\0';
	} else if (n->type == GEN_IPADD && (len == 4 || len == 16)) {
		inet_ntop(
		    len == 4 ? AF_INET : AF_INET6, data, out, TLS_NAME_MAX);
	}
}

static void read_names(
    const struct tls_calls *t, X509 *certificate, char out[TLS_NAMES_MAX])
{
	GENERAL_NAMES *names =
	    t->X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const OPENSSL_STACK *list = (const OPENSSL_STACK *)names;
	int n = names != NULL ? t->OPENSSL_sk_num(list) : 0;
	size_t used = 0, len;
	char one[TLS_NAME_MAX];

	out[0] = '\0';
	for (int i = 0; i < n; i++) {
		name_text(t, t->OPENSSL_sk_value(list, i), one);
		len = strlen(one);
		if (len == 0 || used + len + 3 > TLS_NAMES_MAX)
			continue;
		used += (size_t)snprintf(out + used, TLS_NAMES_MAX - used,
		    "%s%s", used > 0 ? ", " : "", one);
	}
	t->GENERAL_NAMES_free(names);
}

void tls_facts_read(
    const struct tls_calls *t, X509 *certificate, struct tls_facts *ret)
{
	*ret = (struct tls_facts){.subject = ""};
	read_name(t, t->X509_get_subject_name(certificate), ret->subject);
	read_name(t, t->X509_get_issuer_name(certificate), ret->issuer);
	read_names(t, certificate, ret->names);
	ret->not_before = read_time(t, t->X509_get0_notBefore(certificate));
	ret->not_after = read_time(t, t->X509_get0_notAfter(certificate));
}

static const char *day_of(int64_t ns, char out[32])
{
	time_t s = (time_t)(ns / CLOCK_NS_PER_S);
	struct tm tm;

	if (gmtime_r(&s, &tm) == NULL)
		return "?";
	strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm);
	return out;
}

int tls_facts_check_time(
    const struct tls_facts *f, const char *path, struct err *err)
{
	int64_t now = clock_wall_ns();
	char day[32];

	if (now >= f->not_after)
		return err_set(err, ERR_INVALID, "bad_certificate",
		    "the certificate %s has expired on %s: get a new one, and "
		    "put it in its place",
		    path, day_of(f->not_after, day));
	if (now < f->not_before)
		return err_set(err, ERR_INVALID, "bad_certificate",
		    "the certificate %s begins only on %s: is this machine's "
		    "clock right?",
		    path, day_of(f->not_before, day));
	return 0;
}
