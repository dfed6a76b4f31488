/*
 * `runnerhub login` and `logout`: a password becomes an API token of this
 * machine, which is kept for this hub (saved_token.h) and used by all commands
 * that were given no other. Main thread.
 */
#include "cmd/login.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "cmd/client.h"
#include "cmd/hidden.h"
#include "cmd/saved_token.h"
#include "cmd/ui.h"

enum { DAYS = 30, DAYS_MAX = 3650, HOST_MAX = 64 };

/* -- login ------------------------------------------------------------- */

static int open_with(struct client **ret, const struct options *o,
    const char *token, struct err *err)
{
	const struct tls_trust trust = command_trust(o);

	return client_open(ret, o->url, token, &trust, err);
}

/* The reply of POST /api/auth/login. */
static int enter(const struct invocation *v, json_t **ret, struct err *err)
{
	CLEANUP(hidden_wipe) struct hidden password = {.len = 0};
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *body = NULL;
	json_t *given;
	int rc;

	TRY(open_with(&c, v->o, NULL, err));
	TRY(hidden_take("the password", "Password", args_get(&v->args, "file"),
	    &password, err));
	given = json_stringn(password.bytes, password.len);
	if (given == NULL)
		return err_set(
		    err, ERR_INVALID, NULL, "the password is no UTF-8 text");
	body = json_pack("{s:s, s:o}", "username", args_operand(&v->args, 0),
	    "password", given);
	rc = client_call(c, &v->ctx, "POST", "/api/auth/login", body, ret, err);
	secret_wipe(
	    (char *)json_string_value(given), json_string_length(given));
	return rc;
}

/* Makes the token, and ends the login that it was made with. */
static int exchange(const struct invocation *v, const char *access,
    int64_t days, json_t **ret, struct err *err)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *body = NULL;
	CLEANUP(json_decref) json_t *left = NULL;
	struct err ignored = ERR_INIT;
	char host[HOST_MAX] = "", name[HOST_MAX + 32], until[CLOCK_ISO_LEN];

	IGNORE(gethostname(host, sizeof(host) - 1) < 0);
	snprintf(name, sizeof(name), "command line on %s", host);
	clock_iso(clock_wall_ns() + days * 86400 * CLOCK_NS_PER_S, until);
	body = json_pack(
	    "{s:s, s:s, s:b}", "name", name, "expiresAt", until, "personal", 1);
	TRY(open_with(&c, v->o, access, err));
	TRY(client_call(c, &v->ctx, "POST", "/api/tokens", body, ret, err));
	IGNORE(client_call(c, &v->ctx, "POST", "/api/auth/logout", NULL, &left,
		   &ignored) < 0); /* it ends by itself */
	return 0;
}

static int log_in(const struct invocation *v, int64_t days, struct err *err)
{
	CLEANUP(json_decref) json_t *in = NULL;
	CLEANUP(json_decref) json_t *made = NULL;
	CLEANUP(mem_free) char *path = saved_token_path();
	const json_t *data, *user;

	TRY(enter(v, &in, err));
	data = json_object_get(in, "data");
	user = json_object_get(data, "user");
	TRY(exchange(v, reply_str(data, "accessToken", ""), days, &made, err));
	data = json_object_get(made, "data");
	TRY(saved_token_put(v->o->url, reply_str(data, "token", ""), err));
	printf("Logged in at %s as %s (%s), until %.10s; the token is in %s\n",
	    v->o->url, reply_str(user, "name", "?"),
	    reply_str(user, "role", "?"), reply_str(data, "expiresAt", "?"),
	    path);
	return 0;
}

static int login_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	struct err err = ERR_INIT;
	int64_t days = DAYS;
	const char *text;
	int rc;

	if (!invocation_begin(&v, &command_login, argc, argv, &rc))
		return rc;
	text = args_get(&v.args, "days");
	if (text != NULL && parse_int(text, 1, DAYS_MAX, &days) < 0) {
		IGNORE(err_set(&err, ERR_INVALID, NULL,
		    "--days: expected a number from 1 to %d, got \"%s\"",
		    DAYS_MAX, text));
		return command_fail(&err);
	}
	return log_in(&v, days, &err) < 0 ? command_fail(&err) : EXIT_OK;
}

static const struct command_option login_options[] = {
    {"days", 0, "N", "how long it holds, 30 if not given", NULL},
    {"file", 'F', "FILE", "holds the password, - for standard input", NULL},
    {0}};

const struct command command_login = {
    .name = "login",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "log in at a hub, for all commands from now on",
    .details = "Asks for the password and exchanges it for a token that is "
	       "as good as this login, which is kept in "
	       "~/.config/runnerhub/tokens, for "
	       "this hub alone. A token by option, environment or file goes "
	       "before it.",
    .options = login_options,
    .run = login_run,
};

/* -- logout ------------------------------------------------------------ */

static int log_out(const struct invocation *v, struct err *err)
{
	CLEANUP(secret_free) struct secret *token = saved_token_find(v->o->url);
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;

	if (token == NULL) {
		printf("Nobody is logged in at %s\n", v->o->url);
		return 0;
	}
	TRY(open_with(&c, v->o, secret_expose(token, NULL), err));
	if (client_call(c, &v->ctx, "POST", "/api/auth/logout", NULL, &reply,
		err) < 0) {
		if (err->kind != ERR_AUTH)
			return -1; /* it would stay good without our file */
		err_clear(err);    /* it was void before */
	}
	TRY(saved_token_put(v->o->url, NULL, err));
	printf("Logged out at %s\n", v->o->url);
	return 0;
}

static int logout_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_logout, argc, argv, &rc))
		return rc;
	return log_out(&v, &err) < 0 ? command_fail(&err) : EXIT_OK;
}

const struct command command_logout = {
    .name = "logout",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "delete the token that login made, here and at the hub",
    .run = logout_run,
};
