/*
 * `secret rotate`: changes the key that everything in the store is sealed
 * with. Beside a stopped hub, on its store; see store/rotate.h. Main thread.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"
#include "cmd/hidden.h"
#include "cmd/secret.h"
#include "jobs/store_place.h"
#include "store/rotate.h"

/* The key used until now, when neither the configuration nor the key file
 * tells it and somebody is there to be asked. */
static int take_old_key(
    struct store_place *place, struct hidden *old, struct err *err)
{
	struct store_config *c = &place->config;

	if (c->encryption_key == NULL || c->encryption_key_old != NULL ||
	    access(c->key_path, F_OK) == 0 || !isatty(STDIN_FILENO))
		return 0;
	TRY(hidden_take("the old key", "The ENCRYPTION_KEY used until now",
	    NULL, old, err));
	old->bytes[old->len] = '\0';
	c->encryption_key_old = old->bytes;
	return 0;
}

/* Whoever begins anew by mistake loses what is sealed. */
static int give_up(const struct store_config *c, struct err *err)
{
	TRY(store_give_up(c, err));
	printf("Begun anew: secrets of waiting jobs and named ones are gone, "
	       "tokens of runners are void.\n");
	return 0;
}

static void tell(const struct store_config *c, const struct store_rotated *r)
{
	printf("%s, %lld rows sealed anew.\n",
	    r->finished ? "The rotation that was interrupted is finished"
			: "The key is changed",
	    (long long)r->n_rows);
	if (c->encryption_key != NULL)
		printf("Start the hub with the new ENCRYPTION_KEY; the old one "
		       "is needed for old backups alone.\n");
	else
		printf("The new key is %s: put it into the next backup with "
		       "the database.\n",
		    c->key_path);
}

static int rotate(const struct store_config *c, struct err *err)
{
	struct store_rotated done;

	TRY(store_rotate(c, &done, err));
	tell(c, &done);
	return 0;
}

static int rotate_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(hidden_wipe) struct hidden old = {.len = 0};
	struct store_place place;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_secret_rotate, argc, argv, &rc))
		return rc;
	store_place_find(&place, v.o, v.o->state_dir);
	if (access(place.path, F_OK) < 0) {
		rc = err_set(&err, ERR_NOT_FOUND, NULL,
		    "there is no store at %s: name the hub's state directory "
		    "with --state-dir",
		    place.path);
		return command_fail(&err);
	}
	if (args_has(&v.args, "give-up"))
		rc = give_up(&place.config, &err);
	else if (take_old_key(&place, &old, &err) < 0)
		rc = -1;
	else
		rc = rotate(&place.config, &err);
	if (rc == 0)
		return EXIT_OK;
	if (strcmp(err.code, "store_in_use") == 0)
		rc = err_wrap(&err, "stop the hub first, jobs go on meanwhile");
	return command_fail(&err);
}

static const struct command_option rotate_options[] = {
    {"give-up", 0, NULL,
	"the old key is lost: go on without the secrets that it sealed", NULL},
    {0},
};

const struct command command_secret_rotate = {
    .name = "secret rotate",
    .operands = "",
    .flags = COMMAND_CONFIG,
    .summary = "change the key that the store is sealed with",
    .details =
	"Stop the hub (its jobs go on), set the new ENCRYPTION_KEY and, as "
	"ENCRYPTION_KEY_OLD, the one used until now, run this with the hub's "
	"configuration, and start the hub. Without ENCRYPTION_KEY the key "
	"file in the state directory is replaced by a new one. Nothing is "
	"lost: secrets are sealed anew, tokens of runners, sessions and "
	"programs stay good, and pages that are logged in renew their access "
	"token. After a crash in the middle run it again, or start the hub "
	"with the new key: either finishes it.",
    .options = rotate_options,
    .run = rotate_run,
};
