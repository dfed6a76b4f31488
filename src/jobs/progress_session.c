/*
 * The steps of a session: each stands in its log, with the key that its proxy
 * chose, before it is sent, so that a restarted hub knows it again. One
 * thread an object.
 */
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/progress.h"

void progress_given_note(
    struct buf *out, const char *key, const char *name, bool aside)
{
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	json_kstr(&j, "key", key);
	json_kstr(&j, "name", name);
	if (aside)
		json_kbool(&j, "container", true);
	json_end(&j);
}

void progress_fold_given(struct progress *p, const struct spool_record *rec)
{
	struct step_progress *s;
	json_t *o;

	if (rec->step != p->nsteps || p->nsteps >= PROGRESS_STEPS_MAX)
		return;
	p->steps = mem_realloc(p->steps, (p->nsteps + 1) * sizeof(*p->steps));
	s = &p->steps[p->nsteps++];
	*s = (struct step_progress){0};
	o = json_loadb(rec->data, rec->len, 0, NULL);
	s->key =
	    mem_strdup_or_null(json_string_value(json_object_get(o, "key")));
	s->name =
	    mem_strdup_or_null(json_string_value(json_object_get(o, "name")));
	s->aside = json_is_true(json_object_get(o, "container"));
	json_decref(o);
}

/* The newest first: a call that is repeated was made a moment ago. */
int progress_find(const struct progress *p, const char *key)
{
	for (size_t i = p->nsteps; i > 0; i--)
		if (p->steps[i - 1].key != NULL &&
		    strcmp(p->steps[i - 1].key, key) == 0)
			return (int)(i - 1);
	return -1;
}

bool progress_cut_next(const struct progress *p, size_t *at,
    const struct progress_cut *cut, struct buf *notes, struct spool_record *ret)
{
	struct json j;

	while (*at < p->nsteps && p->steps[*at].ended)
		(*at)++;
	if (*at == p->nsteps)
		return false;
	buf_clear(notes);
	json_init(&j, notes);
	json_obj(&j);
	json_kint(&j, "flags",
	    p->steps[*at].started ? WIRE_END_CANCELLED : WIRE_END_NOT_STARTED);
	json_kstr(&j, "reason", cut->reason);
	json_end(&j);
	*ret = (struct spool_record){.kind = SPOOL_STEP_END,
	    .step = (uint16_t)*at,
	    .code = cut->exit_code,
	    .time_ns = clock_wall_ns(),
	    .data = buf_str(notes),
	    .len = notes->len};
	(*at)++;
	return true;
}
