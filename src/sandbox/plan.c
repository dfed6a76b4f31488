/*
 * The create call of a sandbox's container: mounts, labels, limits and what
 * it may do. Pure: called by sandbox.c on the starter's thread.
 */
#include <stdio.h>
#include <string.h>

#include "sandbox/sandbox_internal.h"

/* Root in a plain job may hand files to its user and become that user. */
static const char *const drop_all[] = {"ALL", NULL};
static const char *const keep_strict[] = {"CHOWN", "SETUID", "SETGID", NULL};
static const char *const no_new_privileges[] = {"no-new-privileges", NULL};
/* With what the engine gives beside, root in a session may write what others
 * own, and sudo works; not speak with another's address or make devices. */
static const char *const drop_runner[] = {"NET_RAW", "MKNOD", NULL};

static void add_text(struct container_plan *p, size_t *n)
{
	p->binds[*n] = p->bind_text[*n];
	(*n)++;
}

static void add_bind(struct container_plan *p, size_t *n, const char *source,
    const char *target, const char *mode)
{
	ASSERT(*n + 1 < PLAN_BINDS);
	snprintf(p->bind_text[*n], sizeof(p->bind_text[*n]), "%s:%s%s", source,
	    target, mode);
	add_text(p, n);
}

/* Ours of every container, on the engine's own host. */
static void plan_local_binds(struct container_plan *p, size_t *n,
    const struct sandboxes *s, const struct sandbox_spec *spec,
    const struct sandbox *sb, enum network_kind kind)
{
	char path[PATH_MAX];

	if (spec->nested)
		add_bind(p, n, s->hook_path, "/.runnerhub", ":ro");
	add_bind(
	    p, n, sandbox_files_path(s, sb->id, "hub", path), "/hub", ":ro");
	add_bind(p, n, s->agent_path, "/.runnerhub-agent", ":ro");
	if (kind != NETWORK_VETH)
		return;
	/* The engine makes these only for networks of its own. Writable: jobs
	 * add host names; the files are this sandbox's alone. */
	add_bind(p, n, sandbox_files_path(s, sb->id, "etc/resolv.conf", path),
	    "/etc/resolv.conf", "");
	add_bind(p, n, sandbox_files_path(s, sb->id, "etc/hosts", path),
	    "/etc/hosts", "");
	add_bind(p, n, sandbox_files_path(s, sb->id, "etc/hostname", path),
	    "/etc/hostname", "");
}

static int plan_volumes(struct container_plan *p, size_t *n,
    const char *const *volumes, struct err *err)
{
	for (; volumes != NULL && *volumes != NULL; volumes++) {
		if (*n + 1 >= PLAN_BINDS ||
		    strlen(*volumes) >= sizeof(p->bind_text[*n]))
			return err_set(err, ERR_LIMIT, "too_many_volumes",
			    "too many volumes for one sandbox, at \"%.100s\"",
			    *volumes);
		snprintf(
		    p->bind_text[*n], sizeof(p->bind_text[*n]), "%s", *volumes);
		add_text(p, n);
	}
	return 0;
}

static int plan_binds(struct container_plan *p, const struct sandboxes *s,
    const struct sandbox_spec *spec, const struct sandbox *sb,
    enum network_kind kind, struct err *err)
{
	size_t n = 0;

	memset(p->binds, 0, sizeof(p->binds));
	p->spec.binds = p->binds;
	if (s->remote)
		add_bind(p, &n, s->agent_volume, "/.runnerhub", ":ro,nocopy");
	else
		plan_local_binds(p, &n, s, spec, sb, kind);
	return plan_volumes(p, &n, spec->volumes, err);
}

static void add_label(
    struct container_plan *p, size_t *n, const char *key, const char *value)
{
	if (value == NULL)
		return;
	ASSERT(*n + 1 < PLAN_LABELS);
	p->labels[*n] = (struct engine_pair){key, value};
	(*n)++;
}

static void plan_labels(struct container_plan *p, const struct sandboxes *s,
    const struct sandbox_spec *spec, const struct sandbox *sb)
{
	size_t n = 0;

	memset(p->labels, 0, sizeof(p->labels));
	add_label(p, &n, "runnerhub.managed", "true");
	add_label(p, &n, "runnerhub.hub", s->config.hub_id);
	add_label(p, &n, "runnerhub.type", "sandbox");
	add_label(p, &n, "runnerhub.sandbox.id", sb->id);
	add_label(p, &n, "runnerhub.generation", s->generation);
	/* Also when it is empty: an image's label of that name would count. */
	add_label(p, &n, SANDBOX_USER_LABEL,
	    spec->document != NULL && sb->user != NULL ? sb->user : "");
	add_label(p, &n, "runnerhub.job.id", spec->job_id);
	add_label(p, &n, "runnerhub.repository", spec->repository);
	if (spec->session_network != NULL || spec->document != NULL ||
	    spec->volumes != NULL)
		add_label(p, &n, "runnerhub.session", spec->job_id);
	p->spec.labels = p->labels;
}

/* What it may do: see enum sandbox_profile. */
static void plan_profile(
    struct engine_container_spec *spec, enum sandbox_profile profile)
{
	if (profile == SANDBOX_RUNNER) {
		spec->cap_drop = drop_runner;
		return;
	}
	spec->cap_drop = drop_all;
	spec->cap_add = keep_strict;
	spec->security_opt = no_new_privileges;
}

int container_plan_make(struct container_plan *p, const struct sandboxes *s,
    const struct sandbox_spec *spec, const struct sandbox *sb,
    enum network_kind kind, const char *network_name, struct err *err)
{
	static const char *const none[] = {NULL};

	p->spec = (struct engine_container_spec){.name = p->name,
	    .image = spec->image,
	    .entrypoint = p->entrypoint,
	    .cmd = p->cmd,
	    .user = "0:0",
	    /* Made by the engine where the image lacks it: our root has no
	     * right to write into a "/" of mode 0555. */
	    .working_dir = "/github",
	    .hostname = p->hostname,
	    .network_mode = kind == NETWORK_ENGINE ? network_name : "none",
	    .network_disabled = kind != NETWORK_ENGINE,
	    .memory_bytes = spec->limits.memory_bytes,
	    .nano_cpus = spec->limits.nano_cpus,
	    .pids = spec->limits.pids,
	    .network_aliases = spec->aliases};
	/* An empty list takes in those of the document. */
	if (spec->session_network != NULL && spec->aliases == NULL)
		p->spec.network_aliases = none;
	plan_profile(&p->spec, spec->profile);
	snprintf(p->name, sizeof(p->name), "runnerhub-%s", sb->id);
	snprintf(p->hostname, sizeof(p->hostname), "runner-%.8s", sb->id);
	p->entrypoint[0] =
	    s->remote ? "/.runnerhub/agent" : "/.runnerhub-agent";
	p->entrypoint[1] = NULL;
	p->cmd[0] = s->remote ? "-" : "/hub/s"; /* "-": over the attach */
	p->spec.open_stdin = s->remote;
	p->cmd[1] = NULL;
	plan_labels(p, s, spec, sb);
	return plan_binds(p, s, spec, sb, kind, err);
}
