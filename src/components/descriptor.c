/*
 * .runner/config.yml: its keys, what they mean when they are absent, and what
 * must fit together. Reads the whole file before it judges. Pure, any thread.
 */
#include "components/descriptor.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "components/descriptor_internal.h"

#define CODE "INVALID_CONFIGURATION"

#define MEBIBYTE (1024.0 * 1024)

/* -- build, resources -------------------------------------------------- */

static void read_context(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	r->d->context_at = descriptor_place(item);
	read_path(r, k, item, path);
}

static void read_args(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	(void)k;
	read_pairs(r, item, path, &r->d->args, &r->d->nargs);
}

static const struct key build_keys[] = {
    {.name = "context",
	.read = read_context,
	.offset = AT(context),
	.expected = "a directory of the repository, such as . or web"},
    {.name = "args", .read = read_args},
    {.name = "target",
	.read = read_name,
	.offset = AT(target),
	.max = 128,
	.expected = "the name of a stage of the Dockerfile"},
    {0},
};

static const struct key resource_keys[] = {
    {.name = "cpus",
	.read = read_number,
	.offset = AT(cpus),
	.min = 0.01,
	.max = 1024,
	.expected = "a number of CPUs from 0.01 to 1024, such as 0.5"},
    {.name = "memory",
	.read = read_bytes,
	.offset = AT(memory_bytes),
	.min = 6 * MEBIBYTE,
	.max = 64 * MEBIBYTE * MEBIBYTE,
	.expected = "a size from 6m, such as 512m or 1.5g"},
    {.name = "pids",
	.read = read_count,
	.offset = AT(pids),
	.min = 1,
	.max = 4194304,
	.expected = "a whole number from 1 to 4194304"},
    {0},
};

static void read_group(struct reading *r, const struct key *k,
    const struct key *keys, const struct yaml_item *item, const char *path)
{
	if (item->kind == YAML_MAP)
		descriptor_read_map(r, keys, item, path);
	else
		descriptor_wrong(r, k, item, path);
}

static void read_build(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	read_group(r, k, build_keys, item, path);
}

static void read_resources(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	read_group(r, k, resource_keys, item, path);
}

/* -- runner ------------------------------------------------------------ */

static void read_type(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	if (item->kind != YAML_SCALAR || strcmp(item->text, "docker") != 0)
		descriptor_wrong(r, k, item, path);
}

static void read_dockerfile(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	r->d->dockerfile_at = descriptor_place(item);
	read_path(r, k, item, path);
}

static void read_environment(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	(void)k;
	read_pairs(r, item, path, &r->d->environment, &r->d->nenvironment);
}

static void read_restart(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	static const struct {
		const char *word;
		enum restart_policy policy;
	} words[] = {{"no", RESTART_NO}, {"on-failure", RESTART_ON_FAILURE},
	    {"always", RESTART_ALWAYS}};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (item->kind == YAML_SCALAR &&
		    strcmp(item->text, words[i].word) == 0) {
			r->d->restart = words[i].policy;
			return;
		}
	descriptor_wrong(r, k, item, path);
}

static const struct key runner_keys[] = {
    {.name = "type", .read = read_type, .required = true, .expected = "docker"},
    {.name = "dockerfile",
	.read = read_dockerfile,
	.offset = AT(dockerfile),
	.required = true,
	.min = 1,
	.expected = "the path of the Dockerfile in the repository, such as "
		    "Dockerfile"},
    {.name = "ports",
	.read = read_ports,
	.required = true,
	.expected = "a list of ports, such as [8080] or [\"8080:80\"]"},
    {.name = "environment", .read = read_environment},
    {.name = "healthCheck",
	.read = descriptor_read_health,
	.expected = "a map with kind, path, port, interval, timeout, retries, "
		    "startPeriod"},
    {.name = "build",
	.read = read_build,
	.expected = "a map with context, args, target"},
    {.name = "resources",
	.read = read_resources,
	.expected = "a map with cpus, memory, pids"},
    {.name = "command",
	.read = read_command,
	.expected = "a list of words, such as [\"node\", \"server.js\"]"},
    {.name = "secrets",
	.read = read_secrets,
	.expected = "a list of names, such as [API_TOKEN]"},
    {.name = "ttl",
	.read = read_duration,
	.offset = AT(ttl_ms),
	.min = SECOND,
	.max = 365 * DAY,
	.expected = "a duration from 1s to 365d, such as 8h"},
    {.name = "idleStop",
	.read = read_duration,
	.offset = AT(idle_ms),
	.min = SECOND,
	.max = 365 * DAY,
	.expected = "a duration from 1s to 365d, such as 30m"},
    {.name = "stopGracePeriod",
	.read = read_duration,
	.offset = AT(stop_grace_ms),
	.min = SECOND,
	.max = HOUR,
	.expected = "a duration from 1s to 1h, such as 10s"},
    {.name = "restart",
	.read = read_restart,
	.expected = "no, on-failure or always"},
    {0},
};

/* -- what must fit together -------------------------------------------- */

static bool has_pair(
    const struct descriptor_pair *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0)
			return true;
	return false;
}

static void check_secrets(struct reading *r, const struct yaml_item *runner)
{
	const struct descriptor *d = r->d;
	const struct yaml_item *list = yaml_item_get(runner, "secrets");

	for (size_t i = 0; d->secrets != NULL && d->secrets[i] != NULL; i++)
		if (has_pair(d->environment, d->nenvironment, d->secrets[i]))
			problems_error(r->problems, descriptor_place(list),
			    "runner.secrets: %s stands in runner.environment "
			    "as well: it can be only one of them",
			    d->secrets[i]);
}

static void read_runner(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	if (item->kind != YAML_MAP) {
		descriptor_wrong(r, k, item, path);
		return;
	}
	descriptor_read_map(r, runner_keys, item, path);
	if (r->d->context == NULL)
		r->d->context = mem_strdup(".");
	check_secrets(r, item);
	descriptor_fill_health(r, item);
}

static const struct key top_keys[] = {
    {.name = "runner",
	.read = read_runner,
	.required = true,
	.expected = "a map with type, dockerfile, ports"},
    {0},
};

static void read_file(struct reading *r, const char *text, size_t len)
{
	CLEANUP(yaml_doc_free) struct yaml_doc *doc = NULL;
	const struct yaml_item *root;
	struct yaml_wrong wrong;
	struct err err = ERR_INIT;

	if (yaml_doc_parse_at(&doc, "", text, len, &wrong, &err) < 0) {
		problems_error(r->problems,
		    (struct place){wrong.line, wrong.column}, "%s",
		    wrong.what != NULL ? wrong.what : err.msg);
		return;
	}
	root = yaml_doc_root(doc);
	if (root == NULL || yaml_item_is_null(root))
		problems_error(r->problems, (struct place){0},
		    "the file is empty: expected a map \"runner\" with type, "
		    "dockerfile, ports");
	else if (root->kind != YAML_MAP)
		problems_error(r->problems, descriptor_place(root),
		    "expected a map \"runner\" with type, dockerfile, ports");
	else
		descriptor_read_map(r, top_keys, root, "");
}

int descriptor_parse(const char *text, size_t len, const char *file,
    struct descriptor *ret, struct problems *problems, struct err *err)
{
	struct descriptor d = {0};
	struct reading r = {&d, problems};

	if (len > DESCRIPTOR_BYTES_MAX)
		problems_error(problems, (struct place){0},
		    "the file is larger than %d KiB",
		    DESCRIPTOR_BYTES_MAX / 1024);
	else
		read_file(&r, text, len);
	problems_sort(problems);
	if (problems_judge(problems, file, CODE, err) < 0) {
		descriptor_fini(&d);
		return -1;
	}
	*ret = d;
	return 0;
}

static void free_pairs(struct descriptor_pair *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		mem_free(v[i].name);
		mem_free(v[i].value);
	}
	mem_free(v);
}

static void free_list(char **v)
{
	for (size_t i = 0; v != NULL && v[i] != NULL; i++)
		mem_free(v[i]);
	mem_free(v);
}

void descriptor_fini(struct descriptor *d)
{
	mem_free(d->dockerfile);
	mem_free(d->context);
	mem_free(d->target);
	free_pairs(d->args, d->nargs);
	free_pairs(d->environment, d->nenvironment);
	mem_free(d->ports);
	mem_free(d->health.path);
	free_list(d->command);
	free_list(d->secrets);
	*d = (struct descriptor){0};
}
