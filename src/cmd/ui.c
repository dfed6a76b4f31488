/* Showing things to people: see ui.h. Main thread. */
#include "cmd/ui.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/utf8.h"
#include "cmd/cmd.h"

bool ui_stdout_is_terminal(void)
{
	return isatty(STDOUT_FILENO);
}

bool ui_stderr_is_terminal(void)
{
	return isatty(STDERR_FILENO);
}

static bool use_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return ui_stdout_is_terminal() && (no == NULL || *no == '\0') &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}

const char *ui_on(enum ui_style style)
{
	static const char *const codes[] = {
	    [UI_PLAIN] = "",
	    [UI_BOLD] = "\033[1m",
	    [UI_DIM] = "\033[2m",
	    [UI_RED] = "\033[31m",
	    [UI_GREEN] = "\033[32m",
	    [UI_YELLOW] = "\033[33m",
	};

	return use_colour() ? codes[style] : "";
}

const char *ui_off(void)
{
	return use_colour() ? "\033[0m" : "";
}

enum ui_style ui_status_style(const char *status)
{
	static const struct {
		const char *status;
		enum ui_style style;
	} styles[] = {{"completed", UI_GREEN}, {"success", UI_GREEN},
	    {"pass", UI_GREEN}, {"healthy", UI_GREEN}, {"ok", UI_GREEN},
	    {"failed", UI_RED}, {"failure", UI_RED}, {"fail", UI_RED},
	    {"unhealthy", UI_RED}, {"cancelled", UI_RED},
	    {"pending", UI_YELLOW}, {"degraded", UI_YELLOW},
	    {"warn", UI_YELLOW}, {"running", UI_BOLD}, {"skipped", UI_DIM},
	    {"skip", UI_DIM}};

	for (size_t i = 0; i < ARRAY_LEN(styles); i++)
		if (strcmp(styles[i].status, status) == 0)
			return styles[i].style;
	return UI_PLAIN;
}

void ui_write(const char *data, size_t len)
{
	struct err err = ERR_INIT;

	if (fs_write_all(STDOUT_FILENO, data, len, &err) == 0)
		return;
	fprintf(stderr, "runnerhub: standard output: %s\n", err.msg);
	_exit(EXIT_FAILED);
}

void ui_print(const struct buf *text)
{
	ui_write(buf_str(text), text->len);
}

const char *ui_clean(const char *text, char *out, size_t max)
{
	return utf8_clean(text != NULL ? text : "-", out, max);
}

const char *ui_duration(double ms, char out[32])
{
	long long s = llround(ms / 1000);

	if (ms < 0 || !isfinite(ms))
		snprintf(out, 32, "-");
	else if (ms < 1)
		snprintf(out, 32, "%.0f µs", ms * 1000);
	else if (ms < 100)
		snprintf(out, 32, "%.1f ms", ms);
	else if (ms < 1000)
		snprintf(out, 32, "%.0f ms", ms);
	else if (ms < 60000)
		snprintf(out, 32, "%.2f s", ms / 1000);
	else if (s < 3600)
		snprintf(out, 32, "%lld min %02lld s", s / 60, s % 60);
	else
		snprintf(out, 32, "%lld h %02lld min", s / 3600, s / 60 % 60);
	return out;
}

const char *ui_ago(const char *iso, char out[32])
{
	static const struct {
		int64_t s;
		const char *unit;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	int64_t at, s;
	size_t i = 0;

	if (iso == NULL || clock_parse_iso(iso, &at) < 0) {
		snprintf(out, 32, "-");
		return out;
	}
	s = (clock_wall_ns() - at) / CLOCK_NS_PER_S;
	if (s < 1) {
		snprintf(out, 32, "now");
		return out;
	}
	while (s < units[i].s)
		i++;
	snprintf(
	    out, 32, "%lld %s ago", (long long)(s / units[i].s), units[i].unit);
	return out;
}

static bool live_shown;

void ui_live(const char *line)
{
	char clean[160];

	if (!ui_stderr_is_terminal())
		return;
	fprintf(stderr, "\r\033[K%s", ui_clean(line, clean, sizeof(clean)));
	live_shown = true;
}

void ui_live_clear(void)
{
	if (live_shown)
		fprintf(stderr, "\r\033[K");
	live_shown = false;
}

/* What the signal handler writes; set before it is installed. */
static char interrupt_text[256];

static void on_interrupt(int signo)
{
	ssize_t n;

	(void)signo;
	n = write(STDERR_FILENO, interrupt_text, strlen(interrupt_text));
	_exit(n < 0 ? EXIT_FAILED : EXIT_CANCELLED);
}

void ui_on_interrupt(const char *text)
{
	struct sigaction action = {.sa_handler = on_interrupt};

	snprintf(interrupt_text, sizeof(interrupt_text), "%s", text);
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
}

void ui_show(struct ui_filter *f, const char *data, size_t len)
{
	CLEANUP(buf_fini) struct buf safe = {.max = len * 2 + 64};

	ui_live_clear();
	if (f == NULL) {
		ui_write(data, len);
		return;
	}
	ui_filter_feed(f, data, len, &safe);
	ui_print(&safe);
}
