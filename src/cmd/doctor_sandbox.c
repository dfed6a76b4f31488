/*
 * The doctor's proof: a real sandbox, started as for a job, whose agent
 * answers; see doctor.h. It belongs to a hub of its own that lives as long
 * as this check, so that nothing of a real hub is touched, and everything
 * it made is removed again.
 */
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "cmd/doctor.h"
#include "sandbox/sandbox.h"

#define CLEAN_UP_MS 30000
#define HUB_ID_HEX  16 /* bytes */

struct trial {
	char dir[PATH_MAX];
	char hub_id[2 * HUB_ID_HEX + 1];
	struct sandboxes *sandboxes;
	struct sandbox *sandbox;
	int64_t started_ns, ready_ns;
};

static int remove_entry(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Undoes it all, also after a timeout: with a deadline of its own. */
static void clean_up(struct trial *t)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, CLEAN_UP_MS);
	struct err err = ERR_INIT;

	if (t->sandbox != NULL)
		IGNORE(sandbox_destroy(t->sandboxes, &ctx, t->sandbox, &err));
	if (t->sandboxes != NULL) {
		sandboxes_erase(t->sandboxes, &ctx);
		sandboxes_close(t->sandboxes);
	}
	if (t->dir[0] != '\0')
		nftw(t->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Beside the state directory, not in /tmp: that may forbid programs. */
static int make_dir(const struct options *o, struct trial *t, struct err *err)
{
	char there[PATH_MAX], made[PATH_MAX + 16];

	doctor_existing_part(o->state_dir, there, sizeof(there));
	snprintf(made, sizeof(made), "%s/.dr-XXXXXX", there);
	if (mkdtemp(made) == NULL)
		return err_set(err, ERR_UNAVAILABLE, NULL,
		    "cannot make a directory in %s: %m", there);
	if (realpath(made, t->dir) == NULL)
		return err_set(
		    err, ERR_UNAVAILABLE, NULL, "cannot resolve %s: %m", made);
	return 0;
}

static int start(struct patient *p, struct trial *t, struct err *err)
{
	const struct options *o = p->o;
	struct sandboxes_config c = {.engine = p->engine,
	    .state_dir = t->dir,
	    .hub_id = t->hub_id,
	    .starts_parallel = 1,
	    .start_timeout_ms = o->start_timeout_ms,
	    .network_mode = o->network_mode,
	    .network_mechanism = o->network_mechanism,
	    .network_subnet = o->network_subnet,
	    .session_subnet = o->session_subnet,
	    .network_dns = o->network_dns,
	    .deny_host_services = strcmp(o->host_services, "deny") == 0,
	    .mtu = (int)o->network_mtu};
	struct sandbox_spec spec = {.image = o->image,
	    .limits = {.memory_bytes = o->memory_mb << 20,
		.nano_cpus = (int64_t)(o->cpu_limit * 1e9),
		.pids = o->pids_limit}};

	random_hex(t->hub_id, HUB_ID_HEX);
	TRY(make_dir(o, t, err));
	TRY(sandboxes_open(&t->sandboxes, &c, err));
	TRY(sandboxes_prepare(t->sandboxes, p->ctx, err));
	if (spec.limits.nano_cpus > p->info.cpus * INT64_C(1000000000))
		spec.limits.nano_cpus = p->info.cpus * INT64_C(1000000000);
	t->started_ns = clock_mono_ns();
	TRY(sandbox_start(t->sandboxes, p->ctx, &spec, &t->sandbox, err));
	t->ready_ns = clock_mono_ns();
	return 0;
}

static void judge(struct trial *t, struct finding *f)
{
	char words[256], why[256];

	sandboxes_describe(t->sandboxes, words, sizeof(words));
	finding_set(f, DOCTOR_OK, "a container started in %lld ms: %s",
	    (long long)((t->ready_ns - t->started_ns) / CLOCK_NS_PER_MS),
	    words);
	if (!sandboxes_host_exposed(t->sandboxes, why, sizeof(why)))
		return;
	f->verdict = DOCTOR_WARN;
	finding_advise(f,
	    "jobs can reach services of this host: %s (network.hostServices)",
	    why);
}

void doctor_sandbox(struct patient *p, struct finding *f)
{
	struct trial t = {.sandbox = NULL};
	struct err err = ERR_INIT;

	if (!p->engine_answers || !p->image_is_here) {
		finding_set(f, DOCTOR_SKIP, "%s",
		    p->engine_answers ? "there is no image to start"
				      : "the engine does not answer");
		return;
	}
	if (start(p, &t, &err) == 0) {
		judge(&t, f);
	} else {
		finding_set(f, DOCTOR_FAIL, "%s", err.msg);
		finding_advise(f,
		    "no job can start like this; see docs/TROUBLESHOOTING.md, "
		    "container creation");
	}
	clean_up(&t);
}
