/*
 * `job delegate` and `job retry`: hand a job to the hub, and with --follow or
 * --wait stay until it has ended. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/job.h"
#include "cmd/ui.h"

/* Log to stdout, everything about it to stderr: a pipe gets the job's own
 * bytes. */
static int stay(struct client *c, const struct invocation *v, const char *id,
    json_t **ret_job, struct err *err)
{
	struct job_log_options lo = {0};
	char hint[256];

	snprintf(hint, sizeof(hint),
	    "\nThe job goes on. Back to it: runnerhub job logs -f %.64s\n"
	    "End it: runnerhub job cancel %.64s\n",
	    id, id);
	ui_on_interrupt(hint);
	if (args_has(&v->args, "follow"))
		TRY(job_follow_log(c, &v->ctx, id, &lo, err));
	return job_wait_end(c, &v->ctx, id, ret_job, err);
}

static void say_end(const json_t *job)
{
	CLEANUP(buf_fini) struct buf line = {.max = 4096};

	job_sum_up(job, &line);
	fprintf(stderr, "runnerhub: job %s\n", buf_str(&line));
}

/* request: NULL, the target says it all. */
static int delegate(struct client *c, const struct invocation *v,
    const char *target, const json_t *request, int *ret_exit, struct err *err)
{
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(json_decref) json_t *job = NULL;
	bool follow = args_has(&v->args, "follow");
	bool wait = follow || args_has(&v->args, "wait");
	const json_t *data;
	const char *id;
	char clean[80];

	TRY(client_call(c, &v->ctx, "POST", target, request, &reply, err));
	reply_warnings(reply);
	data = json_object_get(reply, "data");
	id = reply_str(data, "delegationId", NULL);
	if (id == NULL)
		return err_set(err, ERR_INTERNAL, NULL,
		    "the answer of %s names no job: is that a hub?",
		    client_url(c));
	*ret_exit = EXIT_OK;
	ui_clean(id, clean, sizeof(clean));
	if (follow)
		fprintf(stderr, "runnerhub: job %s\n", clean);
	else if (!v->json)
		printf("%s\n", clean);
	fflush(stdout);
	if (!wait && v->json)
		reply_print(data, false);
	if (!wait)
		return 0;
	TRY(stay(c, v, id, &job, err));
	*ret_exit = job_exit_code(job);
	if (v->json)
		reply_print(job, false);
	else
		say_end(job);
	return 0;
}

static int delegate_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *request = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_job_delegate, argc, argv, &rc))
		return rc;
	if (job_request_build(&v.args, &request, &err) < 0)
		return strcmp(err.code, "usage") == 0
			   ? command_usage_error(&command_job_delegate, &err)
			   : command_fail(&err);
	if (command_client(&c, v.o, &err) < 0 ||
	    delegate(c, &v, "/api/jobs/delegate", request, &rc, &err) < 0)
		return command_fail(&err);
	return rc;
}

#define STAY_OPTIONS                                                           \
	{"follow", 'f', NULL,                                                  \
	    "print its output as it comes, end with its code", NULL},          \
	{                                                                      \
		"wait", 'w', NULL, "wait for its end, end with its code", NULL \
	}

static const struct command_option delegate_options[] = {
    {"step", 's', "CMD", "a step; repeatable; 'name: cmd' names it", NULL},
    {"file", 'F', "FILE", "the job as JSON or YAML, - for standard input",
	NULL},
    {"session", 0, NULL, "no steps: a container for a proxy to drive", NULL},
    {"repo", 'r', "OWNER/REPO", "repository [local/cli]", NULL},
    {"run-id", 0, "ID", "run [a new one]", NULL},
    {"job-id", 0, "ID", "job within the run [cli]", NULL},
    {"attempt", 0, "N", "attempt of the job [1]", NULL},
    {"image", 'i', "IMAGE", "image [by labels, else the hub's default]", NULL},
    {"env", 'e', "NAME=VALUE", "variable of all steps; repeatable", NULL},
    {"secret", 0, "NAME[=@FILE]",
	"secret, from the environment or a file; repeatable", NULL},
    {"named-secret", 0, "NAME[=SECRET]",
	"secret that the hub keeps, as that variable; repeatable", NULL},
    {"label", 'l', "LABEL", "label; repeatable", NULL},
    {"priority", 'p', "N", "0 to 100, higher first [50]", NULL},
    {"timeout", 't', "TIME", "longest run: 90s, 10m, 2h", NULL},
    {"cpus", 0, "N", "CPUs: 0.5, 2", NULL},
    {"memory", 'm', "SIZE", "memory: 512m, 4g", NULL},
    {"workflow", 0, "NAME", "name of the workflow", NULL},
    {"runner", 0, "NAME", "name of the proxy runner", NULL},
    {"ref", 0, "REF", "GITHUB_REF of the job", NULL},
    {"sha", 0, "SHA", "GITHUB_SHA of the job", NULL},
    STAY_OPTIONS,
    {0},
};

const struct command command_job_delegate = {
    .name = "job delegate",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "hand a job to the hub",
    .details =
	"The job comes from --file, from flags, or from both: flags win, "
	"steps are added. With --follow the job's output goes to standard "
	"output and everything else to standard error. With --follow or "
	"--wait the exit code is the job's: that of its failed step, 1 when "
	"it failed without one, 130 when it was cancelled.",
    .options = delegate_options,
    .run = delegate_run,
};

/* -- retry ------------------------------------------------------------- */

static int retry_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(mem_free) char *path = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_job_retry, argc, argv, &rc))
		return rc;
	path = client_job_path(args_operand(&v.args, 0), "/retry");
	if (command_client(&c, v.o, &err) < 0 ||
	    delegate(c, &v, path, NULL, &rc, &err) < 0)
		return command_fail(&err);
	return rc;
}

static const struct command_option retry_options[] = {STAY_OPTIONS, {0}};

const struct command command_job_retry = {
    .name = "job retry",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "run a job again that has ended",
    .details = "The same content as its next attempt; prints the id of that. "
	       "Not for sessions, and not for jobs with secrets: those are "
	       "deleted when a job ends.",
    .options = retry_options,
    .run = retry_run,
};
