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

static void add_bind(struct container_plan *p, size_t *n, const char *source,
    const char *target, const char *mode)
{
	ASSERT(*n + 1 < PLAN_BINDS);
	snprintf(p->bind_text[*n], sizeof(p->bind_text[*n]), "%s:%s%s", source,
	    target, mode);
	p->binds[*n] = p->bind_text[*n];
	(*n)++;
}

static void plan_binds(struct container_plan *p, const struct sandboxes *s,
    const struct sandbox *sb, enum network_kind kind)
{
	char path[PATH_MAX];
	size_t n = 0;

	memset(p->binds, 0, sizeof(p->binds));
	p->spec.binds = p->binds;
	if (s->remote) {
		add_bind(p, &n, s->agent_volume, "/.runnerhub", ":ro,nocopy");
		return;
	}
	add_bind(
	    p, &n, sandbox_files_path(s, sb->id, "hub", path), "/hub", ":ro");
	add_bind(p, &n, s->agent_path, "/.runnerhub-agent", ":ro");
	if (kind != NETWORK_VETH)
		return;
	/* The engine makes these only for networks of its own. Writable: jobs
	 * add host names; the files are this sandbox's alone. */
	add_bind(p, &n, sandbox_files_path(s, sb->id, "etc/resolv.conf", path),
	    "/etc/resolv.conf", "");
	add_bind(p, &n, sandbox_files_path(s, sb->id, "etc/hosts", path),
	    "/etc/hosts", "");
	add_bind(p, &n, sandbox_files_path(s, sb->id, "etc/hostname", path),
	    "/etc/hostname", "");
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
	add_label(p, &n, "runnerhub.job.id", spec->job_id);
	add_label(p, &n, "runnerhub.repository", spec->repository);
	p->spec.labels = p->labels;
}

void container_plan_make(struct container_plan *p, const struct sandboxes *s,
    const struct sandbox_spec *spec, const struct sandbox *sb,
    enum network_kind kind, const char *network_name)
{
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
	    .cap_drop = drop_all,
	    .cap_add = keep_strict,
	    .security_opt = no_new_privileges};
	snprintf(p->name, sizeof(p->name), "runnerhub-%s", sb->id);
	snprintf(p->hostname, sizeof(p->hostname), "runner-%.8s", sb->id);
	p->entrypoint[0] =
	    s->remote ? "/.runnerhub/agent" : "/.runnerhub-agent";
	p->entrypoint[1] = NULL;
	p->cmd[0] = s->remote ? "-" : "/hub/s"; /* "-": over the attach */
	p->spec.open_stdin = s->remote;
	p->cmd[1] = NULL;
	plan_binds(p, s, sb, kind);
	plan_labels(p, s, spec, sb);
}
