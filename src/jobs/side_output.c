/*
 * The output of a container step: see side.h. How it comes into the log
 * exactly once is container_output.h. The side's thread.
 */
#include <string.h>

#include "base/mem.h"
#include "jobs/session_wish.h"
#include "jobs/side.h"
#include "spool/step_bytes.h"

static int append(
    void *arg, const struct spool_record *recs, size_t n, struct err *err)
{
	struct side *s = arg;

	return carry_append(s->carry, recs, n, err);
}

int side_append(struct side *s, const struct spool_record *rec, struct err *err)
{
	return container_output_append(&s->output, rec, 1, err);
}

int side_say(struct side *s, const char *text, size_t len, struct err *err)
{
	const struct spool_record rec = {.kind = SPOOL_OUT,
	    .stream = SPOOL_STDOUT,
	    .step = (uint16_t)s->step,
	    .time_ns = clock_wall_ns(),
	    .data = text,
	    .len = len};

	if (len > 0)
		TRY(side_append(s, &rec, err));
	s->preamble += len;
	return 0;
}

int side_follow(struct side *s, struct err *err)
{
	return container_output_follow(&s->output, s->id, err);
}

/* -- masks, and what the log has --------------------------------------- */

static int load_masks(struct side *s, struct err *err)
{
	CLEANUP(secret_free) struct secret *sealed = NULL;
	struct carry *c = s->carry;
	json_t *all, *value;
	const char *key, *text;
	size_t len;

	s->masks = mask_set_new();
	TRY(store_job_secrets(c->hub->store, c->job.id, &sealed, err));
	if (sealed == NULL)
		return 0;
	text = secret_expose(sealed, &len);
	all = json_loadb(text, len, 0, NULL);
	json_object_del(all, SESSION_WISH);
	json_object_foreach(all, key, value) mask_add(
	    s->masks, json_string_value(value), json_string_length(value));
	json_decref(all);
	return 0;
}

/* Of an earlier attempt that never came to run, all was said before it. */
static int what_is_there(struct side *s, uint64_t have[2], struct err *err)
{
	struct carry *c = s->carry;

	if (!c->resumed)
		return 0;
	TRY(spool_step_bytes(
	    c->hub->spool, c->id_text, (uint16_t)s->step, have, err));
	if (!s->resumed) {
		s->preamble = have[0];
		have[0] = have[1] = 0;
		return 0;
	}
	have[0] = have[0] > s->preamble ? have[0] - s->preamble : 0;
	return 0;
}

int side_output_open(struct side *s, struct err *err)
{
	uint64_t have[2] = {0, 0};
	int r;

	s->output = (struct container_output){.engine = s->carry->hub->engine,
	    .ctx = &s->ctx,
	    .step = (uint16_t)s->step,
	    .append = append,
	    .arg = s};
	r = load_masks(s, err);
	s->output.masks = s->masks;
	if (r == 0)
		r = what_is_there(s, have, err);
	container_output_open(&s->output, have);
	return r;
}

void side_output_close(struct side *s)
{
	container_output_close(&s->output);
	mask_set_free(s->masks);
}
