/*
 * The one authorisation gate. Open mode (loopback, no key): everybody on
 * this machine may do everything, but a web page may not drive the hub: a
 * foreign Host or Origin is refused. Else the API key is needed. Handler
 * threads.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/api_internal.h"
#include "base/secret.h"

/* "localhost", "127.0.0.1", "[::1]", with or without a port. */
static bool is_loopback_authority(const char *text)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		n = strlen(names[i]);
		if (strncasecmp(text, names[i], n) == 0 &&
		    (text[n] == '\0' ||
			(text[n] == ':' &&
			    text[n + 1 + strspn(text + n + 1, "0123456789")] ==
				'\0')))
			return true;
	}
	return false;
}

static bool is_loopback_origin(const char *origin)
{
	if (strncmp(origin, "http://", 7) == 0)
		return is_loopback_authority(origin + 7);
	if (strncmp(origin, "https://", 8) == 0)
		return is_loopback_authority(origin + 8);
	return false;
}

static int check_open(struct call *c, struct err *err)
{
	const char *host = http_header(c->x, "Host");
	const char *origin = http_header(c->x, "Origin");

	if (host == NULL || !is_loopback_authority(host))
		return err_set(err, ERR_FORBIDDEN, "foreign_host",
		    "This hub is open to its own machine only: the Host "
		    "\"%.80s\" "
		    "is not localhost (set RUNNERHUB_API_KEY to serve others)",
		    host != NULL ? host : "");
	if (origin != NULL && !is_loopback_origin(origin))
		return err_set(err, ERR_FORBIDDEN, "foreign_origin",
		    "This hub is open to its own machine only: pages from "
		    "\"%.80s\" may not use it",
		    origin);
	return 0;
}

/* Takes the same time whatever the difference. */
static bool same_secret(const char *given, const struct secret *want)
{
	size_t len, n = strlen(given);
	const char *key = secret_expose(want, &len);
	unsigned char diff = n != len;

	for (size_t i = 0; i < n; i++)
		diff |= (unsigned char)(given[i] ^ key[len > 0 ? i % len : 0]);
	return diff == 0;
}

static const char *given_key(struct call *c)
{
	const char *auth = http_header(c->x, "Authorization");

	if (auth != NULL && strncasecmp(auth, "Bearer ", 7) == 0)
		return auth + 7 + strspn(auth + 7, " ");
	return http_header(c->x, "X-API-Key");
}

int gate_check(struct call *c, const struct route *r, struct err *err)
{
	const struct secret *key = hub_options(c->hub)->api_key;
	const char *given;

	if (c->api->open)
		return check_open(c, err);
	if (r->scope == SCOPE_PUBLIC)
		return 0;
	given = given_key(c);
	if (given == NULL)
		return err_set(err, ERR_AUTH, "missing_credentials",
		    "Missing credentials: send \"Authorization: Bearer "
		    "<RUNNERHUB_API_KEY>\"");
	if (key == NULL || !same_secret(given, key))
		return err_set(err, ERR_AUTH, "invalid_credentials",
		    "The API key is not valid");
	return 0;
}
