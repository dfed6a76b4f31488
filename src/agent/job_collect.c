/*
 * What a step left in its files: GITHUB_ENV and GITHUB_PATH for later steps,
 * GITHUB_OUTPUT and GITHUB_STEP_SUMMARY as masked records. Called by the
 * agent's loop when a step ends; the files may hold anything.
 */
#include <stdio.h>
#include <string.h>

#include "agent/filecmd.h"
#include "agent/job.h"
#include "agent/job_files.h"

#define FILE_MAX      (1024 * 1024)
#define NOTES_MAX     20 /* of one step */
#define OUTPUTS_MAX   4096
#define BATCH_BYTES   (64 * 1024)
#define SUMMARY_PIECE (60 * 1024)
/* A record must fit the ring: a pair at most this, beside a full batch. */
#define OUTPUT_MAX (OUTBOX_PAYLOAD_MAX - BATCH_BYTES - 64)

static const struct {
	const char *variable;
	const char *stem;
} files[JOB_FILES] = {
    [JOB_FILE_ENV] = {"GITHUB_ENV", "env"},
    [JOB_FILE_PATH] = {"GITHUB_PATH", "path"},
    [JOB_FILE_OUTPUT] = {"GITHUB_OUTPUT", "output"},
    [JOB_FILE_SUMMARY] = {"GITHUB_STEP_SUMMARY", "summary"},
};

const char *job_file_variable(enum job_file f)
{
	return files[f].variable;
}

void job_file_name(char out[JOB_FILE_NAME_MAX], enum job_file f, uint16_t step)
{
	snprintf(out, JOB_FILE_NAME_MAX, "%s_%u", files[f].stem, step);
}

void job_script_name(
    char out[JOB_FILE_NAME_MAX], const char *shell, uint16_t step)
{
	const char *ending = "sh";

	if (strncmp(shell, "pwsh", 4) == 0)
		ending = "ps1";
	else if (strncmp(shell, "python", 6) == 0)
		ending = "py";
	snprintf(out, JOB_FILE_NAME_MAX, "step_%u.%s", step, ending);
}

struct collector {
	struct job *job;
	struct stream_hub *hub;
	uint16_t step;
	enum job_file file;
	unsigned notes;
	unsigned outputs, batched; /* pairs seen, pairs in batch */
	struct buf batch;
};

static void note(struct collector *c, unsigned line, const char *why,
    const char *name, size_t name_len)
{
	if (c->notes++ > NOTES_MAX)
		return;
	if (c->notes > NOTES_MAX) {
		stream_hub_note(c->hub, c->step,
		    "further lines of the step's files are wrong as well");
		return;
	}
	stream_hub_note(c->hub, c->step, "%s line %u %s%s%.*s",
	    job_file_variable(c->file), line, why, name_len > 0 ? ": " : "",
	    name_len < 100 ? (int)name_len : 100, name);
}

static void on_bad(void *arg, unsigned line, const char *why)
{
	note(arg, line, why, "", 0);
}

static void on_env(void *arg, unsigned line, const char *key, size_t key_len,
    const char *value, size_t value_len)
{
	struct collector *c = arg;

	if (filecmd_env_is_reserved(key, key_len))
		note(c, line, "sets a name that steps may not set", key,
		    key_len);
	else if (envlist_set(
		     &c->job->exported, key, key_len, value, value_len) < 0)
		note(c, line, "does not fit: too many variables, or too long",
		    key, key_len);
}

/* The latest directory is searched first. */
static void on_path(void *arg, unsigned line, const char *key, size_t key_len,
    const char *value, size_t value_len)
{
	struct collector *c = arg;
	struct buf *paths = &c->job->paths;
	struct buf longer;

	(void)key;
	(void)key_len;
	buf_init(&longer, JOB_PATHS_MAX);
	IGNORE(buf_append(&longer, value, value_len));
	IGNORE(buf_append_char(&longer, ':'));
	IGNORE(buf_append(&longer, buf_str(paths), paths->len));
	if (longer.overflow) {
		note(c, line, "does not fit: the directories are too many", "",
		    0);
		buf_fini(&longer);
		return;
	}
	buf_fini(paths);
	*paths = longer;
}

static void send_batch(struct collector *c)
{
	if (c->batched == 0)
		return;
	for (int i = 0; i < 4; i++)
		c->batch.data[i] = (char)(c->batched >> (8 * i));
	outbox_put(
	    c->hub->outbox, WIRE_OUTPUTS, c->step, c->batch.data, c->batch.len);
	c->batched = 0;
	buf_clear(&c->batch);
}

static void put_masked(struct collector *c, const char *text, size_t len)
{
	CLEANUP(buf_fini) struct buf masked = {0};

	buf_init(&masked, 2 * FILE_MAX);
	mask_text(c->hub->masks, text, len, &masked);
	wire_put_strn(&c->batch, buf_str(&masked), masked.len);
}

static void on_output(void *arg, unsigned line, const char *key, size_t key_len,
    const char *value, size_t value_len)
{
	struct collector *c = arg;

	if (key_len + value_len > OUTPUT_MAX) {
		note(c, line, "sets an output that is too long", key, key_len);
		return;
	}
	if (c->outputs++ >= OUTPUTS_MAX) {
		note(c, line, "sets one output too many", key, key_len);
		return;
	}
	if (c->batched == 0)
		wire_put_u32(&c->batch, 0); /* filled in by send_batch */
	put_masked(c, key, key_len);
	put_masked(c, value, value_len);
	c->batched++;
	if (c->batch.len >= BATCH_BYTES)
		send_batch(c);
}

static void send_summary(struct collector *c, const struct buf *text)
{
	CLEANUP(buf_fini) struct buf masked = {0};
	size_t n;

	buf_init(&masked, 2 * FILE_MAX);
	mask_text(c->hub->masks, buf_str(text), text->len, &masked);
	for (size_t i = 0; i < masked.len; i += n) {
		n = masked.len - i;
		if (n > SUMMARY_PIECE)
			n = SUMMARY_PIECE;
		outbox_put(
		    c->hub->outbox, WIRE_SUMMARY, c->step, masked.data + i, n);
	}
}

static void take_file(struct collector *c, const struct buf *text)
{
	struct filecmd_sink sink = {.arg = c, .bad = on_bad};

	switch (c->file) {
	case JOB_FILE_ENV:
		sink.pair = on_env;
		filecmd_parse_pairs(buf_str(text), text->len, &sink);
		break;
	case JOB_FILE_PATH:
		sink.pair = on_path;
		filecmd_parse_paths(buf_str(text), text->len, &sink);
		break;
	case JOB_FILE_OUTPUT:
		sink.pair = on_output;
		filecmd_parse_pairs(buf_str(text), text->len, &sink);
		send_batch(c);
		break;
	case JOB_FILE_SUMMARY:
		send_summary(c, text);
		break;
	}
}

static void collect_file(struct collector *c)
{
	const struct workplace *place = &c->job->place;
	CLEANUP(buf_fini) struct buf text = {0};
	struct err err = ERR_INIT;
	char name[JOB_FILE_NAME_MAX];
	int r;

	buf_init(&text, FILE_MAX + 4096);
	job_file_name(name, c->file, c->step);
	r = workplace_read(place, place->commands, name, &text, &err);
	if (r < 0)
		stream_hub_note(c->hub, c->step, "%s is ignored: it %s",
		    job_file_variable(c->file), err.msg);
	else if (r > 0)
		take_file(c, &text);
	workplace_remove(place, place->commands, name);
}

void job_collect(struct job *j, uint16_t step, struct stream_hub *hub)
{
	struct collector c = {.job = j, .hub = hub, .step = step};

	buf_init(&c.batch, WIRE_RING_BYTES);
	for (int f = 0; f < JOB_FILES; f++) {
		c.file = (enum job_file)f;
		collect_file(&c);
	}
	buf_fini(&c.batch);
}
