/*
 * GitHub Apps in place of a token: an app that is installed where a
 * repository lies gets tokens for it, good for an hour, for that repository
 * alone and for reading its contents ("Contents": read). They are made when
 * they are first needed and kept until shortly before they end. Everything in
 * repository.h works with such a handle, the archive included; the calls about
 * runners (github.h) want a token of their own.
 * Source: GitHub's "Authenticating as a GitHub App" and "... installation".
 *
 * Codes beside those of repository.h: github_app_key (INVALID: the key is
 * none). A key or an app that GitHub refuses: GIT_AUTHENTICATION_FAILED.
 */
#ifndef GITHUB_APP_H
#define GITHUB_APP_H

#include <stddef.h>

#include "github/github.h"

enum { GITHUB_APPS_MAX = 16 };

struct github_app {
	const char *id;  /* its number or client id: "12345", "Iv23abc" */
	const char *key; /* the private key, PEM (RSA; PKCS #1 or #8) */
	/* Of the account that it is installed in; 0: found by the repository.
	 * Where there is one it is believed: no further app is tried. */
	int64_t installation;
	/* Whose repositories it is for, ends with NULL; NULL: anybody's. */
	const char *const *owners;
};
/*
 * As github_open_at. The first of n apps that is for the owner and installed
 * there is taken; where none is: the token (NULL: none, public repositories
 * only). All copied. Keys are read here, which loads OpenSSL; does not
 * connect.
 */
int github_open_apps(struct github **ret, const char *url, const char *api,
    const struct github_app *apps, size_t n, const char *token,
    struct err *err) MUST_CHECK;

#endif
