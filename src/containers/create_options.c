/*
 * The flags that a workflow may use, in one table, and the scanner that
 * reads them. The special ones are in create_special.c; docs/HOOKS.md lists
 * what this table takes.
 */
#include "containers/create_options.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "containers/values.h"
#include "containers/words.h"

int option_bad(const struct option_input *in, struct err *err, const char *why)
{
	return err_set(err, ERR_INVALID, "bad_option",
	    "option %s \"%.100s\": %s", in->flag, in->value, why);
}

json_t *option_list(json_t *parent, const char *key)
{
	json_t *list = json_object_get(parent, key);

	if (list == NULL) {
		list = json_array();
		json_object_set_new(parent, key, list);
	}
	return list;
}

json_t *option_object(json_t *parent, const char *key)
{
	json_t *object = json_object_get(parent, key);

	if (object == NULL) {
		object = json_object();
		json_object_set_new(parent, key, object);
	}
	return object;
}

/* -- one value, one field ---------------------------------------------- */

/* json_string refuses what is not UTF-8. */
static int put_new(json_t *object, const struct option_input *in, json_t *value,
    struct err *err)
{
	if (value == NULL)
		return option_bad(in, err, "it is not valid UTF-8");
	json_object_set_new(object, in->field, value);
	return 0;
}

static int config_text(const struct option_input *in, struct err *err)
{
	return put_new(in->out->config, in, json_string(in->value), err);
}

static int host_text(const struct option_input *in, struct err *err)
{
	return put_new(in->out->host, in, json_string(in->value), err);
}

static int put_int(
    json_t *object, const struct option_input *in, int64_t min, struct err *err)
{
	int64_t v;

	if (parse_int(in->value, min, INT64_MAX, &v) != 0)
		return option_bad(in, err, "a whole number is wanted");
	return put_new(object, in, json_integer(v), err);
}

static int config_int(const struct option_input *in, struct err *err)
{
	return put_int(in->out->config, in, 0, err);
}

static int host_int(const struct option_input *in, struct err *err)
{
	return put_int(in->out->host, in, -1, err);
}

static int host_bytes(const struct option_input *in, struct err *err)
{
	int64_t v = -1;

	/* --memory-swap -1: as much as there is. */
	if (strcmp(in->value, "-1") != 0 && value_bytes(in->value, &v) != 0)
		return option_bad(in, err, "a size such as 512m is wanted");
	return put_new(in->out->host, in, json_integer(v), err);
}

static int host_cpus(const struct option_input *in, struct err *err)
{
	double v;

	if (parse_num(in->value, 0, 1e6, &v) != 0)
		return option_bad(in, err, "a number such as 1.5 is wanted");
	return put_new(
	    in->out->host, in, json_integer((int64_t)(v * 1e9)), err);
}

static int host_bool(const struct option_input *in, struct err *err)
{
	bool v;

	if (parse_bool(in->value, &v) != 0)
		return option_bad(in, err, "true or false is wanted");
	return put_new(in->out->host, in, json_boolean(v), err);
}

static int add_new(json_t *list, const struct option_input *in, struct err *err)
{
	if (json_array_append_new(list, json_string(in->value)) != 0)
		return option_bad(in, err, "it is not valid UTF-8");
	return 0;
}

static int host_list(const struct option_input *in, struct err *err)
{
	return add_new(option_list(in->out->host, in->field), in, err);
}

/* "key=value" into an object; without "=" the value is "". */
static int put_pair(
    json_t *object, const struct option_input *in, struct err *err)
{
	size_t len = strcspn(in->value, "=");
	const char *value = in->value[len] == '=' ? in->value + len + 1 : "";

	if (len == 0)
		return option_bad(in, err, "key=value is wanted");
	if (json_object_setn_new(object, in->value, len, json_string(value)) !=
	    0)
		return option_bad(in, err, "it is not valid UTF-8");
	return 0;
}

static int host_pair(const struct option_input *in, struct err *err)
{
	return put_pair(option_object(in->out->host, in->field), in, err);
}

/* -- of several lines of the document ---------------------------------- */

static int label(const struct option_input *in, struct err *err)
{
	/* By these the containers of a runner are found and removed. */
	if (strncmp(in->value, "runnerhub.", strlen("runnerhub.")) == 0)
		return option_bad(in, err, "labels \"runnerhub.*\" are taken");
	return put_pair(option_object(in->out->config, "Labels"), in, err);
}

static int env(const struct option_input *in, struct err *err)
{
	const char *eq = strchr(in->value, '=');

	if (eq == NULL || eq == in->value)
		return option_bad(in, err,
		    "write NAME=VALUE; variables of the runner are not "
		    "handed on");
	return add_new(option_list(in->out->config, "Env"), in, err);
}

static int alias(const struct option_input *in, struct err *err)
{
	return add_new(in->out->aliases, in, err);
}

static int publish(const struct option_input *in, struct err *err)
{
	return value_publish(in->value,
	    option_object(in->out->config, "ExposedPorts"), in->out->bindings,
	    err);
}

static int expose(const struct option_input *in, struct err *err)
{
	return value_expose(
	    in->value, option_object(in->out->config, "ExposedPorts"), err);
}

static int platform(const struct option_input *in, struct err *err)
{
	(void)err;
	mem_free(in->out->platform);
	in->out->platform = mem_strdup(in->value);
	return 0;
}

static json_t *health(const struct option_input *in)
{
	return option_object(in->out->config, "Healthcheck");
}

static int health_cmd(const struct option_input *in, struct err *err)
{
	json_t *test = json_array(), *command = json_string(in->value);

	json_object_set_new(health(in), "Test", test);
	json_array_append_new(test, json_string("CMD-SHELL"));
	if (json_array_append_new(test, command) != 0)
		return option_bad(in, err, "it is not valid UTF-8");
	return 0;
}

static int health_none(const struct option_input *in, struct err *err)
{
	json_t *test = json_array();

	(void)err;
	json_array_append_new(test, json_string("NONE"));
	json_object_set_new(health(in), "Test", test);
	return 0;
}

static int health_time(const struct option_input *in, struct err *err)
{
	int64_t ns;

	if (value_duration_ns(in->value, &ns) != 0)
		return option_bad(in, err, "a duration such as 10s is wanted");
	return put_new(health(in), in, json_integer(ns), err);
}

static int health_retries(const struct option_input *in, struct err *err)
{
	return put_int(health(in), in, 0, err);
}

/* -- taken, and without effect ----------------------------------------- */

static int ignored(const struct option_input *in, struct err *err)
{
	(void)in;
	(void)err;
	return 0;
}

static int refused(const struct option_input *in, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_option",
	    "option %s cannot be used here: %s", in->flag, in->field);
}

/* -- the table --------------------------------------------------------- */

static const struct row {
	const char *name;
	char letter; /* 0: none */
	bool alone;  /* takes no value, or "=true", "=false" */
	option_fn *fn;
	const char *field;
} rows[] = {
    {"--add-host", 0, false, host_list, "ExtraHosts"},
    {"--blkio-weight", 0, false, host_int, "BlkioWeight"},
    {"--cap-add", 0, false, option_cap_add, "CapAdd"},
    {"--cap-drop", 0, false, host_list, "CapDrop"},
    {"--cgroup-parent", 0, false, option_granted_text, "CgroupParent"},
    {"--cgroupns", 0, false, option_namespace, "CgroupnsMode"},
    {"--cpu-period", 0, false, host_int, "CpuPeriod"},
    {"--cpu-quota", 0, false, host_int, "CpuQuota"},
    {"--cpu-shares", 'c', false, host_int, "CpuShares"},
    {"--cpus", 0, false, host_cpus, "NanoCpus"},
    {"--cpuset-cpus", 0, false, host_text, "CpusetCpus"},
    {"--cpuset-mems", 0, false, host_text, "CpusetMems"},
    {"--device", 0, false, option_device, "Devices"},
    {"--dns", 0, false, host_list, "Dns"},
    {"--dns-option", 0, false, host_list, "DnsOptions"},
    {"--dns-search", 0, false, host_list, "DnsSearch"},
    {"--domainname", 0, false, config_text, "Domainname"},
    {"--entrypoint", 0, false, refused, "the runner sets the entry point"},
    {"--env", 'e', false, env, NULL},
    {"--env-file", 0, false, refused,
	"it would read a file of the runner; use env:"},
    {"--expose", 0, false, expose, NULL},
    {"--gpus", 0, false, option_gpus, "DeviceRequests"},
    {"--group-add", 0, false, host_list, "GroupAdd"},
    {"--health-cmd", 0, false, health_cmd, NULL},
    {"--health-interval", 0, false, health_time, "Interval"},
    {"--health-retries", 0, false, health_retries, "Retries"},
    {"--health-start-period", 0, false, health_time, "StartPeriod"},
    {"--health-timeout", 0, false, health_time, "Timeout"},
    {"--hostname", 'h', false, config_text, "Hostname"},
    {"--init", 0, true, host_bool, "Init"},
    {"--interactive", 'i', true, ignored, NULL},
    {"--ipc", 0, false, option_namespace, "IpcMode"},
    {"--label", 'l', false, label, NULL},
    {"--log-driver", 0, false, option_log_driver, NULL},
    {"--log-opt", 0, false, option_log_opt, NULL},
    {"--memory", 'm', false, host_bytes, "Memory"},
    {"--memory-reservation", 0, false, host_bytes, "MemoryReservation"},
    {"--memory-swap", 0, false, host_bytes, "MemorySwap"},
    {"--memory-swappiness", 0, false, host_int, "MemorySwappiness"},
    {"--mount", 0, false, option_mount, NULL},
    /* The engine's names are those of all its users: a name becomes one on
     * the job's own network. */
    {"--name", 0, false, alias, NULL},
    {"--net", 0, false, refused, "the job has a network of its own"},
    {"--net-alias", 0, false, alias, NULL},
    {"--network", 0, false, refused, "the job has a network of its own"},
    {"--network-alias", 0, false, alias, NULL},
    {"--no-healthcheck", 0, true, health_none, NULL},
    {"--oom-score-adj", 0, false, option_oom_score, "OomScoreAdj"},
    {"--pid", 0, false, option_namespace, "PidMode"},
    {"--pids-limit", 0, false, host_int, "PidsLimit"},
    {"--platform", 0, false, platform, NULL},
    {"--privileged", 0, true, option_privileged, "Privileged"},
    {"--publish", 'p', false, publish, NULL},
    {"--publish-all", 'P', true, host_bool, "PublishAllPorts"},
    {"--pull", 0, false, ignored, NULL},
    {"--quiet", 'q', true, ignored, NULL},
    {"--read-only", 0, true, host_bool, "ReadonlyRootfs"},
    {"--restart", 0, false, option_restart, NULL},
    {"--rm", 0, true, ignored, NULL},
    {"--runtime", 0, false, option_granted_text, "Runtime"},
    {"--security-opt", 0, false, option_security_opt, "SecurityOpt"},
    {"--shm-size", 0, false, host_bytes, "ShmSize"},
    {"--stop-signal", 0, false, config_text, "StopSignal"},
    {"--stop-timeout", 0, false, config_int, "StopTimeout"},
    {"--sysctl", 0, false, host_pair, "Sysctls"},
    {"--tmpfs", 0, false, option_tmpfs, "Tmpfs"},
    {"--tty", 't', true, ignored, NULL},
    {"--ulimit", 0, false, option_ulimit, "Ulimits"},
    {"--user", 'u', false, config_text, "User"},
    {"--userns", 0, false, option_namespace, "UsernsMode"},
    {"--uts", 0, false, option_namespace, "UTSMode"},
    {"--volume", 'v', false, option_volume, NULL},
    {"--workdir", 'w', false, config_text, "WorkingDir"},
};

/* -- the scanner ------------------------------------------------------- */

struct scan {
	struct create_options *out;
	const struct policy *policy;
	const struct words *words;
	size_t at;
};

static const struct row *find_long(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strlen(rows[i].name) == len &&
		    strncmp(rows[i].name, name, len) == 0)
			return &rows[i];
	return NULL;
}

static const struct row *find_letter(char letter)
{
	for (size_t i = 0; letter != '\0' && i < ARRAY_LEN(rows); i++)
		if (rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

static int unknown(const char *word, struct err *err)
{
	return err_set(err, ERR_INVALID, "unknown_option",
	    "option \"%.100s\" is not one that this runner takes: "
	    "docs/HOOKS.md lists them",
	    word);
}

/* value NULL: the next word, when the flag wants one. */
static int apply(
    struct scan *s, const struct row *row, const char *value, struct err *err)
{
	struct option_input in = {.out = s->out,
	    .policy = s->policy,
	    .flag = row->name,
	    .field = row->field,
	    .value = value};

	if (value == NULL && row->alone)
		in.value = "true";
	if (in.value == NULL && s->at < s->words->n)
		in.value = s->words->v[s->at++];
	if (in.value == NULL)
		return err_set(err, ERR_INVALID, "bad_option",
		    "option %s wants a value", row->name);
	return row->fn(&in, err);
}

static int take_long(struct scan *s, const char *word, struct err *err)
{
	const char *eq = strchr(word, '=');
	size_t len = eq != NULL ? (size_t)(eq - word) : strlen(word);
	const struct row *row = find_long(word, len);

	if (row == NULL)
		return unknown(word, err);
	return apply(s, row, eq != NULL ? eq + 1 : NULL, err);
}

/* "-e", "-eA=b", "-e=A=b" and "-it". */
static int take_letters(struct scan *s, const char *word, struct err *err)
{
	const char *at = word + 1;

	while (*at != '\0') {
		const struct row *row = find_letter(*at++);

		if (row == NULL)
			return unknown(word, err);
		if (row->alone && *at != '=') {
			TRY(apply(s, row, NULL, err));
			continue;
		}
		if (*at == '=')
			at++;
		return apply(s, row, *at != '\0' ? at : NULL, err);
	}
	return 0;
}

static int scan(struct scan *s, struct err *err)
{
	while (s->at < s->words->n) {
		const char *word = s->words->v[s->at++];

		if (strncmp(word, "--", 2) == 0 && word[2] != '\0')
			TRY(take_long(s, word, err));
		else if (word[0] == '-' && word[1] != '\0' && word[1] != '-')
			TRY(take_letters(s, word, err));
		else
			return unknown(word, err);
	}
	return 0;
}

int create_options_parse(const char *text, const struct policy *policy,
    struct create_options *ret, struct err *err)
{
	CLEANUP(words_fini) struct words words = {.v = NULL};
	CLEANUP(create_options_fini)
	struct create_options o = {.config = json_object(),
	    .host = json_object(),
	    .bindings = json_object(),
	    .aliases = json_array(),
	    .mounts = json_array()};
	struct scan s = {.out = &o, .policy = policy, .words = &words};

	TRY(words_split(text != NULL ? text : "", &words, err));
	TRY(scan(&s, err));
	*ret = o;
	o = (struct create_options){.config = NULL};
	return 0;
}

void create_options_fini(struct create_options *o)
{
	json_decref(o->config);
	json_decref(o->host);
	json_decref(o->bindings);
	json_decref(o->aliases);
	json_decref(o->mounts);
	mem_free(o->platform);
	*o = (struct create_options){.config = NULL};
}
