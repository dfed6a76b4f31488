/*
 * Why a job waits, in a code and in words: see schedule.h. Handler threads,
 * under the schedule's mutex.
 */
#include <stdio.h>

#include "base/clock.h"
#include "jobs/schedule_internal.h"

enum { AHEAD_MAX = 1000 };

static const struct {
	enum schedule_gate gate;
	const char *code, *words;
} gate_words[] = {
    {GATE_ENGINE_DOWN, "engine_down",
	"the container engine does not answer; jobs start again when it does "
	"(runnerhub doctor tells more)"},
    {GATE_DISK_FULL, "disk_full",
	"the disk of the state directory is below its reserve "
	"(disk.reserve); free some space"},
    {GATE_DRAINING, "draining", "the hub is shutting down"},
    {GATE_STARTING, "hub_starting", "the hub is starting"},
    {GATE_PAUSED, "queue_paused",
	"an administrator has paused the queue; jobs start again after "
	"runnerhub queue resume"},
    {GATE_EMPTYING, "queue_draining",
	"an administrator is emptying this hub; what waits starts after "
	"runnerhub queue resume"},
};

/* How many go before it, as far as the AHEAD_MAX oldest tell: a list of jobs
 * asks this for each of them. */
static const char *ahead_locked(
    const struct schedule *s, const struct entry *me, char out[32])
{
	const struct entry *e = s->oldest;
	int n = 0;

	for (int looked = 0; e != NULL && looked < AHEAD_MAX; looked++) {
		n += e != me && !e->delayed &&
		     (e->job.priority > me->job.priority ||
			 (e->job.priority == me->job.priority &&
			     schedule_earlier(e, me)));
		e = e->newer;
	}
	snprintf(out, 32, "%s%d %s ahead", e != NULL ? "more than " : "about ",
	    n, n == 1 ? "job is" : "jobs are");
	return out;
}

static long long mib(int64_t bytes)
{
	return (long long)(bytes >> 20);
}

static void explain_memory_locked(const struct schedule *s,
    const struct entry *me, const struct entry *first, char *words, size_t size)
{
	snprintf(words, size,
	    "%s %lld MiB; %lld of %lld MiB are reserved by running jobs",
	    first == me ? "it needs" : "the job whose turn it is needs",
	    mib(first->job.memory_bytes), mib(s->memory_used),
	    mib(s->config.memory_bytes));
}

/* The reason that is its own; what stands before all jobs was told. */
static void explain_entry_locked(struct schedule *s, const struct entry *e,
    char code[32], char *words, size_t size)
{
	const struct entry *first;
	char ahead[32];

	if (e->delayed && e->due_ns > clock_mono_ns()) {
		snprintf(code, 32, "retry");
		snprintf(words, size, "waits %lld s before the next attempt",
		    (long long)((e->due_ns - clock_mono_ns()) /
				CLOCK_NS_PER_S));
	} else if (e->job.child) {
		snprintf(code, 32, "next");
		snprintf(words, size, "it starts in a moment");
	} else if (s->running >= s->config.slots) {
		snprintf(code, 32, "capacity");
		snprintf(words, size, "%u of %u slots are in use; %s",
		    s->running, s->config.slots, ahead_locked(s, e, ahead));
	} else if (e->job.session && !schedule_may_lease(s)) {
		snprintf(code, 32, "session_limit");
		snprintf(words, size,
		    "%u session(s) that nobody drives yet hold their share of "
		    "the capacity",
		    s->idle_sessions);
	} else if ((first = schedule_choose_locked(s)) != NULL &&
		   !schedule_fits(s, &first->job)) {
		snprintf(code, 32, "memory");
		explain_memory_locked(s, e, first, words, size);
	} else {
		snprintf(code, 32, "next");
		snprintf(words, size, "it starts in a moment; %s",
		    ahead_locked(s, e, ahead));
	}
}

static void explain_locked(struct schedule *s, const struct entry *e,
    char code[32], char *words, size_t size)
{
	unsigned gates = s->gates;

	if (e->job.child)
		gates &= ~(unsigned)(GATE_PAUSED | GATE_EMPTYING);
	for (size_t i = 0; i < ARRAY_LEN(gate_words); i++)
		if ((gates & gate_words[i].gate) != 0) {
			snprintf(code, 32, "%s", gate_words[i].code);
			snprintf(words, size, "%s", gate_words[i].words);
			return;
		}
	explain_entry_locked(s, e, code, words, size);
}

bool schedule_explain(
    struct schedule *s, job_id id, char code[32], char *words, size_t size)
{
	const struct entry *e;

	mtx_lock(&s->mtx);
	e = schedule_find_locked(s, id);
	if (e != NULL)
		explain_locked(s, e, code, words, size);
	mtx_unlock(&s->mtx);
	return e != NULL;
}
