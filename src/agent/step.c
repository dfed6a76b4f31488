/*
 * The life of a step: see step.h. Called by the agent's loop; owns the
 * streams and the running step. Nothing here waits: each wait is a deadline
 * that steps_tick looks at.
 */
#include "agent/step.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/priv.h"
#include "agent/spawn.h"
#include "base/clock.h"
#include "base/fs.h"

#define KILL_AGAIN_MS 100
#define STEP_NONE     ((struct step){.input = {.pipe = -1, .sink = -1}})

void steps_init(struct steps *s, struct outbox *outbox)
{
	*s = (struct steps){.hub.outbox = outbox, .now = STEP_NONE};
	s->hub.masks = mask_set_new();
	job_init(&s->job);
}

static struct spawn spawn_of(const struct steps *s)
{
	return (struct spawn){.who = &s->job.place.who,
	    .argv = s->now.plan.argv,
	    .env = s->now.plan.env.v,
	    .path = s->now.plan.path,
	    .cwd = s->now.plan.cwd,
	    .input = -1,
	    .keep = {-1, -1}};
}

/* ---- streams ---- */

static void forget_closed(struct steps *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->stream_count; i++) {
		if (s->streams[i].fd >= 0)
			s->streams[n++] = s->streams[i];
	}
	s->stream_count = n;
}

/* Two places; the oldest background writer loses its pipe if need be. */
static int make_stream_room(struct steps *s, struct err *err)
{
	while (s->stream_count + 2 > STEP_STREAMS_MAX) {
		if (!stream_has_room(&s->streams[0], &s->hub))
			return err_set(err, ERR_UNAVAILABLE, NULL,
			    "too many background processes hold the output "
			    "of earlier steps");
		stream_hub_note(&s->hub, s->streams[0].step,
		    "output of a background process is no longer read: too "
		    "many are open");
		stream_close(&s->streams[0], &s->hub);
		forget_closed(s);
	}
	return 0;
}

static void add_stream(struct steps *s, int fd, uint8_t number)
{
	stream_open(
	    &s->streams[s->stream_count++], &s->hub, fd, s->now.number, number);
}

size_t steps_prepare(struct steps *s, struct pollfd fds[STEP_FDS])
{
	input_prepare(&s->now.input, fds);
	fds += INPUT_FDS;
	for (size_t i = 0; i < s->stream_count; i++) {
		bool room = stream_has_room(&s->streams[i], &s->hub);

		/* A negative fd is left out: also its hang-up, else the loop
		 * would spin while the hub is away. */
		fds[i] = (struct pollfd){
		    .fd = room ? s->streams[i].fd : -1, .events = POLLIN};
	}
	return INPUT_FDS + s->stream_count;
}

void steps_service(struct steps *s, const struct pollfd *fds, size_t n)
{
	input_service(&s->now.input, fds);
	if (s->now.active)
		input_tell(&s->now.input, s->hub.outbox, s->now.number);
	fds += INPUT_FDS;
	for (size_t i = 0; i + INPUT_FDS < n; i++) {
		if (fds[i].fd >= 0 && fds[i].revents != 0 &&
		    stream_has_room(&s->streams[i], &s->hub))
			stream_read(&s->streams[i], &s->hub);
	}
	forget_closed(s);
}

/* ---- the end ---- */

static uint64_t micros(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

static void send_end(struct steps *s, uint16_t number,
    const struct wire_end *end, const char *reason)
{
	CLEANUP(buf_fini) struct buf masked = {0};
	CLEANUP(buf_fini) struct buf payload = {0};

	buf_init(&masked, 4096);
	buf_init(&payload, 8192);
	mask_text(s->hub.masks, reason, strlen(reason), &masked);
	wire_put_end(&payload, end, buf_str(&masked));
	ASSERT(!payload.overflow);
	outbox_put(
	    s->hub.outbox, WIRE_STEP_END, number, payload.data, payload.len);
}

static void forget_step(struct steps *s)
{
	job_plan_fini(&s->now.plan);
	input_close(&s->now.input);
	s->now = STEP_NONE;
}

static void fill_memory(struct step *now, struct wire_end *end)
{
	struct cgroup_memory after = cgroup_memory_read();

	end->mem_limit = after.limit;
	end->mem_peak = after.peak;
	if (after.oom_kills > now->before.oom_kills) {
		end->oom_kills = after.oom_kills - now->before.oom_kills;
		end->flags |= WIRE_END_OOM;
	}
}

static void end_step(struct steps *s)
{
	struct step *now = &s->now;
	struct spawn spawn = spawn_of(s);
	struct err err = ERR_INIT;
	struct wire_end end = {.flags = now->flags,
	    .utime_us = micros(now->usage.ru_utime),
	    .stime_us = micros(now->usage.ru_stime),
	    .maxrss_bytes = (uint64_t)now->usage.ru_maxrss * 1024};
	int unstarted = spawn_failure(&spawn, now->failure, &err);

	if (unstarted != 0) {
		end.code = (uint32_t)unstarted;
		end.flags |= WIRE_END_NOT_STARTED;
	} else if (WIFSIGNALED(now->status)) {
		end.code = (uint32_t)WTERMSIG(now->status);
		end.flags |= WIRE_END_SIGNALED;
	} else {
		end.code = (uint32_t)WEXITSTATUS(now->status);
	}
	fill_memory(now, &end);
	/* It was told to end: that means all of its group. */
	if (now->kill_at != CLOCK_NO_DEADLINE || now->dismissed)
		priv_signal(&s->job.place.who, -now->pid, SIGKILL);
	job_collect(&s->job, now->number, &s->hub);
	job_plan_remove(&s->job, &now->plan);
	send_end(s, now->number, &end, err.msg);
	forget_step(s);
}

/* All that the step's process wrote has been read, and nobody else holds
 * its pipes (or long enough has been waited for that). */
static bool is_drained(const struct steps *s, int64_t now_ns)
{
	bool open = false;

	for (size_t i = 0; i < s->stream_count; i++) {
		if (s->streams[i].step != s->now.number)
			continue;
		if (s->streams[i].owed > 0 ||
		    !stream_has_room(&s->streams[i], &s->hub))
			return false;
		open = true;
	}
	return !open || now_ns >= s->now.drain_until;
}

static void flush_streams(struct steps *s)
{
	for (size_t i = 0; i < s->stream_count; i++) {
		if (s->streams[i].step == s->now.number &&
		    stream_has_room(&s->streams[i], &s->hub))
			stream_flush(&s->streams[i], &s->hub);
	}
}

/* ---- the start ---- */

/* The step reads its standard input, or two pipes whose descriptors it finds
 * in its words. */
static void connect_input(uint32_t flags, const struct input_ends *ends,
    struct job_plan *plan, struct spawn *spawn)
{
	char number[16];

	if ((flags & WIRE_RUN_PIPES) == 0) {
		spawn->input = ends->reads;
		return;
	}
	spawn->keep[0] = ends->reads;
	spawn->keep[1] = ends->writes;
	snprintf(number, sizeof(number), "%d", ends->reads);
	job_plan_fill(plan, "{in}", number);
	snprintf(number, sizeof(number), "%d", ends->writes);
	job_plan_fill(plan, "{out}", number);
}

static int start(struct steps *s, const struct command_run *run,
    struct spawned *ret, struct err *err)
{
	CLEANUP(input_ends_close) struct input_ends ends = {-1, -1};
	struct step *now = &s->now;
	struct spawn spawn;

	TRY(job_plan_step(&s->job, run, now->number, &now->plan, err));
	TRY(make_stream_room(s, err));
	TRY(input_open(&now->input, run->flags, &s->job.place.who, &ends, err));
	spawn = spawn_of(s);
	connect_input(run->flags, &ends, &now->plan, &spawn);
	return spawn_start(&spawn, ret, err);
}

static void begin(
    struct steps *s, const struct command_run *run, const struct spawned *p)
{
	struct step *now = &s->now;
	uint8_t pid[4];

	now->pid = p->pid;
	now->failure = p->failure;
	now->grace_ms = run->grace_ms;
	now->kill_at = now->drain_until = CLOCK_NO_DEADLINE;
	now->timeout_at = CLOCK_NO_DEADLINE;
	if (run->timeout_ms > 0 && run->timeout_ms < INT64_MAX)
		now->timeout_at = clock_deadline_ms((int64_t)run->timeout_ms);
	now->active = true;
	add_stream(s, p->out, 1);
	add_stream(s, p->err, 2);
	for (int i = 0; i < 4; i++)
		pid[i] = (uint8_t)((uint32_t)p->pid >> (8 * i));
	outbox_put(
	    s->hub.outbox, WIRE_STEP_START, now->number, pid, sizeof(pid));
}

/* For a number that is not the running step's. */
static void refuse(struct steps *s, uint16_t number, const struct err *err)
{
	struct wire_end end = {.code = 126, .flags = WIRE_END_NOT_STARTED};

	send_end(s, number, &end, err->msg);
}

void steps_run(struct steps *s, uint16_t number, struct wire_reader *body)
{
	CLEANUP(command_run_fini) struct command_run run = {0};
	struct spawned spawned;
	struct err err = ERR_INIT;

	if (command_run_parse(body, &run, &err) < 0) {
		refuse(s, number, &err);
		return;
	}
	if (s->now.active) {
		IGNORE(err_set(&err, ERR_CONFLICT, NULL,
		    "step %u is still running: one at a time", s->now.number));
		refuse(s, number, &err);
		return;
	}
	s->now = STEP_NONE;
	s->now.number = number;
	s->now.failure = -1;
	s->now.before = cgroup_memory_read();
	if (start(s, &run, &spawned, &err) < 0) {
		refuse(s, number, &err);
		job_plan_remove(&s->job, &s->now.plan);
		forget_step(s);
	} else {
		begin(s, &run, &spawned);
	}
}

/* ---- signals and time ---- */

static void terminate(struct steps *s, uint32_t flag, uint32_t grace_ms)
{
	struct step *now = &s->now;
	const struct account *who = &s->job.place.who;

	now->flags |= flag;
	now->timeout_at = CLOCK_NO_DEADLINE;
	now->kill_at = clock_deadline_ms(grace_ms);
	priv_signal_step(who, now->pid, SIGTERM);
}

static bool ends_a_step(uint32_t sig)
{
	return sig == SIGINT || sig == SIGTERM || sig == SIGQUIT ||
	       sig == SIGKILL;
}

int steps_signal(struct steps *s, uint16_t number, struct wire_reader *body)
{
	uint32_t sig;

	if (wire_get_u32(body, &sig) < 0)
		return -1;
	if (sig == 0 || sig >= NSIG || !s->now.active || s->now.exited ||
	    s->now.number != number)
		return 0;
	s->now.dismissed = s->now.dismissed || ends_a_step(sig);
	priv_signal_step(&s->job.place.who, s->now.pid, (int)sig);
	return 0;
}

int steps_input(struct steps *s, uint16_t number, struct wire_reader *body)
{
	if (!s->now.active || s->now.number != number)
		return 0;
	TRY(input_take(&s->now.input, body));
	input_tell(&s->now.input, s->hub.outbox, number);
	return 0;
}

void steps_cancel(struct steps *s, uint32_t grace_ms)
{
	int64_t sooner = clock_deadline_ms(grace_ms);

	if (!s->now.active || s->now.exited)
		return;
	if (s->now.kill_at == CLOCK_NO_DEADLINE)
		terminate(s, WIRE_END_CANCELLED, grace_ms);
	else if (sooner < s->now.kill_at)
		s->now.kill_at = sooner;
}

static void on_exit_of_step(
    struct steps *s, int status, const struct rusage *usage)
{
	s->now.exited = true;
	s->now.status = status;
	s->now.usage = *usage;
	s->now.timeout_at = CLOCK_NO_DEADLINE;
	/* Told to end: its children have until the kill for their last words.
	 */
	s->now.drain_until = s->now.kill_at != CLOCK_NO_DEADLINE
				 ? CLOCK_NO_DEADLINE
				 : clock_deadline_ms(STEP_DRAIN_MS);
	for (size_t i = 0; i < s->stream_count; i++) {
		if (s->streams[i].step == s->now.number)
			stream_note_owed(&s->streams[i]);
	}
}

void steps_reap(struct steps *s)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		if (s->now.active && !s->now.exited && pid == s->now.pid)
			on_exit_of_step(s, status, &usage);
	}
}

static void kill_step(struct steps *s)
{
	struct step *now = &s->now;

	priv_kill_all(&s->job.place.who);
	now->kill_at = clock_deadline_ms(KILL_AGAIN_MS);
	if (now->exited && now->drain_until == CLOCK_NO_DEADLINE)
		now->drain_until = clock_deadline_ms(STEP_DRAIN_MS);
}

static void lower(int64_t *deadline_ns, int64_t at)
{
	if (at < *deadline_ns)
		*deadline_ns = at;
}

void steps_tick(struct steps *s, int64_t *deadline_ns)
{
	struct step *now = &s->now;
	int64_t now_ns = clock_mono_ns();

	if (!now->active)
		return;
	if (now_ns >= now->timeout_at)
		terminate(s, WIRE_END_TIMEOUT, now->grace_ms);
	if (now_ns >= now->kill_at)
		kill_step(s);
	if (now->exited && is_drained(s, now_ns)) {
		flush_streams(s);
		end_step(s);
		return;
	}
	lower(deadline_ns, now->timeout_at);
	lower(deadline_ns, now->kill_at);
	if (now->exited && now_ns < now->drain_until)
		lower(deadline_ns, now->drain_until);
}
