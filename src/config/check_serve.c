/*
 * What a hub must not start with: an open door to other hosts, and in
 * production keys that somebody could guess. Called once by `serve`.
 */
#include <string.h>

#include "base/secret.h"
#include "config/checks.h"
#include "config/config.h"

#define PRODUCTION_KEY_MIN 32

/* Words that people leave in place of a key. */
static const char *const guessable[] = {"changeme", "change-me", "change_me",
    "secret", "password", "default", "example", "your-", "your_", "insecure",
    "runnerhub", "replace", "12345678", "test"};

/* One such word, or few different characters, make most of it. */
static bool is_guessable(const char *text, size_t len)
{
	bool seen[256] = {false};
	size_t different = 0, words = 0;

	for (size_t i = 0; i < len; i++) {
		different += !seen[(unsigned char)text[i]];
		seen[(unsigned char)text[i]] = true;
	}
	if (different < 8)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(guessable); i++) {
		size_t n = strlen(guessable[i]);

		for (const char *p = text; (p = strcasestr(p, guessable[i]));
		     p += n)
			words += n;
	}
	return words * 3 >= len;
}

static int check_key(
    const struct secret *key, const char *name, struct err *err)
{
	const char *text;
	size_t len;

	if (key == NULL)
		return 0;
	text = secret_expose(key, &len);
	if (len < PRODUCTION_KEY_MIN)
		return err_set(err, ERR_INVALID, "weak_key",
		    "%s has %zu characters; RUNNERHUB_ENV=production takes %d "
		    "and more: set one from `openssl rand -hex 32`",
		    name, len, PRODUCTION_KEY_MIN);
	if (is_guessable(text, len))
		return err_set(err, ERR_INVALID, "weak_key",
		    "%s looks like a placeholder; RUNNERHUB_ENV=production "
		    "refuses it: set one from `openssl rand -hex 32`",
		    name);
	return 0;
}

/* Who may use the component API must be said before others reach it. */
static int check_components(const struct options *o, struct err *err)
{
	bool open = o->api_key == NULL && o->portal_url == NULL &&
		    o->portal_tokens == NULL;
	char host[CHECK_ADDRESS_MAX];
	int port;

	if (!open)
		return 0;
	if (o->cors_origin != NULL && strcmp(o->cors_origin, "*") == 0)
		return err_set(err, ERR_INVALID, "open_cors",
		    "CORS_ORIGIN=* without an API key or a portal would let "
		    "every web page start components here: name the origins, "
		    "or set RUNNERHUB_PORTAL_URL or RUNNERHUB_API_KEY");
	if (o->components_listen == NULL ||
	    !check_split_address(o->components_listen, host, &port) ||
	    check_is_loopback(host))
		return 0;
	return err_set(err, ERR_INVALID, "open_listen",
	    "components.listen is %s: without an API key or a portal every "
	    "host could start components here; set RUNNERHUB_PORTAL_URL or "
	    "RUNNERHUB_API_KEY, or listen on 127.0.0.1",
	    o->components_listen);
}

int config_check_open(const struct options *o, struct err *err)
{
	if (!check_is_loopback(o->listen))
		return err_set(err, ERR_INVALID, "open_listen",
		    "listening on %s without an API key or a user would let "
		    "every host run jobs here: set RUNNERHUB_API_KEY, make a "
		    "user with `runnerhub user bootstrap`, or set "
		    "RUNNERHUB_LISTEN=127.0.0.1",
		    o->listen);
	return check_components(o, err);
}

static int check_tls(const struct options *o, struct err *err)
{
	bool asks = strcmp(o->tls_client_auth, "off") != 0;

	if ((o->tls_certificate == NULL) != (o->tls_key == NULL))
		return err_set(err, ERR_INVALID, "bad_option",
		    "the hub's certificate and its key belong together: set "
		    "both RUNNERHUB_TLS_CERT and RUNNERHUB_TLS_KEY");
	if (!asks && o->tls_client_ca == NULL)
		return 0;
	if (o->tls_certificate == NULL)
		return err_set(err, ERR_INVALID, "bad_option",
		    "clients can show a certificate over TLS only: set "
		    "RUNNERHUB_TLS_CERT and RUNNERHUB_TLS_KEY");
	if (asks != (o->tls_client_ca != NULL))
		return err_set(err, ERR_INVALID, "bad_option",
		    "RUNNERHUB_TLS_CLIENT_AUTH says who must show a "
		    "certificate, RUNNERHUB_TLS_CLIENT_CA who vouches for it: "
		    "set both");
	return 0;
}

static int check_vault_access(const struct options *o, struct err *err)
{
	if ((o->vault_role_id != NULL) != (o->vault_secret_id != NULL))
		return err_set(err, ERR_INVALID, "bad_option",
		    "an AppRole has two halves: set both VAULT_ROLE_ID and "
		    "VAULT_SECRET_ID");
	if (o->vault_addr != NULL && o->vault_token == NULL &&
	    o->vault_role_id == NULL)
		return err_set(err, ERR_INVALID, "bad_option",
		    "VAULT_ADDR alone opens nothing: set VAULT_TOKEN, or "
		    "VAULT_ROLE_ID and VAULT_SECRET_ID");
	return 0;
}

int config_check_serve(const struct options *o, struct err *err)
{
	TRY(check_vault_access(o, err));
	TRY(check_tls(o, err));
	if (strcmp(o->env, "production") != 0)
		return 0;
	TRY(check_key(o->api_key, "RUNNERHUB_API_KEY", err));
	TRY(check_key(o->encryption_key, "ENCRYPTION_KEY", err));
	return check_key(o->jwt_secret, "JWT_SECRET", err);
}
