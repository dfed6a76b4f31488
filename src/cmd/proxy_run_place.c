/*
 * The relay's place in a supervised runner: before each start of run.sh it is
 * put there, also where the runner has updated itself. A job never runs on the
 * proxy because of a program that was missing. Main thread.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/proxy.h"
#include "cmd/proxy_run.h"

static int find(char **into, const char *name, struct err *err)
{
	*into = proxy_companion(name);
	if (*into != NULL)
		return 0;
	return err_set(err, ERR_NOT_FOUND, NULL,
	    "%s is neither beside this program nor in /opt/runnerhub/bin, "
	    "/usr/local/bin or /usr/bin: without it jobs would run on this "
	    "proxy itself",
	    name);
}

static int choose(
    const struct supervised *s, struct proxy_setup *setup, struct err *err)
{
	const char *image = getenv("RUNNERHUB_WORKER_IMAGE");

	TRY(proxy_mode_parse(
	    s->mode != NULL ? s->mode : "worker", &setup->mode, err));
	setup->url = mem_strdup(s->url);
	setup->name = mem_strdup(s->name);
	setup->token_file = mem_strdup(s->token_file);
	if (image != NULL && *image != '\0')
		setup->image = mem_strdup(image);
	if (setup->mode != PROXY_HOOKS)
		TRY(find(&setup->worker, "runnerhub-worker", err));
	if (setup->mode != PROXY_WORKER)
		TRY(find(&setup->hook, "runnerhub-hook.sh", err));
	return 0;
}

/* What `proxy install` has set up stays as it is, unless a mode is given. */
int supervised_place(const struct supervised *s, struct err *err)
{
	CLEANUP(proxy_dir_fini) struct proxy_dir d = {.path = NULL};
	CLEANUP(proxy_setup_fini) struct proxy_setup setup = {.url = NULL};
	int known;

	if (s->mode != NULL && strcmp(s->mode, "none") == 0)
		return 0;
	TRY(proxy_dir_open(&d, s->dir, err));
	known = s->mode == NULL ? proxy_setup_read(&d, &setup, err) : 0;
	TRY(known);
	if (known == 0) {
		TRY(choose(s, &setup, err));
		TRY(proxy_setup_write(&d, &setup, err));
	}
	return proxy_apply(&d, &setup, err);
}
