/*
 * The hub's certificate: read at start, renewed when its files change, told
 * of to who asks. And whether a runner's token needs a certificate beside it.
 * tls_open and api_renew_tls: the main thread; the rest: handler threads.
 */
#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/checks.h"

static enum tls_client_auth clients_of(const struct options *o)
{
	if (strcmp(o->tls_client_auth, "all") == 0)
		return TLS_CLIENTS_ALL;
	if (strcmp(o->tls_client_auth, "runners") == 0)
		return TLS_CLIENTS_ASK;
	return TLS_CLIENTS_ANY;
}

static void tell(struct api *a, const char *what)
{
	struct tls_facts f;
	char until[CLOCK_ISO_LEN];

	tls_keeper_facts(a->tls, &f);
	log_info(&a->ctx, what, LOG_STR("subject", f.subject),
	    LOG_STR("names", f.names),
	    LOG_STR("until", clock_iso(f.not_after, until)));
}

struct tls_files api_tls_files(const struct options *o)
{
	return (struct tls_files){.certificate = o->tls_certificate,
	    .key = o->tls_key,
	    .client_ca = o->tls_client_ca,
	    .clients = clients_of(o)};
}

const char *api_plain_listen(const struct options *o)
{
	char host[CHECK_ADDRESS_MAX];
	int port;

	if (o->tls_certificate != NULL || o->trusted_proxies != NULL)
		return NULL;
	if (!check_is_loopback(o->listen))
		return o->listen;
	if (o->components_listen != NULL &&
	    check_split_address(o->components_listen, host, &port) &&
	    !check_is_loopback(host))
		return o->components_listen;
	return NULL;
}

int tls_open(struct api *a, struct err *err)
{
	const struct options *o = hub_options(a->hub);
	const struct tls_files files = api_tls_files(o);

	if (o->tls_certificate == NULL)
		return 0;
	TRY(tls_keeper_open(&a->tls, &files, err));
	tell(a, "serving TLS");
	return 0;
}

bool api_has_tls(const struct api *a)
{
	return a->tls != NULL;
}

static void keep_trouble(struct api *a, const char *text)
{
	mtx_lock(&a->tls_mtx);
	snprintf(a->tls_trouble, sizeof(a->tls_trouble), "%s", text);
	mtx_unlock(&a->tls_mtx);
}

void api_renew_tls(struct api *a, bool now)
{
	struct err err = ERR_INIT;

	if (a->tls == NULL)
		return;
	switch (tls_keeper_look(a->tls, now, &err)) {
	case TLS_LOOK_SAME:
		break;
	case TLS_LOOK_NEW:
		keep_trouble(a, "");
		tell(a, "new connections get the new certificate");
		break;
	case TLS_LOOK_BROKEN:
		keep_trouble(a, err.msg);
		log_error(&a->ctx,
		    "the new certificate is no good, the old one stays in use",
		    LOG_STR("error", err.msg));
		break;
	}
}

int tls_check_runner(struct call *c, struct err *err)
{
	if (strcmp(hub_options(c->hub)->tls_client_auth, "off") == 0 ||
	    http_is_unix(c->x) || http_is_certified(c->x))
		return 0;
	return err_set(err, ERR_AUTH, "certificate_required",
	    "Runners and sessions need a client's certificate beside their "
	    "token here: RUNNERHUB_CLIENT_CERT and RUNNERHUB_CLIENT_KEY");
}

static void write_names(struct json *j, char *names)
{
	char *save = NULL;

	json_karr(j, "names");
	for (const char *one = strtok_r(names, ", ", &save); one != NULL;
	     one = strtok_r(NULL, ", ", &save))
		json_str(j, one);
	json_end(j);
}

void tls_write(struct api *a, struct json *j)
{
	char trouble[sizeof(a->tls_trouble)];
	struct tls_facts f;

	if (a->tls == NULL) {
		json_kstr(j, "tls", NULL);
		return;
	}
	tls_keeper_facts(a->tls, &f);
	mtx_lock(&a->tls_mtx);
	snprintf(trouble, sizeof(trouble), "%s", a->tls_trouble);
	mtx_unlock(&a->tls_mtx);
	json_kobj(j, "tls");
	json_kstr(j, "subject", f.subject);
	json_kstr(j, "issuer", f.issuer);
	write_names(j, f.names);
	json_ktime(j, "notBefore", f.not_before);
	json_ktime(j, "notAfter", f.not_after);
	json_kstr(j, "clientAuth", hub_options(a->hub)->tls_client_auth);
	json_kstr(j, "error", *trouble != '\0' ? trouble : NULL);
	json_end(j);
}

int64_t tls_expires_s(const struct api *a)
{
	struct tls_facts f;

	if (a->tls == NULL)
		return 0;
	tls_keeper_facts(a->tls, &f);
	return f.not_after / CLOCK_NS_PER_S;
}
