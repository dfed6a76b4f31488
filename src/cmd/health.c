/* `health`: is the hub well? Exit code 0 when it is. Main thread. */
#include <string.h>

#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/ui.h"

static void print_checks(const json_t *reply)
{
	CLEANUP(buf_fini) struct buf b = {.max = 64 * 1024};
	const char *status = reply_str(reply, "status", "?"), *key;
	json_t *value;
	char clean[64], name[64];

	IGNORE(buf_printf(&b, "%s%s%s\n", ui_on(ui_status_style(status)),
	    ui_clean(status, clean, sizeof(clean)), ui_off()));
	json_object_foreach(json_object_get(reply, "checks"), key, value)
	{
		const char *text = json_string_value(value);

		text = text != NULL ? text : "?";
		IGNORE(buf_printf(&b, "  %-12s %s%s%s\n",
		    ui_clean(key, name, sizeof(name)),
		    ui_on(ui_status_style(text)),
		    ui_clean(text, clean, sizeof(clean)), ui_off()));
	}
	ui_print(&b);
}

static int health_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	struct err err = ERR_INIT;
	int rc, status;

	if (!invocation_begin(&v, &command_health, argc, argv, &rc))
		return rc;
	if (command_client(&c, v.o, &err) < 0 ||
	    client_get_any(c, &v.ctx, "/health", &status, &reply, &err) < 0)
		return command_fail(&err);
	if (reply_str(reply, "status", NULL) == NULL) {
		err_set(&err, ERR_INTERNAL, NULL,
		    "%s/health answered with status %d and no health: is "
		    "that a hub?",
		    client_url(c), status);
		return command_fail(&err);
	}
	if (v.json)
		reply_print(reply, false);
	else
		print_checks(reply);
	return status == 200 ? EXIT_OK : EXIT_FAILED;
}

const struct command command_health = {
    .name = "health",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "ask the hub how it is",
    .details = "Ends with 0 when it is healthy, 1 when it is not, 3 when it "
	       "does not answer.",
    .run = health_run,
};
