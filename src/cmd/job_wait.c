/*
 * Waiting for a job: `job wait`, and what `job delegate` uses of it. Main
 * thread; polls, because one small read per half second is nothing to the
 * hub and needs no connection that could break.
 */
#include <stdio.h>
#include <string.h>

#include "base/ctx.h"
#include "base/mem.h"
#include "cmd/job.h"
#include "cmd/ui.h"

#define POLL_FIRST_MS   50
#define POLL_MAX_MS     500
#define HUB_AWAY_MAX_MS 60000

bool job_is_final(const json_t *job)
{
	const char *s = reply_str(job, "status", "");

	return strcmp(s, "completed") == 0 || strcmp(s, "failed") == 0 ||
	       strcmp(s, "cancelled") == 0;
}

int job_exit_code(const json_t *job)
{
	const char *status = reply_str(job, "status", "");
	int64_t code = reply_int(job, "exitCode", 0);

	if (strcmp(status, "cancelled") == 0)
		return EXIT_CANCELLED;
	if (strcmp(status, "completed") == 0)
		return (int)(code & 0xff);
	/* failed: never 0, also when its last step was fine */
	return (code & 0xff) != 0 ? (int)(code & 0xff) : EXIT_FAILED;
}

static void show_waiting(const json_t *job)
{
	const json_t *waiting = json_object_get(job, "waiting");
	const char *reason = reply_str(waiting, "reason", NULL);
	char line[400], ago[32];

	snprintf(line, sizeof(line), "%s%s%s, delegated %s",
	    reply_str(job, "status", "?"), reason != NULL ? ": " : "",
	    reason != NULL ? reason : "",
	    ui_ago(reply_str(job, "createdAt", NULL), ago));
	ui_live(line);
}

int job_wait_end(struct client *c, const struct ctx *ctx, const char *id,
    json_t **ret, struct err *err)
{
	CLEANUP(mem_free) char *path = client_job_path(id, "");
	int64_t pause = POLL_FIRST_MS, away_since = 0;

	for (;;) {
		CLEANUP(json_decref) json_t *job = NULL;

		if (client_get(c, ctx, path, &job, err) == 0) {
			away_since = 0;
			if (job_is_final(job)) {
				ui_live_clear();
				*ret = STEAL(job);
				return 0;
			}
			show_waiting(job);
		} else if (strcmp(err->code, "hub_unreachable") != 0) {
			return -1;
		} else {
			if (away_since == 0)
				away_since = clock_mono_ns();
			if (clock_mono_ns() - away_since >
			    HUB_AWAY_MAX_MS * CLOCK_NS_PER_MS)
				return -1;
			ui_live("the hub is away, trying again");
			err_clear(err);
		}
		TRY(ctx_sleep(ctx, pause, err));
		pause =
		    pause * 3 / 2 < POLL_MAX_MS ? pause * 3 / 2 : POLL_MAX_MS;
	}
}

void job_sum_up(const json_t *job, struct buf *out)
{
	const char *status = reply_str(job, "status", "?");
	const json_t *exit_code = json_object_get(job, "exitCode");
	const char *error = reply_str(job, "error", NULL);
	const char *from = reply_str(job, "startedAt", NULL);
	const char *to = reply_str(job, "completedAt", NULL);
	char clean[400], took[32];
	int64_t a, b;

	IGNORE(buf_append_str(out, ui_clean(status, clean, sizeof(clean))));
	if (json_is_integer(exit_code))
		IGNORE(buf_printf(out, " with exit code %lld",
		    (long long)json_integer_value(exit_code)));
	if (from != NULL && to != NULL && clock_parse_iso(from, &a) == 0 &&
	    clock_parse_iso(to, &b) == 0)
		IGNORE(buf_printf(out, " after %s",
		    ui_duration((double)(b - a) / 1e6, took)));
	if (error != NULL)
		IGNORE(buf_printf(
		    out, ": %s", ui_clean(error, clean, sizeof(clean))));
}

static int wait_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *job = NULL;
	CLEANUP(buf_fini) struct buf line = {.max = 4096};
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_job_wait, argc, argv, &rc))
		return rc;
	if (command_client(&c, v.o, &err) < 0 ||
	    job_wait_end(c, &v.ctx, args_operand(&v.args, 0), &job, &err) < 0)
		return command_fail(&err);
	if (v.json) {
		reply_print(job, false);
	} else {
		job_sum_up(job, &line);
		IGNORE(buf_append_char(&line, '\n'));
		ui_print(&line);
	}
	return job_exit_code(job);
}

const struct command command_job_wait = {
    .name = "job wait",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "wait until a job has ended",
    .details =
	"Ends with the exit code of the job: that of its failed step, 1 when "
	"it failed without one, 130 when it was cancelled.",
    .run = wait_run,
};
