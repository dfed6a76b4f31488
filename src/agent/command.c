/*
 * Parsing of the hub's commands: see command.h. Called by the agent's loop;
 * everything is copied out of the payload, within the bounds of the header.
 */
#include "agent/command.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"

static int malformed(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "malformed_command",
	    "the command's %s is cut short, too long or has a NUL", what);
}

static int get_text(
    struct wire_reader *r, struct text *ret, const char *what, struct err *err)
{
	const char *s;
	size_t len;

	if (wire_get_str(r, &s, &len) < 0)
		return malformed(err, what);
	*ret = (struct text){.s = mem_strndup(s, len), .len = len};
	return 0;
}

static int get_string(
    struct wire_reader *r, char **ret, const char *what, struct err *err)
{
	struct text t = {0};

	TRY(get_text(r, &t, what, err));
	*ret = t.s;
	return 0;
}

static int get_u32(
    struct wire_reader *r, uint32_t *ret, const char *what, struct err *err)
{
	if (wire_get_u32(r, ret) < 0)
		return malformed(err, what);
	return 0;
}

static int get_env(struct wire_reader *r, struct envlist *ret, struct err *err)
{
	const char *key, *value;
	size_t key_len, value_len;
	uint32_t count;

	TRY(get_u32(r, &count, "environment", err));
	for (; count > 0; count--) {
		if (wire_get_str(r, &key, &key_len) < 0 ||
		    wire_get_str(r, &value, &value_len) < 0)
			return malformed(err, "environment");
		if (envlist_set(ret, key, key_len, value, value_len) < 0)
			return err_set(err, ERR_INVALID, "bad_environment",
			    "environment variable \"%.*s\" has a bad name, or "
			    "there are too many",
			    key_len < 80 ? (int)key_len : 80, key);
	}
	return 0;
}

static int get_masks(
    struct wire_reader *r, struct command_job *ret, struct err *err)
{
	uint32_t count;

	TRY(get_u32(r, &count, "mask list", err));
	if (count > COMMAND_MASKS_MAX)
		return err_set(err, ERR_LIMIT, "too_many_masks",
		    "%u values to mask, at most %d are taken", count,
		    COMMAND_MASKS_MAX);
	ret->masks = mem_calloc(count, sizeof(*ret->masks));
	for (; ret->mask_count < count; ret->mask_count++)
		TRY(get_text(
		    r, &ret->masks[ret->mask_count], "mask list", err));
	return 0;
}

int command_job_parse(
    struct wire_reader *body, struct command_job *ret, struct err *err)
{
	*ret = (struct command_job){0};
	TRY(get_string(body, &ret->user, "user", err));
	TRY(get_env(body, &ret->env, err));
	TRY(get_masks(body, ret, err));
	TRY(get_string(body, &ret->workspace, "workspace", err));
	TRY(get_u32(body, &ret->flags, "flags", err));
	if (ret->workspace[0] != '/')
		return err_set(err, ERR_INVALID, "bad_workspace",
		    "workspace \"%.200s\" is not an absolute path",
		    ret->workspace);
	return 0;
}

static void text_fini(struct text *t)
{
	if (t->s != NULL)
		secret_wipe(t->s, t->len);
	mem_free(t->s);
}

void command_job_fini(struct command_job *c)
{
	for (size_t i = 0; i < c->mask_count; i++)
		text_fini(&c->masks[i]);
	mem_free(c->masks);
	mem_free(c->user);
	mem_free(c->workspace);
	envlist_fini(&c->env);
	*c = (struct command_job){0};
}

static int get_argv(
    struct wire_reader *r, struct command_run *ret, struct err *err)
{
	uint32_t count;

	TRY(get_u32(r, &count, "argument list", err));
	if (count == 0 || count > COMMAND_ARGV_MAX)
		return err_set(err, ERR_INVALID, "bad_argv",
		    "a command of %u words: from 1 to %d are taken", count,
		    COMMAND_ARGV_MAX);
	ret->argv = mem_calloc(count + 1, sizeof(*ret->argv));
	for (uint32_t i = 0; i < count; i++)
		TRY(get_string(r, &ret->argv[i], "argument list", err));
	return 0;
}

static int get_work(struct wire_reader *r, uint32_t kind,
    struct command_run *ret, struct err *err)
{
	switch (kind) {
	case COMMAND_SCRIPT:
		ret->kind = COMMAND_SCRIPT;
		TRY(get_string(r, &ret->shell, "shell", err));
		return get_text(r, &ret->script, "script", err);
	case COMMAND_ARGV:
		ret->kind = COMMAND_ARGV;
		return get_argv(r, ret, err);
	default:
		return err_set(err, ERR_INVALID, "bad_kind",
		    "a step of unknown kind %u", kind);
	}
}

/* Every directory with its ':' behind. */
static int get_prepend(struct wire_reader *r, char **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf dirs = {0};
	const char *dir;
	uint32_t count;
	size_t len;

	buf_init(&dirs, COMMAND_PATHS_MAX);
	TRY(get_u32(r, &count, "list of directories", err));
	for (; count > 0; count--) {
		if (wire_get_str(r, &dir, &len) < 0)
			return malformed(err, "list of directories");
		if (len == 0)
			continue; /* in PATH it would be the current one */
		IGNORE(buf_append(&dirs, dir, len));
		IGNORE(buf_append_char(&dirs, ':'));
	}
	if (dirs.overflow)
		return err_set(err, ERR_LIMIT, "path_too_long",
		    "the directories to put before PATH are longer than %d "
		    "bytes",
		    COMMAND_PATHS_MAX);
	*ret = mem_strdup(buf_str(&dirs));
	return 0;
}

int command_run_parse(
    struct wire_reader *body, struct command_run *ret, struct err *err)
{
	uint32_t kind;

	*ret = (struct command_run){0};
	TRY(get_u32(body, &kind, "kind", err));
	TRY(get_string(body, &ret->name, "name", err));
	TRY(get_work(body, kind, ret, err));
	TRY(get_env(body, &ret->env, err));
	TRY(get_string(body, &ret->cwd, "working directory", err));
	if (wire_get_u64(body, &ret->timeout_ms) < 0)
		return malformed(err, "timeout");
	TRY(get_u32(body, &ret->grace_ms, "grace time", err));
	if (body->left == 0)
		return 0; /* a hub of version 1 ends here */
	TRY(get_u32(body, &ret->flags, "flags", err));
	return get_prepend(body, &ret->prepend, err);
}

void command_run_fini(struct command_run *c)
{
	mem_free(c->name);
	mem_free(c->shell);
	text_fini(&c->script);
	for (size_t i = 0; c->argv != NULL && c->argv[i] != NULL; i++)
		mem_free(c->argv[i]);
	mem_free(c->argv);
	envlist_fini(&c->env);
	mem_free(c->cwd);
	mem_free(c->prepend);
	*c = (struct command_run){0};
}
