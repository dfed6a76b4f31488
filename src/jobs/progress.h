/*
 * How far the steps of a job have got: the fold of the marks in its log.
 * The carrier folds them as they come, a restarted hub folds them again
 * from the spool, the API to show a running job: one truth.
 */
#ifndef JOBS_PROGRESS_H
#define JOBS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/wire.h"
#include "base/buf.h"
#include "base/json_out.h"
#include "jobs/spec.h"
#include "sandbox/channel.h"
#include "spool/spool.h"

struct json_t; /* jansson */

struct step_progress {
	bool started, ended;
	int64_t started_at, ended_at; /* wall ns */
	struct wire_end end;
	char reason[256];       /* why it could not start */
	struct json_t *outputs; /* object, NULL: none */
	char *summary;          /* markdown, NULL: none */
	/* Of a session: as its proxy gave it; NULL: the spec has it. */
	char *key, *name;
	bool aside;     /* it is a container of its own */
	uint64_t taken; /* bytes of its input */
};

struct progress {
	struct step_progress *steps;
	size_t nsteps;
	int64_t first_output_at;
	size_t outputs_bytes, summary_bytes; /* kept of all steps */
};
/* A session begins with no steps; each SPOOL_STEP_GIVEN is one more. */
enum { PROGRESS_STEPS_MAX = 10000 };
void progress_init(struct progress *p, size_t nsteps);
void progress_fini(struct progress *p);
static inline void progress_fini_guard(struct progress *p)
{
	progress_fini(p);
}

/*
 * Turns a record of the agent into one for the spool. The mark's note (JSON
 * or text) is appended to `notes`, which must outlive the append; -1
 * ERR_INVALID when the agent broke the protocol.
 */
int progress_translate(const struct channel_record *rec, struct buf *notes,
    struct spool_record *ret, struct err *err) MUST_CHECK;
/* Folds one record of the spool. Unknown steps and kinds are ignored. */
void progress_fold(struct progress *p, const struct spool_record *rec);
/* Folds what the spool has of this job. */
int progress_load(struct progress *p, struct spool *spool, const char *id,
    struct err *err) MUST_CHECK;

/* -- progress_session.c: steps as a proxy gives them ------------------- */
/* The note of a SPOOL_STEP_GIVEN. */
void progress_given_note(
    struct buf *out, const char *key, const char *name, bool aside);
/* Folds one: only the number that follows on the last counts. */
void progress_fold_given(struct progress *p, const struct spool_record *rec);
/* The step of that key, -1: none. */
int progress_find(const struct progress *p, const char *key);
/*
 * The hub's own STEP_END for the first step from *at on that has none: its
 * container is gone, or goes. notes holds its data. False: there is no more.
 */
struct progress_cut {
	int exit_code;
	const char *reason;
};
bool progress_cut_next(const struct progress *p, size_t *at,
    const struct progress_cut *cut, struct buf *notes,
    struct spool_record *ret);

/* Ended other than well. */
bool step_failed(const struct step_progress *s);
/* "step 2 (build) exited with code 7", "... was killed: out of memory
 * (limit 64 MiB, peak 64 MiB)"; code: step_failed, out_of_memory, ... */
void step_describe(const struct step_progress *s, size_t index,
    const char *name, char code[32], char *words, size_t size);

/* One of them as an object. */
void progress_write_step(const struct progress *p, size_t index,
    const struct spec *spec, bool over, struct json *j);
/* "steps": [...] and "summary" into an open object. over: the job has ended,
 * so that steps that did not run were skipped. */
void progress_write(const struct progress *p, const struct spec *spec,
    bool over, struct json *j);

/* The result of an ended job as the store keeps it, a JSON object; one that
 * is too large says so instead. For mem_free. */
char *progress_result(const struct progress *p, const struct spec *spec);

#endif
