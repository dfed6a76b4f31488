/* The fold of a job's marks: see progress.h. One thread an object. */
#include "jobs/progress.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"

/* Of a whole job, in memory and in its result; the log has all of it. */
enum {
	SUMMARY_MAX = 1024 * 1024,
	OUTPUTS_MAX = 1024 * 1024,
	RESULT_MAX = 4 * 1024 * 1024,
};

void progress_init(struct progress *p, size_t nsteps)
{
	*p = (struct progress){
	    .nsteps = nsteps, .steps = mem_calloc(nsteps, sizeof(*p->steps))};
}

void progress_fini(struct progress *p)
{
	for (size_t i = 0; i < p->nsteps; i++) {
		json_decref(p->steps[i].outputs);
		mem_free(p->steps[i].summary);
		mem_free(p->steps[i].key);
		mem_free(p->steps[i].name);
	}
	mem_free(p->steps);
	*p = (struct progress){0};
}

/* -- agent's record -> spool's record ---------------------------------- */

static int end_note(struct wire_reader *r, struct buf *out, int32_t *ret_code)
{
	const char *reason;
	size_t reason_len;
	struct wire_end e;
	struct json j;

	if (wire_get_end(r, &e, &reason, &reason_len) < 0)
		return -1;
	*ret_code = (int32_t)e.code;
	json_init(&j, out);
	json_obj(&j);
	json_kint(&j, "flags", e.flags);
	json_kint(&j, "utimeUs", (int64_t)e.utime_us);
	json_kint(&j, "stimeUs", (int64_t)e.stime_us);
	json_kint(&j, "maxRss", (int64_t)e.maxrss_bytes);
	json_kint(&j, "oomKills", (int64_t)e.oom_kills);
	json_kint(&j, "memLimit", (int64_t)e.mem_limit);
	json_kint(&j, "memPeak", (int64_t)e.mem_peak);
	if (reason_len > 0) {
		json_key(&j, "reason");
		json_strn(&j, reason, reason_len);
	}
	json_end(&j);
	return 0;
}

static int outputs_note(struct wire_reader *r, struct buf *out)
{
	const char *key, *value;
	size_t key_len, value_len;
	uint32_t n;
	struct json j;
	char name[256];

	if (wire_get_u32(r, &n) < 0)
		return -1;
	json_init(&j, out);
	json_obj(&j);
	for (; n > 0; n--) {
		if (wire_get_str(r, &key, &key_len) < 0 ||
		    wire_get_str(r, &value, &value_len) < 0)
			return -1;
		snprintf(name, sizeof(name), "%.*s", (int)key_len, key);
		json_key(&j, name);
		json_strn(&j, value, value_len);
	}
	json_end(&j);
	return 0;
}

static int taken_note(struct wire_reader *r, struct buf *out)
{
	uint64_t offset;

	if (wire_get_u64(r, &offset) < 0 || offset > INT64_MAX)
		return -1;
	return buf_printf(out, "%" PRIu64, offset);
}

static enum spool_kind kind_of(uint8_t type)
{
	switch (type) {
	case WIRE_OUT:
		return SPOOL_OUT;
	case WIRE_STEP_START:
		return SPOOL_STEP_START;
	case WIRE_STEP_END:
		return SPOOL_STEP_END;
	case WIRE_OUTPUTS:
		return SPOOL_OUTPUTS;
	case WIRE_SUMMARY:
		return SPOOL_SUMMARY;
	case WIRE_TAKEN:
		return SPOOL_TAKEN;
	default:
		return SPOOL_NOTE;
	}
}

int progress_translate(const struct channel_record *rec, struct buf *notes,
    struct spool_record *ret, struct err *err)
{
	struct wire_reader r = {rec->data, rec->len};
	size_t at = notes->len;
	int bad = 0;

	*ret = (struct spool_record){.kind = kind_of(rec->h.type),
	    .stream = rec->h.stream == 2 ? SPOOL_STDERR : SPOOL_STDOUT,
	    .step = rec->h.step,
	    .time_ns = rec->time_ns,
	    .agent_off = rec->end_off,
	    .data = rec->data,
	    .len = rec->len};
	if (ret->kind == SPOOL_OUT)
		return 0;
	ret->stream = SPOOL_NONE;
	if (ret->kind == SPOOL_STEP_END)
		bad = end_note(&r, notes, &ret->code);
	else if (ret->kind == SPOOL_OUTPUTS)
		bad = outputs_note(&r, notes);
	else if (ret->kind == SPOOL_TAKEN)
		bad = taken_note(&r, notes);
	else if (ret->kind != SPOOL_STEP_START)
		bad = buf_append(notes, rec->data, rec->len);
	if (bad < 0 || notes->overflow)
		return err_set(err, ERR_INVALID, "agent_protocol",
		    "the agent sent a record of type %u that makes no sense",
		    rec->h.type);
	/* notes may move while it grows: the caller points at it, in order,
	 * when the batch is whole. */
	ret->data = NULL;
	ret->len = notes->len - at;
	return 0;
}

/* -- folding ----------------------------------------------------------- */

static uint64_t number(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

static void fold_end(struct step_progress *s, const struct spool_record *rec)
{
	json_t *o = json_loadb(rec->data, rec->len, 0, NULL);
	const char *reason = json_string_value(json_object_get(o, "reason"));

	s->ended = true;
	s->ended_at = rec->time_ns;
	s->end = (struct wire_end){.code = (uint32_t)rec->code,
	    .flags = (uint32_t)number(o, "flags"),
	    .utime_us = number(o, "utimeUs"),
	    .stime_us = number(o, "stimeUs"),
	    .maxrss_bytes = number(o, "maxRss"),
	    .oom_kills = number(o, "oomKills"),
	    .mem_limit = number(o, "memLimit"),
	    .mem_peak = number(o, "memPeak")};
	snprintf(
	    s->reason, sizeof(s->reason), "%s", reason != NULL ? reason : "");
	json_decref(o);
}

/* Outputs come in several records when they are many: later keys win. */
static void fold_outputs(
    struct progress *p, struct step_progress *s, const struct spool_record *rec)
{
	json_t *more;

	if (rec->len > OUTPUTS_MAX - p->outputs_bytes)
		return;
	p->outputs_bytes += rec->len;
	more = json_loadb(rec->data, rec->len, 0, NULL);
	if (s->outputs == NULL)
		s->outputs = json_object();
	json_object_update(s->outputs, more);
	json_decref(more);
}

/* So does a long summary: one behind the other. */
static void fold_summary(
    struct progress *p, struct step_progress *s, const struct spool_record *rec)
{
	size_t have = s->summary != NULL ? strlen(s->summary) : 0;

	if (rec->len == 0 || rec->len > SUMMARY_MAX - p->summary_bytes)
		return;
	p->summary_bytes += rec->len;
	s->summary = mem_realloc(s->summary, have + rec->len + 1);
	memcpy(s->summary + have, rec->data, rec->len);
	s->summary[have + rec->len] = '\0';
}

static void fold_taken(struct step_progress *s, const struct spool_record *rec)
{
	char text[24];
	int64_t offset;

	snprintf(text, sizeof(text), "%.*s", (int)rec->len,
	    rec->len > 0 ? (const char *)rec->data : "");
	if (parse_int(text, 0, INT64_MAX, &offset) == 0 &&
	    (uint64_t)offset > s->taken)
		s->taken = (uint64_t)offset;
}

void progress_fold(struct progress *p, const struct spool_record *rec)
{
	struct step_progress *s;

	if (rec->kind == SPOOL_OUT && p->first_output_at == 0)
		p->first_output_at = rec->time_ns;
	if (rec->kind == SPOOL_STEP_GIVEN)
		progress_fold_given(p, rec);
	if (rec->step >= p->nsteps)
		return;
	s = &p->steps[rec->step];
	switch (rec->kind) {
	case SPOOL_STEP_START:
		s->started = true;
		s->started_at = rec->time_ns;
		break;
	case SPOOL_STEP_END:
		fold_end(s, rec);
		break;
	case SPOOL_OUTPUTS:
		fold_outputs(p, s, rec);
		break;
	case SPOOL_SUMMARY:
		fold_summary(p, s, rec);
		break;
	case SPOOL_TAKEN:
		fold_taken(s, rec);
		break;
	case SPOOL_OUT:
	case SPOOL_NOTE:
	case SPOOL_CAP:
	case SPOOL_STEP_GIVEN:
		break;
	}
}

static int fold_one(void *arg, const struct spool_record *rec, struct err *err)
{
	(void)err;
	progress_fold(arg, rec);
	return 0;
}

int progress_load(
    struct progress *p, struct spool *spool, const char *id, struct err *err)
{
	return spool_marks(spool, id, fold_one, p, err);
}

/* -- words ------------------------------------------------------------- */

bool step_failed(const struct step_progress *s)
{
	/* A process that the kernel killed for memory fails a step only when
	 * the step itself says so by its exit code. */
	return s->ended &&
	       (s->end.code != 0 || (s->end.flags & ~WIRE_END_OOM) != 0);
}

static void describe_memory(
    const struct step_progress *s, char *out, size_t size)
{
	int n = 0;

	if (s->end.mem_limit > 0)
		n = snprintf(
		    out, size, "limit %" PRIu64 " MiB", s->end.mem_limit >> 20);
	if (s->end.mem_peak > 0)
		snprintf(out + n, size - (size_t)n, "%speak %" PRIu64 " MiB",
		    n > 0 ? ", " : "", s->end.mem_peak >> 20);
}

void step_describe(const struct step_progress *s, size_t index,
    const char *name, char code[32], char *words, size_t size)
{
	const struct wire_end *e = &s->end;
	char what[300], memory[96] = "size not known";

	snprintf(code, 32, "step_failed");
	if ((e->flags & WIRE_END_NOT_STARTED) != 0) {
		snprintf(
		    what, sizeof(what), "could not start: %.250s", s->reason);
	} else if (s->reason[0] != '\0') {
		snprintf(
		    what, sizeof(what), "was cut short: %.250s", s->reason);
	} else if ((e->flags & WIRE_END_TIMEOUT) != 0) {
		snprintf(code, 32, "step_timeout");
		snprintf(what, sizeof(what), "ran into its time limit");
	} else if ((e->flags & WIRE_END_CANCELLED) != 0) {
		snprintf(code, 32, "cancelled");
		snprintf(what, sizeof(what), "was cancelled");
	} else if ((e->flags & WIRE_END_OOM) != 0) {
		snprintf(code, 32, "out_of_memory");
		describe_memory(s, memory, sizeof(memory));
		snprintf(what, sizeof(what), "ran out of memory (%s)", memory);
	} else if ((e->flags & WIRE_END_SIGNALED) != 0) {
		snprintf(what, sizeof(what), "was ended by signal %u", e->code);
	} else {
		snprintf(what, sizeof(what), "exited with code %u", e->code);
	}
	snprintf(words, size, "step %zu (%s) %s", index + 1, name, what);
}

/* -- JSON -------------------------------------------------------------- */

static const char *status_of(const struct step_progress *s, bool over)
{
	if (!s->started && !s->ended)
		return over ? "skipped" : "waiting";
	if (!s->ended)
		return over ? "cancelled" : "running";
	return step_failed(s) ? "failed" : "completed";
}

static void write_usage(const struct step_progress *s, struct json *j)
{
	const struct wire_end *e = &s->end;

	json_kint(j, "durationMs",
	    s->started ? (s->ended_at - s->started_at) / CLOCK_NS_PER_MS : 0);
	json_kint(j, "cpuMs", (int64_t)((e->utime_us + e->stime_us) / 1000));
	json_kint(j, "maxRssBytes", (int64_t)e->maxrss_bytes);
	if (e->oom_kills == 0)
		return;
	json_kobj(j, "outOfMemory");
	json_kint(j, "kills", (int64_t)e->oom_kills);
	json_kint(j, "limitBytes", (int64_t)e->mem_limit);
	json_kint(j, "peakBytes", (int64_t)e->mem_peak);
	json_end(j);
}

void progress_write_step(const struct progress *p, size_t index,
    const struct spec *spec, bool over, struct json *j)
{
	const struct step_progress *s = &p->steps[index];
	struct step_spec step;
	const char *name;
	char code[32], words[480];
	bool signaled = (s->end.flags & WIRE_END_SIGNALED) != 0;

	spec_step(spec, index, &step);
	name = s->name != NULL ? s->name : step.name;
	json_obj(j);
	json_kstr(j, "name", name);
	json_kstr(j, "status", status_of(s, over));
	json_key(j, "exitCode");
	if (s->ended)
		/* as a shell says it */
		json_int(j, signaled ? 128 + s->end.code : s->end.code);
	else
		json_none(j);
	json_ktime(j, "startedAt", s->started_at);
	json_ktime(j, "completedAt", s->ended_at);
	if (s->ended)
		write_usage(s, j);
	if (step_failed(s)) {
		step_describe(s, index, name, code, words, sizeof(words));
		json_kstr(j, "code", code);
		json_kstr(j, "error", words);
	}
	if (s->outputs != NULL) {
		char *text = json_dumps(s->outputs, JSON_COMPACT);

		json_kraw(j, "outputs", text);
		mem_free(text);
	}
	json_end(j);
}

void progress_write(const struct progress *p, const struct spec *spec,
    bool over, struct json *j)
{
	CLEANUP(buf_fini) struct buf summary = {0};

	json_karr(j, "steps");
	for (size_t i = 0; i < p->nsteps; i++)
		progress_write_step(p, i, spec, over, j);
	json_end(j);
	buf_init(&summary, SUMMARY_MAX);
	for (size_t i = 0; i < p->nsteps; i++)
		if (p->steps[i].summary != NULL)
			/* past the maximum the rest is left out */
			IGNORE(buf_append_str(&summary, p->steps[i].summary));
	json_kstr(j, "summary", summary.len > 0 ? buf_str(&summary) : NULL);
}

char *progress_result(const struct progress *p, const struct spec *spec)
{
	struct buf out;
	struct json j;

	buf_init(&out, RESULT_MAX);
	json_init(&j, &out);
	json_obj(&j);
	progress_write(p, spec, true, &j);
	json_end(&j);
	if (out.overflow) {
		buf_fini(&out);
		return mem_strdup("{\"steps\":[],\"truncated\":true}");
	}
	return buf_steal(&out, NULL);
}
