/*
 * The job and the plan of a step: see job.h. Called by the agent's loop.
 * Reading back what a step left is in job_collect.c.
 */
#include "agent/job.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/job_files.h"
#include "base/mem.h"

#define DEFAULT_PATH                                                           \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define WORDS_MAX 64 /* of a shell command line */

void job_init(struct job *j)
{
	*j = (struct job){0};
	buf_init(&j->paths, JOB_PATHS_MAX);
}

static int take(struct job *j, struct wire_reader *body, struct stream_hub *hub,
    struct err *err)
{
	CLEANUP(command_job_fini) struct command_job c = {0};

	TRY(command_job_parse(body, &c, err));
	for (size_t i = 0; i < c.mask_count; i++)
		stream_hub_mask(
		    hub, WIRE_STEP_NONE, c.masks[i].s, c.masks[i].len);
	TRY(workplace_prepare(&j->place, c.user, c.workspace, err));
	j->wants_tunnel = (c.flags & WIRE_JOB_TUNNEL) != 0;
	j->env = c.env;
	c.env = (struct envlist){0};
	return 0;
}

void job_take(struct job *j, struct wire_reader *body, struct stream_hub *hub)
{
	if (j->given) {
		stream_hub_note(hub, WIRE_STEP_NONE,
		    "a second job for the same container: ignored");
		return;
	}
	j->given = true;
	j->ready = take(j, body, hub, &j->refused) == 0;
	if (!j->ready)
		stream_hub_note(hub, WIRE_STEP_NONE,
		    "the job cannot run here: %s", j->refused.msg);
}

void job_plan_fini(struct job_plan *p)
{
	for (size_t i = 0; p->argv != NULL && p->argv[i] != NULL; i++)
		mem_free(p->argv[i]);
	mem_free(p->argv);
	mem_free(p->cwd);
	mem_free(p->script);
	envlist_fini(&p->env);
	*p = (struct job_plan){0};
}

void job_plan_remove(struct job *j, const struct job_plan *p)
{
	if (p->script != NULL)
		workplace_remove(&j->place, j->place.temp, p->script);
}

/* The four files that the step may write, empty, and their variables. A step
 * that names its own has them from whoever drives it, and reads them there. */
static int plan_files(struct job *j, const struct command_run *run,
    uint16_t step, struct job_plan *p, struct err *err)
{
	char name[JOB_FILE_NAME_MAX], path[128];

	for (size_t i = 0; i < JOB_FILES; i++) {
		if (envlist_get(
			&run->env, job_file_variable((enum job_file)i)) != NULL)
			continue;
		job_file_name(name, (enum job_file)i, step);
		TRY(workplace_write(
		    &j->place, j->place.commands, name, "", 0, err));
		snprintf(path, sizeof(path), "%s/%s", WORKPLACE_COMMANDS, name);
		if (envlist_set_str(
			&p->env, job_file_variable((enum job_file)i), path) < 0)
			return err_set(err, ERR_LIMIT, NULL,
			    "the step's environment is full");
	}
	return 0;
}

static int set_path(
    struct job *j, const struct command_run *run, struct job_plan *p)
{
	const char *path = envlist_get(&p->env, "PATH");
	char *full;
	int r;

	full = mem_printf("%s%s%s", run->prepend != NULL ? run->prepend : "",
	    buf_str(&j->paths), path != NULL ? path : DEFAULT_PATH);
	r = envlist_set_str(&p->env, "PATH", full);
	mem_free(full);
	p->path = envlist_get(&p->env, "PATH");
	return r;
}

/* Later wins: image, ours, job, earlier steps, the step. */
static int merge_env(
    struct job *j, const struct command_run *run, struct job_plan *p)
{
	TRY(envlist_merge_environ(&p->env, environ));
	TRY(envlist_set_str(&p->env, "HOME", j->place.home));
	TRY(envlist_set_str(&p->env, "RUNNER_TEMP", WORKPLACE_TEMP));
	TRY(envlist_set_str(&p->env, "GITHUB_WORKSPACE", j->place.workspace));
	TRY(envlist_merge(&p->env, &j->env));
	TRY(envlist_merge(&p->env, &j->exported));
	TRY(envlist_merge(&p->env, &run->env));
	return set_path(j, run, p);
}

static int plan_env(struct job *j, const struct command_run *run, uint16_t step,
    struct job_plan *p, struct err *err)
{
	if (merge_env(j, run, p) < 0)
		return err_set(err, ERR_LIMIT, NULL,
		    "the step's environment has more than %d entries or %d "
		    "bytes",
		    ENVLIST_ENTRIES_MAX, ENVLIST_BYTES_MAX);
	return plan_files(j, run, step, p, err);
}

static bool in_path(const char *path, const char *program)
{
	char full[1024];
	struct stat st;
	size_t len;

	for (;; path += len + 1) {
		len = strcspn(path, ":");
		snprintf(
		    full, sizeof(full), "%.*s/%s", (int)len, path, program);
		if (len > 0 && stat(full, &st) == 0 && S_ISREG(st.st_mode) &&
		    (st.st_mode & 0111) != 0)
			return true;
		if (path[len] == '\0')
			return false;
	}
}

/* The word with every `hole` replaced. */
static char *fill_word(
    const char *word, size_t len, const char *hole, const char *with)
{
	size_t hole_len = strlen(hole);
	struct buf out;
	size_t i = 0;

	buf_init(&out, WIRE_PAYLOAD_MAX);
	while (i < len) {
		bool here = len - i >= hole_len &&
			    memcmp(word + i, hole, hole_len) == 0;

		if (here)
			IGNORE(buf_append_str(&out, with));
		else
			IGNORE(buf_append_char(&out, word[i]));
		i += here ? hole_len : 1;
	}
	return buf_steal(&out, NULL);
}

void job_plan_fill(struct job_plan *p, const char *hole, const char *with)
{
	char *filled;

	for (size_t i = 0; p->argv[i] != NULL; i++) {
		filled = fill_word(p->argv[i], strlen(p->argv[i]), hole, with);
		mem_free(p->argv[i]);
		p->argv[i] = filled;
	}
}

static int split_shell(
    const char *shell, const char *script, struct job_plan *p, struct err *err)
{
	bool has_hole = strstr(shell, "{0}") != NULL;
	size_t n = 0, len;

	p->argv = mem_calloc(WORDS_MAX + 2, sizeof(*p->argv));
	for (;; shell += len) {
		shell += strspn(shell, " ");
		len = strcspn(shell, " ");
		if (len == 0)
			break;
		if (n == WORDS_MAX)
			return err_set(err, ERR_LIMIT, NULL,
			    "the step's shell has more than %d words",
			    WORDS_MAX);
		p->argv[n++] = fill_word(shell, len, "{0}", script);
	}
	if (n == 0)
		return err_set(err, ERR_INVALID, NULL,
		    "the step's shell is only spaces: leave it empty or name "
		    "a program");
	if (!has_hole)
		p->argv[n] = mem_strdup(script);
	return 0;
}

static int plan_script(struct job *j, const struct command_run *run,
    uint16_t step, struct job_plan *p, struct err *err)
{
	char name[JOB_FILE_NAME_MAX], path[128];
	const char *shell = run->shell;

	if (shell[0] == '\0')
		shell =
		    in_path(p->path, "bash") ? "bash -eo pipefail" : "sh -e";
	job_script_name(name, shell, step);
	snprintf(path, sizeof(path), "%s/%s", WORKPLACE_TEMP, name);
	p->script = mem_strdup(name);
	TRY(workplace_write(&j->place, j->place.temp, name, run->script.s,
	    run->script.len, err));
	return split_shell(shell, path, p, err);
}

static void plan_argv(const struct command_run *run, struct job_plan *p)
{
	size_t n = 0;

	while (run->argv[n] != NULL)
		n++;
	p->argv = mem_calloc(n + 1, sizeof(*p->argv));
	for (size_t i = 0; i < n; i++)
		p->argv[i] = mem_strdup(run->argv[i]);
}

int job_plan_step(struct job *j, const struct command_run *run, uint16_t step,
    struct job_plan *ret, struct err *err)
{
	*ret = (struct job_plan){0};
	if (!j->given)
		return err_set(err, ERR_CONFLICT, NULL,
		    "a step before its job: the container has no job yet");
	if (!j->ready) {
		*err = j->refused;
		return -1;
	}
	ret->cwd = run->cwd[0] == '/'
		       ? mem_strdup(run->cwd)
		       : mem_printf("%s/%s", j->place.workspace, run->cwd);
	TRY(plan_env(j, run, step, ret, err));
	if (run->kind == COMMAND_SCRIPT)
		return plan_script(j, run, step, ret, err);
	plan_argv(run, ret);
	return 0;
}
