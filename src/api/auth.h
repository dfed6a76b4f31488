/*
 * Logging in. A login (store/users.h) is renewed by a token that changes with
 * each use; what requests bear is a signed access token of a quarter of an
 * hour (a JWT: RFC 7519, its type that of RFC 9068), which names the login and
 * counts while that is there. Handler threads.
 */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/api_internal.h"

enum { ACCESS_SECONDS = 900 };

/* Could it be one of ours? Says nothing about the truth of it. */
bool access_token_is_like(const char *text);
/* -1: not ours, altered, or over. */
int access_token_read(
    const struct api *a, const char *token, struct uuid *ret_login);
int access_token_make(const struct api *a, const struct user *user,
    struct uuid login, struct buf *out, struct err *err) MUST_CHECK;

/*
 * Who tries passwords: a few at once, since each costs memory, and few wrong
 * ones for a name and from an address.
 */
struct login_throttle;
struct login_throttle *login_throttle_new(void);
void login_throttle_free(struct login_throttle *t);
/* ERR_LIMIT "too_many_logins": not now; *ret_wait_s says when. Else a place,
 * to be given back by login_throttle_leave. */
int login_throttle_enter(struct login_throttle *t, const char *name,
    const char *address, int *ret_wait_s, struct err *err) MUST_CHECK;
void login_throttle_leave(struct login_throttle *t, const char *name,
    const char *address, bool right);

#endif
