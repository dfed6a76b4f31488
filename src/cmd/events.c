/*
 * `events`: what happens on the hub, as it happens. Reconnects by itself and
 * continues after the last event it saw. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/ctx.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/sse.h"
#include "cmd/ui.h"
#include "net/http_client.h"

#define RETRY_FIRST_MS 200
#define RETRY_MAX_MS   5000

struct watch {
	struct sse sse;
	bool json;
	bool seen; /* bytes came over this connection */
};

static void print_json(const struct sse_event *ev, const json_t *data)
{
	json_t *o = json_pack(
	    "{s:s, s:s, s:O?}", "id", ev->id, "event", ev->type, "data", data);

	if (o == NULL) /* an id or type that is not UTF-8 */
		return;
	reply_print(o, true);
	json_decref(o);
}

/* "12:00:01.123 job:status  test/repo  0190...  running" */
static void print_line(const struct sse_event *ev, const json_t *data)
{
	CLEANUP(buf_fini) struct buf b = {.max = 64 * 1024};
	char iso[CLOCK_ISO_LEN], clean[200];
	const char *status = reply_str(data, "status", NULL);
	const char *at = reply_str(data, "at", NULL);
	static const char *const keys[] = {
	    "repository", "jobId", "name", "reason"};
	int64_t when;

	/* the hub's time where it says one */
	if (at == NULL || clock_parse_iso(at, &when) < 0)
		when = clock_wall_ns();
	clock_iso(when, iso);
	IGNORE(buf_printf(&b, "%s%.12s%s %-14s", ui_on(UI_DIM), iso + 11,
	    ui_off(), ui_clean(ev->type, clean, sizeof(clean))));
	if (status != NULL)
		IGNORE(
		    buf_printf(&b, " %s%-9s%s", ui_on(ui_status_style(status)),
			ui_clean(status, clean, sizeof(clean)), ui_off()));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (reply_str(data, keys[i], NULL) != NULL)
			IGNORE(buf_printf(&b, "  %s",
			    ui_clean(reply_str(data, keys[i], NULL), clean,
				sizeof(clean))));
	IGNORE(buf_append_char(&b, '\n'));
	ui_print(&b);
}

static int on_event(void *arg, const struct sse_event *ev, struct err *err)
{
	struct watch *w = arg;
	json_t *data = json_loads(ev->data, JSON_DECODE_ANY, NULL);

	(void)err;
	ui_live_clear();
	if (w->json)
		print_json(ev, data);
	else if (strcmp(ev->type, "metrics") != 0) /* figures, for programs */
		print_line(ev, data);
	json_decref(data);
	return 0;
}

static int on_bytes(void *arg, const char *data, size_t len, struct err *err)
{
	struct watch *w = arg;

	w->seen = true;
	return sse_feed(&w->sse, data, len, err);
}

static void build_target(const struct args *a, struct buf *out)
{
	const char *job = args_get(a, "job"), *repo = args_get(a, "repo");

	IGNORE(buf_append_str(out, "/api/events"));
	if (job != NULL) {
		IGNORE(buf_append_str(out, "?jobId="));
		http_encode(out, job);
	}
	if (repo != NULL) {
		IGNORE(
		    buf_printf(out, "%crepository=", job != NULL ? '&' : '?'));
		http_encode(out, repo);
	}
}

/* Until something that waiting does not help. The hub must answer the first
 * time; later it may be away as long as it likes. */
static int watch(struct client *c, const struct ctx *ctx, const char *target,
    struct watch *w, struct err *err)
{
	int64_t pause = RETRY_FIRST_MS;
	bool connected = false;
	char header[96];
	int rc;

	for (;;) {
		snprintf(
		    header, sizeof(header), "Last-Event-ID: %s", w->sse.id);
		w->seen = false;
		rc = client_stream(c, ctx, target,
		    w->sse.id[0] != '\0' ? header : NULL, on_bytes, w, err);
		connected = connected || rc == 0 || w->seen;
		if (rc < 0 && (!connected || (err->kind != ERR_UNAVAILABLE &&
						 err->kind != ERR_UNCERTAIN &&
						 err->kind != ERR_TIMEOUT)))
			return -1;
		if (rc == 0 || w->seen)
			pause = RETRY_FIRST_MS;
		sse_reset(&w->sse);
		err_clear(err);
		ui_live("the hub is away, trying again");
		TRY(ctx_sleep(ctx, pause, err));
		pause = pause * 2 < RETRY_MAX_MS ? pause * 2 : RETRY_MAX_MS;
	}
}

static int events_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(buf_fini) struct buf target = {.max = 64 * 1024};
	struct watch w = {.json = false};
	struct err err = ERR_INIT;
	const char *last;
	int rc;

	if (!invocation_begin(&v, &command_events, argc, argv, &rc))
		return rc;
	build_target(&v.args, &target);
	sse_init(&w.sse, on_event, &w);
	w.json = v.json;
	last = args_get(&v.args, "after");
	if (last != NULL)
		snprintf(w.sse.id, sizeof(w.sse.id), "%s", last);
	sse_reset(&w.sse);
	if (command_client(&c, v.o, &err) == 0)
		IGNORE(watch(
		    c, &v.ctx, buf_str(&target), &w, &err)); /* only fails */
	sse_fini(&w.sse);
	return command_fail(&err);
}

static const struct command_option events_options[] = {
    {"job", 0, "ID", "only of this job", NULL},
    {"repo", 'r', "OWNER/REPO", "only of this repository", NULL},
    {"after", 0, "ID", "first those after this event", NULL},
    {0},
};

const struct command command_events = {
    .name = "events",
    .operands = "",
    .flags = COMMAND_CLIENT,
    .summary = "watch what happens on the hub",
    .details = "Goes on until interrupted, through restarts of the hub, "
	       "without losing an event.",
    .options = events_options,
    .run = events_run,
};
