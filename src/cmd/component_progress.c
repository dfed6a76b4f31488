/*
 * The five steps of a start, as people watch them: see component.h. The main
 * thread brings new states; on a terminal a second one redraws what goes on,
 * so that a long step is seen to be alive.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cmd/component.h"

enum { REDRAW_MS = 100, STEPS_MAX = 16 };

struct progress {
	bool terminal;
	struct mtx mtx;
	struct cond changed;
	/* guarded by mtx */
	json_t *instance;
	size_t lines; /* drawn, to be drawn over */
	unsigned turn;
	bool ends;
	pthread_t thread;
	bool ticks; /* thread was started */
	/* of the plain form: what was said of each step */
	char said[STEPS_MAX][16];
};

static const json_t *steps_of(const json_t *instance)
{
	return json_object_get(
	    json_object_get(instance, "deploymentProgress"), "steps");
}

/* How long the step took, or takes; "" before it began. */
static const char *took(const json_t *step, char out[32])
{
	const char *from = reply_str(step, "startedAt", NULL);
	const char *to = reply_str(step, "completedAt", NULL);
	int64_t a, b = clock_wall_ns();

	out[0] = '\0';
	if (from == NULL || clock_parse_iso(from, &a) < 0)
		return out;
	if (to != NULL && clock_parse_iso(to, &b) < 0)
		return out;
	return ui_duration((double)(b > a ? b - a : 0) / 1e6, out);
}

/* -- on a terminal ----------------------------------------------------- */

static const char *mark(const char *status, unsigned turn)
{
	static const char *const spinner[] = {
	    "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};

	if (strcmp(status, "completed") == 0)
		return "✓";
	if (strcmp(status, "failed") == 0)
		return "✗";
	if (strcmp(status, "in_progress") == 0)
		return spinner[turn % ARRAY_LEN(spinner)];
	return "·";
}

static enum ui_style style_of(const char *status)
{
	if (strcmp(status, "completed") == 0)
		return UI_GREEN;
	if (strcmp(status, "failed") == 0)
		return UI_RED;
	return strcmp(status, "in_progress") == 0 ? UI_BOLD : UI_DIM;
}

static void draw_step(
    const struct progress *p, const json_t *step, struct buf *out)
{
	const char *status = reply_str(step, "status", "");
	const json_t *percent = json_object_get(step, "progress");
	char title[48], time[32];

	IGNORE(buf_printf(out, "\r\033[K  %s%s %-24s%s %s",
	    ui_on(style_of(status)), mark(status, p->turn),
	    ui_clean(reply_str(step, "title", "?"), title, sizeof(title)),
	    ui_off(), took(step, time)));
	if (json_is_integer(percent))
		IGNORE(buf_printf(
		    out, ", %lld %%", (long long)json_integer_value(percent)));
	IGNORE(buf_append_char(out, '\n'));
}

/* Over what was drawn before. */
static void draw_locked(struct progress *p)
{
	CLEANUP(buf_fini) struct buf out = {.max = 64 * 1024};
	const json_t *step;
	size_t i;

	mtx_assert_held(&p->mtx);
	if (p->lines > 0)
		IGNORE(buf_printf(&out, "\033[%zuA", p->lines));
	p->lines = json_array_size(steps_of(p->instance));
	json_array_foreach(steps_of(p->instance), i, step)
	    draw_step(p, step, &out);
	fwrite(buf_str(&out), 1, out.len, stderr);
	fflush(stderr);
}

static void *tick(void *arg)
{
	struct progress *p = arg;

	mtx_lock(&p->mtx);
	while (!p->ends) {
		IGNORE(cond_wait_until(
		    &p->changed, &p->mtx, clock_deadline_ms(REDRAW_MS)));
		p->turn++;
		draw_locked(p);
	}
	mtx_unlock(&p->mtx);
	return NULL;
}

/* -- anywhere else ----------------------------------------------------- */

/* "[3/5] Building Docker Image: 3.20 s" */
static void say_step(const json_t *step, size_t number, size_t of)
{
	const char *status = reply_str(step, "status", "");
	char title[48], time[32];

	fprintf(stderr, "[%zu/%zu] %s", number, of,
	    ui_clean(reply_str(step, "title", "?"), title, sizeof(title)));
	if (strcmp(status, "in_progress") == 0)
		fputs(" ...\n", stderr);
	else
		fprintf(stderr, ": %s%s\n",
		    strcmp(status, "failed") == 0 ? "failed after " : "",
		    took(step, time));
}

static void say_locked(struct progress *p)
{
	const json_t *steps = steps_of(p->instance), *step;
	size_t i;

	mtx_assert_held(&p->mtx);
	json_array_foreach(steps, i, step)
	{
		const char *status = reply_str(step, "status", "");

		if (i == STEPS_MAX || strcmp(status, "pending") == 0)
			break;
		if (strcmp(p->said[i], status) == 0)
			continue;
		snprintf(p->said[i], sizeof(p->said[i]), "%s", status);
		say_step(step, i + 1, json_array_size(steps));
	}
}

/* -- life -------------------------------------------------------------- */

struct progress *progress_open(void)
{
	struct progress *p = mem_zalloc(sizeof(*p));
	struct err err = ERR_INIT;

	mtx_init(&p->mtx, "progress");
	cond_init(&p->changed);
	p->terminal = ui_stderr_is_terminal();
	/* without it the display only moves with the hub's news */
	if (p->terminal)
		p->ticks =
		    thread_start(&p->thread, "progress", tick, p, &err) == 0;
	return p;
}

void progress_show(struct progress *p, const json_t *instance)
{
	mtx_lock(&p->mtx);
	json_decref(p->instance);
	p->instance = json_incref((json_t *)instance);
	if (p->terminal)
		draw_locked(p);
	else
		say_locked(p);
	mtx_unlock(&p->mtx);
}

void progress_close(struct progress *p)
{
	if (p == NULL)
		return;
	mtx_lock(&p->mtx);
	p->ends = true;
	cond_signal(&p->changed);
	mtx_unlock(&p->mtx);
	if (p->ticks)
		thread_join(p->thread);
	json_decref(p->instance);
	cond_fini(&p->changed);
	mtx_fini(&p->mtx);
	mem_free(p);
}
