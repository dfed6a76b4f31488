/*
 * What an instance says: the build's output by the flow, then that of its
 * container by a thread of its own, which also learns of the container's end.
 * Both outlive the container. One log an instance, under its id; what runs for
 * months keeps the newest of it.
 */
#include <string.h>

#include "base/log.h"
#include "components/flow.h"
#include "components/last_words.h"
#include "engine/run.h"
#include "jobs/container_output.h"
#include "spool/step_bytes.h"

#define AGAIN_MS INT64_C(500)
enum { LAST_LINES = 5, LAST_BYTES = 512 };

int logs_open(struct flow *f, bool resumed, struct err *err)
{
	uint64_t off;

	if (resumed)
		TRY(spool_step_end(f->owner->config.spool, f->id_text,
		    LOG_COMPONENT, f->log_end, err));
	TRY(spool_log_open(
	    f->owner->config.spool, f->id_text, &f->log, &off, err));
	spool_log_ring(f->log);
	return 0;
}

int logs_say(struct flow *f, const char *text, size_t len, struct err *err)
{
	const struct spool_record rec = {.kind = SPOOL_OUT,
	    .stream = SPOOL_STDOUT,
	    .step = LOG_BUILD,
	    .time_ns = clock_wall_ns(),
	    .data = text,
	    .len = len};

	return len == 0 ? 0 : spool_append(f->log, &rec, 1, err);
}

/* -- the container's --------------------------------------------------- */

static int append(
    void *arg, const struct spool_record *recs, size_t n, struct err *err)
{
	struct flow *f = arg;

	return spool_append(f->log, recs, n, err);
}

/* However the reading ended: until the container has, too. */
static void await_end(struct flow *f)
{
	struct err err = ERR_INIT;
	int code;

	while (engine_container_wait(f->owner->config.engine, &f->life,
		   f->container, &code, &err) < 0) {
		if (err.kind == ERR_NOT_FOUND || err.kind == ERR_CANCELED)
			return;
		err_clear(&err);
		if (ctx_sleep(&f->life, AGAIN_MS, &err) < 0)
			return;
	}
}

struct masking {
	char *const *secrets; /* names; NULL: none */
	struct mask_set *masks;
};

static void mask_pair(void *arg, const char *pair)
{
	struct masking *m = arg;
	const char *eq = strchr(pair, '=');
	size_t n = eq != NULL ? (size_t)(eq - pair) : 0;

	for (char *const *s = m->secrets; n > 0 && *s != NULL; s++)
		if (strlen(*s) == n && strncmp(*s, pair, n) == 0)
			mask_add(m->masks, eq + 1, strlen(eq + 1));
}

/* What it was given must not be read in its log: the values as its container
 * has them, whatever became of the secrets since. Nothing is read before. */
static struct mask_set *load_masks(struct flow *f)
{
	struct masking m = {
	    .secrets = f->plan.secrets, .masks = mask_set_new()};
	struct err err = ERR_INIT;

	if (m.secrets == NULL)
		return m.masks;
	while (engine_container_env(f->owner->config.engine, &f->life,
		   f->container, mask_pair, &m, &err) < 0) {
		if (err.kind == ERR_NOT_FOUND || err.kind == ERR_CANCELED)
			break;
		err_clear(&err);
		if (ctx_sleep(&f->life, AGAIN_MS, &err) < 0)
			break;
	}
	return m.masks;
}

static void *reader(void *arg)
{
	struct flow *f = arg;
	static const uint64_t none[2];
	CLEANUP(mask_set_free) struct mask_set *masks = load_masks(f);
	struct container_output output = {.engine = f->owner->config.engine,
	    .ctx = &f->life,
	    .step = LOG_COMPONENT,
	    .masks = masks,
	    .append = append,
	    .arg = f};
	struct err err = ERR_INIT;

	container_output_open(&output, none);
	container_output_resume(&output, f->log_end);
	if (container_output_follow_since(&output, f->container, &err) < 0 &&
	    err.kind != ERR_CANCELED && err.kind != ERR_NOT_FOUND)
		log_warn(&f->root, "cannot read the log of an instance",
		    LOG_ERR(&err));
	for (int i = 0; i < 2; i++) /* a restarted container goes on */
		f->log_end[i] = (struct spool_stream_end){
		    .time_ns = output.streams[i].last_ns,
		    .bytes = output.streams[i].have};
	container_output_close(&output);
	await_end(f);
	mtx_lock(&f->owner->mtx);
	f->ended = true;
	cond_broadcast(&f->owner->changed);
	mtx_unlock(&f->owner->mtx);
	monitor_wake(f->owner);
	return NULL;
}

int logs_follow(struct flow *f, struct err *err)
{
	TRY(thread_start(&f->reader, "instance-log", reader, f, err));
	f->reads = true;
	monitor_wake(f->owner);
	return 0;
}

void logs_join(struct flow *f)
{
	if (f->reads)
		thread_join(f->reader);
	f->reads = false;
}

/* -- its last words ---------------------------------------------------- */

void logs_begin_run(struct flow *f)
{
	struct spool_stat st;
	struct err ignored = ERR_INIT; /* some lines more, at worst */

	if (spool_stat(f->owner->config.spool, f->id_text, &st, &ignored) == 0)
		f->run_begins = st.text_bytes;
}

static int read_last(struct flow *f, struct buf *out, struct err *err)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct spool *s = f->owner->config.spool;
	struct spool_stat st;
	uint64_t from, begin;

	TRY(spool_stat(s, f->id_text, &st, err));
	TRY(spool_tail_offset(s, f->id_text, LAST_LINES, &from, err));
	TRY(store_instance_get(f->owner->config.store, f->id, &i, err));
	begin = i.has_log_offset ? (uint64_t)i.log_offset : 0;
	if (begin < f->run_begins)
		begin = f->run_begins;
	if (from < begin)
		from = begin;
	if (st.text_bytes > LAST_BYTES && from < st.text_bytes - LAST_BYTES)
		from = st.text_bytes - LAST_BYTES;
	return spool_read(s, f->id_text, from, LAST_BYTES, out, err);
}

void logs_last(struct flow *f, char *out, size_t size)
{
	CLEANUP(buf_fini) struct buf text = {.max = 2 * LAST_BYTES};
	struct err err = ERR_INIT;

	if (read_last(f, &text, &err) < 0)
		buf_clear(&text);
	last_words(buf_str(&text), text.len, out, size);
}
