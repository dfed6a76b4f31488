/*
 * GET /api/monitoring: figures of the last hours for charts. They are asked
 * for again and again by every page that is open, so an answer is good for a
 * few seconds. Handler threads.
 */
#include "api/monitoring.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/figures.h"

enum { GOOD_FOR_MS = 5000, STEP_MIN = 60, STEP_MAX = 86400, HOURS_MAX = 168 };

/* The last answer. */
struct monitoring {
	struct mtx mtx;
	/* guarded by mtx */
	int64_t hours, step;
	int64_t until; /* mono */
	char *text;
};

struct monitoring *monitoring_new(void)
{
	struct monitoring *m = mem_zalloc(sizeof(*m));

	mtx_init(&m->mtx, "monitoring");
	return m;
}

void monitoring_free(struct monitoring *m)
{
	mtx_fini(&m->mtx);
	mem_free(m->text);
	mem_free(m);
}

/* The caller's, or NULL. */
static char *recall(struct monitoring *m, int64_t hours, int64_t step)
{
	char *text = NULL;

	mtx_lock(&m->mtx);
	if (m->hours == hours && m->step == step && clock_mono_ns() < m->until)
		text = mem_strdup(m->text);
	mtx_unlock(&m->mtx);
	return text;
}

static void keep(
    struct monitoring *m, int64_t hours, int64_t step, const char *text)
{
	char *copy = mem_strdup(text);

	mtx_lock(&m->mtx);
	mem_free(m->text);
	m->text = copy;
	m->hours = hours;
	m->step = step;
	m->until = clock_deadline_ms(GOOD_FOR_MS);
	mtx_unlock(&m->mtx);
}

static void write_number(
    struct json *j, const char *key, bool known, double value)
{
	json_key(j, key);
	if (known)
		json_num(j, value);
	else
		json_none(j);
}

static void write_point(struct json *j, const struct figures_point *p)
{
	json_obj(j);
	json_ktime(j, "at", p->at);
	json_kint(j, "completed", p->completed);
	json_kint(j, "failed", p->failed);
	json_kint(j, "cancelled", p->cancelled);
	json_kint(j, "delegated", p->delegated);
	write_number(j, "waitP50", p->wait.known, p->wait.p50);
	write_number(j, "waitP95", p->wait.known, p->wait.p95);
	write_number(j, "durationP50", p->duration.known, p->duration.p50);
	write_number(j, "durationP95", p->duration.known, p->duration.p95);
	json_end(j);
}

static void write_figures(
    const struct figures *f, int64_t step, struct buf *body)
{
	struct json j;

	envelope_begin(&j, body);
	json_obj(&j);
	json_ktime(&j, "from", f->from);
	json_ktime(&j, "to", f->to);
	json_kint(&j, "step", step);
	json_karr(&j, "points");
	for (size_t i = 0; i < f->n; i++)
		write_point(&j, &f->points[i]);
	json_end(&j);
	json_end(&j);
	envelope_end(&j);
}

static int make(struct call *c, int64_t hours, int64_t step, struct buf *body,
    struct err *err)
{
	CLEANUP(mem_free) struct figures *f = mem_alloc(sizeof(*f));

	TRY(figures_read(
	    hub_store(c->hub), clock_wall_ns(), hours, step, f, err));
	write_figures(f, step, body);
	keep(c->api->monitoring, hours, step, buf_str(body));
	return 0;
}

struct answer monitoring_show(struct call *c)
{
	CLEANUP(mem_free) char *known = NULL;
	int64_t hours = 24, step = 900;
	struct err err = ERR_INIT;
	struct buf body;

	if (param_int(c, "hours", 1, HOURS_MAX, &hours, &err) < 0 ||
	    param_int(c, "step", STEP_MIN, STEP_MAX, &step, &err) < 0)
		return reply_error(c, &err);
	buf_init(&body, BODY_MAX);
	known = recall(c->api->monitoring, hours, step);
	if (known != NULL) {
		IGNORE(buf_append_str(&body, known));
	} else if (make(c, hours, step, &body, &err) < 0) {
		buf_fini(&body);
		return reply_error(c, &err);
	}
	return reply_json(c, 200, &body);
}
