/*
 * The body of a container create from our spec. Called by container.c; pure,
 * so that a unit test can hold every field against its text.
 */
#include "base/json_out.h"
#include "engine/engine_internal.h"
#include "engine/run.h"

static void put_array(struct json *j, const char *key, const char *const *list)
{
	if (list == NULL)
		return;
	json_karr(j, key);
	for (; *list != NULL; list++)
		json_str(j, *list);
	json_end(j);
}

static void put_pairs(
    struct json *j, const char *key, const struct engine_pair *pairs)
{
	if (pairs == NULL)
		return;
	json_kobj(j, key);
	for (; pairs->key != NULL; pairs++)
		json_kstr(j, pairs->key, pairs->value);
	json_end(j);
}

/* {"/path":{}}: a set, in the engine's spelling. */
static void put_set(struct json *j, const char *key, const char *const *list)
{
	if (list == NULL)
		return;
	json_kobj(j, key);
	for (; *list != NULL; list++) {
		json_kobj(j, *list);
		json_end(j);
	}
	json_end(j);
}

static void put_text(struct json *j, const char *key, const char *value)
{
	if (value != NULL)
		json_kstr(j, key, value);
}

static void put_true(struct json *j, const char *key, bool value)
{
	if (value)
		json_kbool(j, key, true);
}

static void put_limits(struct json *j, const struct engine_container_spec *spec)
{
	if (spec->memory_bytes > 0) {
		json_kint(j, "Memory", spec->memory_bytes);
		/* Memory and swap together: the same number means no swap. */
		json_kint(j, "MemorySwap", spec->memory_bytes);
	}
	if (spec->nano_cpus > 0)
		json_kint(j, "NanoCpus", spec->nano_cpus);
	if (spec->pids > 0)
		json_kint(j, "PidsLimit", spec->pids);
}

/*
 * NetworkDisabled is what makes Docker skip its network hook (half of the
 * start time). Podman ignores it and would give such a container a network:
 * mode "none" beside it says the same to every engine.
 */
static const char *network_mode(const struct engine_container_spec *spec)
{
	if (spec->network_mode == NULL && spec->network_disabled)
		return "none";
	return spec->network_mode;
}

/* The output of most belongs to the agent's channel. */
static void put_log(struct json *j, bool keep)
{
	json_kobj(j, "LogConfig");
	json_kstr(j, "Type", keep ? "json-file" : "none");
	if (keep) {
		json_kobj(j, "Config");
		json_kstr(j, "max-size", "10m");
		json_kstr(j, "max-file", "2");
		json_end(j);
	}
	json_end(j);
}

static void put_host_config(
    struct json *j, const struct engine_container_spec *spec)
{
	json_kobj(j, "HostConfig");
	put_array(j, "Binds", spec->binds);
	put_pairs(j, "Tmpfs", spec->tmpfs);
	put_array(j, "Dns", spec->dns);
	put_array(j, "ExtraHosts", spec->extra_hosts);
	put_text(j, "NetworkMode", network_mode(spec));
	put_limits(j, spec);
	put_array(j, "CapDrop", spec->cap_drop);
	put_array(j, "CapAdd", spec->cap_add);
	put_array(j, "SecurityOpt", spec->security_opt);
	put_true(j, "ReadonlyRootfs", spec->readonly_rootfs);
	put_true(j, "Init", spec->init);
	put_log(j, spec->keep_log);
	json_end(j);
}

static void put_aliases(
    struct json *j, const struct engine_container_spec *spec)
{
	if (spec->network_aliases == NULL || spec->network_mode == NULL)
		return;
	json_kobj(j, "NetworkingConfig");
	json_kobj(j, "EndpointsConfig");
	json_kobj(j, spec->network_mode);
	put_array(j, "Aliases", spec->network_aliases);
	json_end(j);
	json_end(j);
	json_end(j);
}

int engine_spec_json(
    const struct engine_container_spec *spec, struct buf *out, struct err *err)
{
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	json_kstr(&j, "Image", spec->image);
	put_text(&j, "Hostname", spec->hostname);
	put_text(&j, "User", spec->user);
	put_text(&j, "WorkingDir", spec->working_dir);
	put_array(&j, "Entrypoint", spec->entrypoint);
	put_array(&j, "Cmd", spec->cmd);
	put_array(&j, "Env", spec->env);
	put_pairs(&j, "Labels", spec->labels);
	put_set(&j, "Volumes", spec->volumes_anonymous);
	put_true(&j, "OpenStdin", spec->open_stdin);
	put_true(&j, "NetworkDisabled", spec->network_disabled);
	put_host_config(&j, spec);
	put_aliases(&j, spec);
	json_end(&j);
	if (!out->overflow)
		return 0;
	return err_set(err, ERR_LIMIT, "container_spec_too_large",
	    "the description of container %s is larger than %zu bytes",
	    spec->name != NULL ? spec->name : "", out->max);
}
