/*
 * `component start`, which stays and shows the five steps until the component
 * is ready or has failed, and `component stop`. Progress goes to stderr, the
 * links of what runs to stdout. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/component.h"

#define LAST_LINES   20
#define STOP_WAIT_MS (INT64_C(75) * 60 * 1000) /* beyond the longest grace */

/* -- how it ended ------------------------------------------------------ */

/* In place: builders colour their output, also where nobody sees colours. */
static char *without_colours(char *line)
{
	char *to = line;

	for (const char *from = line; *from != '\0';) {
		if (from[0] == '\033' && from[1] == '[') {
			from += 2 + strspn(from + 2, "0123456789;?");
			from += *from != '\0';
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return line;
}

static void print_indented(const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");
		CLEANUP(mem_free) char *line = mem_strndup(text, n);
		char clean[1024];

		fprintf(stderr, "  %s\n",
		    ui_clean(without_colours(line), clean, sizeof(clean)));
		text += n + (text[n] == '\n');
	}
}

/* What it said last: its own output, or the build's. That there is none is no
 * error of its own here. */
static void print_last_lines(
    struct client *c, const struct invocation *v, const char *id)
{
	CLEANUP(mem_free) char *suffix =
	    mem_printf("/logs?tail=%d", LAST_LINES);
	CLEANUP(mem_free)
	char *target = component_instance_target(v->o, id, suffix);
	CLEANUP(json_decref) json_t *reply = NULL;
	struct err err = ERR_INIT;
	const char *text;

	if (client_call(c, &v->ctx, "GET", target, NULL, &reply, &err) < 0)
		return;
	text = reply_str(reply, "logs", "");
	if (*text == '\0')
		return;
	fputs("Its last lines:\n", stderr);
	print_indented(text);
	fprintf(
	    stderr, "All of them: runnerhub component logs --build %s\n", id);
}

static int tell_end(
    struct client *c, const struct invocation *v, const json_t *instance)
{
	CLEANUP(buf_fini) struct buf links = {.max = 64 * 1024};
	const char *status = reply_str(instance, "status", "?");
	const char *ref = reply_str(instance, "componentRef", "?");
	const char *error = reply_str(instance, "error", NULL);
	char id[80], shown[300], why[800];
	bool runs = strcmp(status, "running") == 0;

	if (v->json)
		reply_print(instance, false);
	ui_clean(reply_str(instance, "id", "?"), id, sizeof(id));
	ui_clean(ref, shown, sizeof(shown));
	if (!runs) {
		fprintf(stderr, "runnerhub: %s: %s\n", shown,
		    error != NULL ? ui_clean(error, why, sizeof(why))
				  : "it was stopped before it was ready");
		if (error != NULL)
			print_last_lines(c, v, id);
		return EXIT_FAILED;
	}
	fprintf(stderr,
	    "%s is ready. Its log: runnerhub component logs -f %s\n", shown,
	    id);
	component_links(c, instance, "", &links);
	if (!v->json)
		ui_print(&links);
	return EXIT_OK;
}

/* -- start ------------------------------------------------------------- */

struct stay {
	struct progress *progress;
	json_t *last; /* once it is not starting any more */
};

static bool seen(void *arg, const json_t *instance)
{
	struct stay *s = arg;

	progress_show(s->progress, instance);
	if (strcmp(reply_str(instance, "status", ""), "starting") == 0)
		return true;
	s->last = json_incref((json_t *)instance);
	return false;
}

/* Ctrl-C leaves; the start goes on. */
static void on_leaving(const char *id)
{
	char hint[256];

	snprintf(hint, sizeof(hint),
	    "\nThe start goes on. How it does: runnerhub component status "
	    "%.64s\nEnd it: runnerhub component stop %.64s\n",
	    id, id);
	ui_on_interrupt(hint);
}

static int stay_until_settled(struct client *c, const struct invocation *v,
    const char *id, json_t **ret, struct err *err)
{
	CLEANUP(progress_close) struct progress *progress = progress_open();
	struct stay s = {.progress = progress};

	on_leaving(id);
	TRY(component_watch(c, &v->ctx, v->o, id, seen, &s, err));
	*ret = s.last;
	return 0;
}

static int start(struct client *c, const struct invocation *v, int *ret_exit,
    struct err *err)
{
	CLEANUP(mem_free)
	char *ref = component_whole_ref(args_operand(&v->args, 0));
	CLEANUP(mem_free) char *target = component_target(v->o, "/start?wait=false");
	CLEANUP(json_decref) json_t *body = json_object();
	CLEANUP(json_decref) json_t *instance = NULL;
	CLEANUP(json_decref) json_t *last = NULL;
	char id[80], shown[300];

	json_object_set_new(body, "entityRef", json_string(ref));
	TRY(client_call(c, &v->ctx, "POST", target, body, &instance, err));
	ui_clean(reply_str(instance, "id", NULL), id, sizeof(id));
	if (args_has(&v->args, "detach")) {
		*ret_exit = EXIT_OK;
		if (v->json)
			reply_print(instance, false);
		else
			printf("%s\n", id);
		return 0;
	}
	fprintf(stderr, "Starting %s, instance %s\n",
	    ui_clean(
		reply_str(instance, "componentRef", ref), shown, sizeof(shown)),
	    id);
	TRY(stay_until_settled(c, v, id, &last, err));
	*ret_exit = tell_end(c, v, last);
	return 0;
}

static int start_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_component_start, argc, argv, &rc))
		return rc;
	if (args_has(&v.args, "wait") && args_has(&v.args, "detach")) {
		IGNORE(err_set(&err, ERR_INVALID, "usage",
		    "--wait and --detach exclude each other"));
		return command_usage_error(&command_component_start, &err);
	}
	if (command_client(&c, v.o, &err) < 0 || start(c, &v, &rc, &err) < 0)
		return command_fail(&err);
	return rc;
}

static const struct command_option start_options[] = {
    {"detach", 'd', NULL, "print its id and end, do not wait", NULL},
    {"wait", 'w', NULL, "until it is ready or has failed (the default)", NULL},
    {0},
};

const struct command command_component_start = {
    .name = "component start",
    .operands = "REF",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "build and run a component",
    .details =
	"REF is kind:namespace/name, or less: \"shop\" means "
	"component:default/shop. Shows the five steps until the component is "
	"ready, then prints the addresses that it is reached at; ends with 1 "
	"when it fails, behind the reason, what to do, and its last lines. "
	"Ctrl-C leaves it starting.",
    .options = start_options,
    .run = start_run,
};

/* -- stop -------------------------------------------------------------- */

static int stop(
    struct client *c, const struct invocation *v, json_t **ret, struct err *err)
{
	CLEANUP(mem_free) char *target = component_target(v->o, "/stop");
	CLEANUP(json_decref) json_t *body = json_object();
	CLEANUP(json_decref) json_t *instance = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(mem_free) char *show = NULL;
	struct ctx patient = ctx_with_timeout(&v->ctx, STOP_WAIT_MS);
	const char *id;

	TRY(component_find(
	    c, &v->ctx, v->o, args_operand(&v->args, 0), &instance, err));
	id = reply_str(instance, "id", "");
	json_object_set_new(body, "instanceId", json_string(id));
	ui_live("stopping it ...");
	TRY(client_call(c, &patient, "POST", target, body, &reply, err));
	show = component_instance_target(v->o, id, "");
	return client_call(c, &v->ctx, "GET", show, NULL, ret, err);
}

static int stop_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *instance = NULL;
	struct err err = ERR_INIT;
	char ref[300];
	int rc;

	if (!invocation_begin(&v, &command_component_stop, argc, argv, &rc))
		return rc;
	rc = command_client(&c, v.o, &err);
	if (rc == 0)
		rc = stop(c, &v, &instance, &err);
	ui_live_clear();
	if (rc < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(instance, false);
	else
		printf("%s is %s\n",
		    ui_clean(reply_str(instance, "componentRef", "?"), ref,
			sizeof(ref)),
		    strcmp(reply_str(instance, "status", ""), "stopped") == 0
			? "stopped"
			: "stopping");
	return EXIT_OK;
}

const struct command command_component_stop = {
    .name = "component stop",
    .operands = "ID|REF",
    .operands_min = 1,
    .operands_max = 1,
    .flags = COMMAND_CLIENT,
    .summary = "stop a component, or give up its start",
    .details = "Waits until its container is gone. One that has ended already "
	       "is no error. REF means its newest instance.",
    .run = stop_run,
};
