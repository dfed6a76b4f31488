/* `audit list`, `audit verify`, `audit export`: who did what. Main thread. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/ui.h"
#include "net/http_client.h"

/* -- the query --------------------------------------------------------- */

static const char *const filters[][2] = {{"actor", "actor"},
    {"action", "action"}, {"object", "object"}, {"result", "result"},
    {"since", "startDate"}, {"until", "endDate"}, {"limit", "limit"},
    {"before", "before"}, {"format", "format"}, {"noted", "noted"}};

/* The options that were given, as query parameters. For mem_free. */
static char *target_of(const struct args *args, const char *path)
{
	struct buf out = {.max = 64 * 1024};
	char sep = '?';

	IGNORE(buf_append_str(&out, path));
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const char *value = args_get(args, filters[i][0]);

		if (value == NULL)
			continue;
		IGNORE(buf_printf(&out, "%c%s=", sep, filters[i][1]));
		http_encode(&out, value);
		sep = '&';
	}
	return buf_steal(&out, NULL);
}

/* -- list -------------------------------------------------------------- */

static enum ui_style style_of(const char *result)
{
	if (strcmp(result, "ok") == 0)
		return UI_PLAIN;
	return strcmp(result, "refused") == 0 ? UI_RED : UI_YELLOW;
}

static void print_table(const json_t *rows)
{
	static const char *const heads[] = {
	    "ROW", "TIME", "WHO", "FROM", "WHAT", "TO", "RESULT"};
	struct ui_table t;
	const json_t *row;
	char number[24];
	size_t i;

	ui_table_init(&t, ARRAY_LEN(heads));
	for (i = 0; i < ARRAY_LEN(heads); i++)
		ui_table_cell(&t, UI_BOLD, heads[i]);
	json_array_foreach(rows, i, row)
	{
		const char *result = reply_str(row, "result", "?");

		snprintf(number, sizeof(number), "%lld",
		    (long long)reply_int(row, "seq", 0));
		ui_table_cell(&t, UI_DIM, number);
		ui_table_cell(&t, UI_DIM, reply_str(row, "at", "?"));
		ui_table_cell(&t, UI_PLAIN, reply_str(row, "actor", "?"));
		ui_table_cell(&t, UI_DIM, reply_str(row, "address", "?"));
		ui_table_cell(&t, UI_PLAIN, reply_str(row, "action", "?"));
		ui_table_cell(&t, UI_PLAIN, reply_str(row, "object", "-"));
		ui_table_cell(&t, style_of(result), result);
	}
	ui_table_print(&t);
	ui_table_fini(&t);
}

static int list_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	CLEANUP(mem_free) char *target = NULL;
	struct err err = ERR_INIT;
	int64_t next;
	int rc;

	if (!invocation_begin(&v, &command_audit_list, argc, argv, &rc))
		return rc;
	target = target_of(&v.args, "/api/audit");
	if (command_client(&c, v.o, &err) < 0 ||
	    client_call(c, &v.ctx, "GET", target, NULL, &reply, &err) < 0)
		return command_fail(&err);
	if (v.json) {
		reply_print(json_object_get(reply, "data"), false);
		return EXIT_OK;
	}
	print_table(json_object_get(reply, "data"));
	next = reply_int(reply, "next", 0);
	if (next > 0)
		fprintf(stderr, "older rows: --before=%lld\n", (long long)next);
	return EXIT_OK;
}

#define FILTER_OPTIONS                                                         \
	{"actor", 0, "WHO", "only by this one", NULL},                         \
	    {"action", 0, "WHAT", "only this action", NULL},                   \
	    {"object", 0, "ID", "only to this object", NULL},                  \
	    {"result", 'r', "RESULT", "only with this result",                 \
		"ok refused failed"},                                          \
	    {"since", 0, "TIME", "only from then on", NULL},                   \
	{                                                                      \
		"until", 0, "TIME", "only until then", NULL                    \
	}

static const struct command_option list_options[] = {
    FILTER_OPTIONS,
    {"limit", 'n', "N", "rows to show, 100 if not given", NULL},
    {"before", 0, "ROW", "only rows before this one", NULL},
    {0},
};

const struct command command_audit_list = {
    .name = "audit list",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "list who did what, newest first",
    .options = list_options,
    .run = list_run,
};

/* -- verify ------------------------------------------------------------ */

static void print_report(const json_t *report)
{
	char clean[300];

	if (reply_int(report, "rows", 0) == 0)
		printf("The audit log is empty.\n");
	else
		printf("Rows %lld to %lld, %lld of them.\n",
		    (long long)reply_int(report, "first", 0),
		    (long long)reply_int(report, "last", 0),
		    (long long)reply_int(report, "rows", 0));
	if (json_is_true(json_object_get(report, "intact"))) {
		printf("%sIntact.%s\n", ui_on(UI_GREEN), ui_off());
		if (reply_str(report, "head", NULL) != NULL)
			printf("Note this elsewhere, and later give it to "
			       "--noted: %lld:%s\n",
			    (long long)reply_int(report, "last", 0),
			    ui_clean(reply_str(report, "head", ""), clean,
				sizeof(clean)));
		return;
	}
	printf("%sBroken at row %lld%s: %s.\n", ui_on(UI_RED),
	    (long long)reply_int(report, "brokenAt", 0), ui_off(),
	    ui_clean(reply_str(report, "problem", "?"), clean, sizeof(clean)));
}

static int verify_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *report = NULL;
	CLEANUP(mem_free) char *target = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_audit_verify, argc, argv, &rc))
		return rc;
	target = target_of(&v.args, "/api/audit/verify");
	if (command_client(&c, v.o, &err) < 0 ||
	    client_get(c, &v.ctx, target, &report, &err) < 0)
		return command_fail(&err);
	if (v.json)
		reply_print(report, false);
	else
		print_report(report);
	return json_is_true(json_object_get(report, "intact")) ? EXIT_OK
							       : EXIT_FAILED;
}

static const struct command_option verify_options[] = {
    {"noted", 0, "ROW:HASH", "what an earlier check printed, to be found again",
	NULL},
    {0},
};

const struct command command_audit_verify = {
    .name = "audit verify",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "check that no row was changed, taken out or put in",
    .details = "Each row carries a hash over itself and the one before, made "
	       "with a key of the hub. The exit code is 1 when the "
	       "chain is broken. A database that was put back whole from an "
	       "older copy shows only by --noted.",
    .options = verify_options,
    .run = verify_run,
};

/* -- export ------------------------------------------------------------ */

static int take(void *arg, const char *data, size_t len, struct err *err)
{
	(void)arg;
	(void)err;
	ui_write(data, len);
	return 0;
}

static int export_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(mem_free) char *target = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (!invocation_begin(&v, &command_audit_export, argc, argv, &rc))
		return rc;
	target = target_of(&v.args, "/api/audit/export");
	if (command_client(&c, v.o, &err) < 0 ||
	    client_stream(c, &v.ctx, target, NULL, take, NULL, &err) < 0)
		return command_fail(&err);
	return EXIT_OK;
}

static const struct command_option export_options[] = {
    FILTER_OPTIONS,
    {"format", 0, "FORMAT", "json (a row per line) or csv", "json csv"},
    {0},
};

const struct command command_audit_export = {
    .name = "audit export",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "write the audit log to standard output, oldest first",
    .options = export_options,
    .run = export_run,
};
