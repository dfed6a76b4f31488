/*
 * Flags that set several fields, or that need a grant: see create_options.h.
 * Each either fills in what the engine takes, or says why not.
 */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/parse.h"
#include "containers/create_options.h"
#include "containers/mounts.h"
#include "containers/values.h"

int option_privileged(const struct option_input *in, struct err *err)
{
	bool wanted;

	if (parse_bool(in->value, &wanted) != 0)
		return option_bad(in, err, "true or false is wanted");
	if (!wanted)
		return 0;
	TRY(policy_need(
	    in->policy, POLICY_PRIVILEGED, err, "option %s", in->flag));
	json_object_set_new(in->out->host, in->field, json_true());
	return 0;
}

/* What the engine gives by itself, and what reaches no further than the
 * container's own processes and memory. */
static bool is_harmless_capability(const char *name)
{
	static const char *const harmless[] = {"AUDIT_WRITE", "CHOWN",
	    "DAC_OVERRIDE", "FOWNER", "FSETID", "IPC_LOCK", "KILL", "MKNOD",
	    "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP",
	    "SETUID", "SYS_CHROOT", "SYS_NICE", "SYS_PTRACE"};

	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
		if (strcasecmp(name, harmless[i]) == 0)
			return true;
	return false;
}

static int append_text(
    json_t *list, const struct option_input *in, struct err *err)
{
	if (json_array_append_new(list, json_string(in->value)) != 0)
		return option_bad(in, err, "it is not valid UTF-8");
	return 0;
}

int option_cap_add(const struct option_input *in, struct err *err)
{
	if (!is_harmless_capability(in->value))
		TRY(policy_need(in->policy, POLICY_CAPABILITIES, err,
		    "option %s %.40s", in->flag, in->value));
	return append_text(option_list(in->out->host, in->field), in, err);
}

int option_security_opt(const struct option_input *in, struct err *err)
{
	static const char harmless[] = "no-new-privileges";
	const char *seccomp =
	    strncmp(in->value, "seccomp", 7) == 0 ? in->value + 7 : NULL;

	if (strcmp(in->value, harmless) != 0 &&
	    strcmp(in->value, "no-new-privileges=true") != 0 &&
	    strcmp(in->value, "no-new-privileges:true") != 0)
		TRY(policy_need(in->policy, POLICY_SECURITY_OPT, err,
		    "option %s %.80s", in->flag, in->value));
	/* The engine wants a profile's text, and files of the runner are not
	 * handed to workflows. */
	if (seccomp != NULL && (*seccomp == '=' || *seccomp == ':') &&
	    strcmp(seccomp + 1, "unconfined") != 0)
		return option_bad(in, err,
		    "of seccomp profiles only \"unconfined\" can be named");
	return append_text(option_list(in->out->host, in->field), in, err);
}

int option_device(const struct option_input *in, struct err *err)
{
	char *copy, *inside, *rights = NULL;
	json_t *device;

	TRY(policy_need(in->policy, POLICY_DEVICES, err, "option %s %.80s",
	    in->flag, in->value));
	copy = mem_strdup(in->value);
	inside = strchr(copy, ':');
	if (inside != NULL) {
		*inside++ = '\0';
		rights = strchr(inside, ':');
	}
	if (rights != NULL)
		*rights++ = '\0';
	device = json_object();
	json_object_set_new(device, "PathOnHost", json_string(copy));
	json_object_set_new(device, "PathInContainer",
	    json_string(inside != NULL && inside[0] == '/' ? inside : copy));
	/* "/dev/x:r": rights without a path. */
	if (rights == NULL && inside != NULL && inside[0] != '/')
		rights = inside;
	json_object_set_new(device, "CgroupPermissions",
	    json_string(rights != NULL ? rights : "rwm"));
	json_array_append_new(option_list(in->out->host, in->field), device);
	mem_free(copy);
	return 0;
}

int option_gpus(const struct option_input *in, struct err *err)
{
	json_t *request, *kinds, *kind;
	int64_t count = -1;

	TRY(policy_need(in->policy, POLICY_DEVICES, err, "option %s %.40s",
	    in->flag, in->value));
	if (strcmp(in->value, "all") != 0 &&
	    parse_int(in->value, 1, 1024, &count) != 0)
		return option_bad(in, err, "\"all\" or a number is wanted");
	kind = json_array();
	json_array_append_new(kind, json_string("gpu"));
	kinds = json_array();
	json_array_append_new(kinds, kind);
	request = json_object();
	json_object_set_new(request, "Count", json_integer(count));
	json_object_set_new(request, "Capabilities", kinds);
	json_array_append_new(option_list(in->out->host, in->field), request);
	return 0;
}

/* Modes that stay within the container. */
int option_namespace(const struct option_input *in, struct err *err)
{
	static const char *const own[] = {"", "private", "shareable", "none"};
	bool harmless = false;

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		harmless = harmless || strcmp(in->value, own[i]) == 0;
	if (!harmless)
		TRY(policy_need(in->policy, POLICY_HOST_NAMESPACES, err,
		    "option %s %.80s", in->flag, in->value));
	if (json_object_set_new(
		in->out->host, in->field, json_string(in->value)) != 0)
		return option_bad(in, err, "it is not valid UTF-8");
	return 0;
}

int option_granted_text(const struct option_input *in, struct err *err)
{
	TRY(policy_need(in->policy, POLICY_RUNTIME, err, "option %s %.80s",
	    in->flag, in->value));
	if (json_object_set_new(
		in->out->host, in->field, json_string(in->value)) != 0)
		return option_bad(in, err, "it is not valid UTF-8");
	return 0;
}

/* Below 0 the kernel would rather kill other people's processes. */
int option_oom_score(const struct option_input *in, struct err *err)
{
	int64_t v;

	if (parse_int(in->value, -1000, 1000, &v) != 0)
		return option_bad(in, err, "a number up to 1000 is wanted");
	if (v < 0)
		TRY(policy_need(in->policy, POLICY_PRIVILEGED, err,
		    "option %s %.40s", in->flag, in->value));
	json_object_set_new(in->out->host, in->field, json_integer(v));
	return 0;
}

/* "nofile=1024:2048", "core=-1" */
int option_ulimit(const struct option_input *in, struct err *err)
{
	char *name = mem_strdup(in->value);
	char *soft = strchr(name, '='), *hard = NULL;
	int64_t low, high;
	json_t *limit;
	bool ok;

	if (soft != NULL) {
		*soft++ = '\0';
		hard = strchr(soft, ':');
	}
	if (hard != NULL)
		*hard++ = '\0';
	ok = soft != NULL && parse_int(soft, -1, INT64_MAX, &low) == 0 &&
	     parse_int(hard != NULL ? hard : soft, -1, INT64_MAX, &high) == 0;
	if (ok) {
		limit = json_object();
		json_object_set_new(limit, "Name", json_string(name));
		json_object_set_new(limit, "Soft", json_integer(low));
		json_object_set_new(limit, "Hard", json_integer(high));
		json_array_append_new(
		    option_list(in->out->host, in->field), limit);
	}
	mem_free(name);
	return ok ? 0 : option_bad(in, err, "write name=soft[:hard]");
}

static json_t *log_config(const struct option_input *in)
{
	return option_object(in->out->host, "LogConfig");
}

/* Those that keep the log on the engine's host. */
int option_log_driver(const struct option_input *in, struct err *err)
{
	static const char *const local[] = {"json-file", "local", "none"};

	for (size_t i = 0; i < ARRAY_LEN(local); i++)
		if (strcmp(in->value, local[i]) == 0) {
			json_object_set_new(
			    log_config(in), "Type", json_string(in->value));
			return 0;
		}
	return option_bad(in, err, "json-file, local or none can be chosen");
}

int option_log_opt(const struct option_input *in, struct err *err)
{
	static const char *const known[] = {
	    "max-size=", "max-file=", "compress="};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		size_t len = strlen(known[i]);

		if (strncmp(in->value, known[i], len) == 0) {
			json_object_setn_new(
			    option_object(log_config(in), "Config"), in->value,
			    len - 1, json_string(in->value + len));
			return 0;
		}
	}
	return option_bad(
	    in, err, "max-size, max-file and compress can be set");
}

/* "on-failure:3" */
int option_restart(const struct option_input *in, struct err *err)
{
	static const char *const known[] = {
	    "no", "always", "unless-stopped", "on-failure"};
	size_t len = strcspn(in->value, ":");
	int64_t count = 0;

	if (in->value[len] == ':' &&
	    parse_int(in->value + len + 1, 0, 1000000, &count) != 0)
		len = 0;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		json_t *restart;

		if (strlen(known[i]) != len ||
		    strncmp(known[i], in->value, len) != 0)
			continue;
		restart = option_object(in->out->host, "RestartPolicy");
		json_object_set_new(restart, "Name", json_string(known[i]));
		json_object_set_new(
		    restart, "MaximumRetryCount", json_integer(count));
		return 0;
	}
	return option_bad(
	    in, err, "no, always, unless-stopped or on-failure[:n] is wanted");
}

int option_volume(const struct option_input *in, struct err *err)
{
	if (mount_wish_volume(in->out->mounts, in->value, err) != 0)
		return err_wrap(err, "option %s", in->flag);
	return 0;
}

int option_mount(const struct option_input *in, struct err *err)
{
	if (mount_wish_mount(in->out->mounts, in->value, err) != 0)
		return err_wrap(err, "option %s", in->flag);
	return 0;
}

/* "/run:size=1m" */
int option_tmpfs(const struct option_input *in, struct err *err)
{
	size_t len = strcspn(in->value, ":");
	const char *options = in->value + len;

	if (in->value[0] != '/')
		return option_bad(in, err, "write /path[:options]");
	if (json_object_setn_new(option_object(in->out->host, in->field),
		in->value, len,
		json_string(options[0] == ':' ? options + 1 : "")) != 0)
		return option_bad(in, err, "it is not valid UTF-8");
	return 0;
}
