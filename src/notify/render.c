/*
 * What happened, and how it is told: as JSON for programs (`generic`), as a
 * line for people (`slack`, which Mattermost and others take as well). Names
 * and reasons come from jobs and repositories: in Slack's text they are
 * escaped, so that they cannot address a channel or hide a link. Feeder's and
 * handlers' threads.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "notify/notify_internal.h"

enum { WORDS_MAX = 2000 }; /* bytes of a line for people */

void happening_fini(struct happening *h)
{
	mem_free(h->repository);
	mem_free(h->trace);
	mem_free(h->data);
	mem_free(h->words);
	*h = (struct happening){0};
}

/* -- jobs -------------------------------------------------------------- */

const char *happening_type(const struct job_event *e)
{
	static const struct {
		const char *to, *type;
	} types[] = {{"running", "job.running"}, {"completed", "job.completed"},
	    {"failed", "job.failed"}, {"cancelled", "job.cancelled"},
	    {"pending", "job.retry"}};

	if (strcmp(e->type, "delegated") == 0)
		return "job.delegated";
	if (strcmp(e->type, "status") != 0 || e->to == NULL)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(e->to, types[i].to) == 0)
			return types[i].type;
	return NULL;
}

static void write_job(struct json *j, const struct job *job)
{
	json_kstr(j, "jobId", job->external_id);
	json_kstr(j, "runId", job->run_id);
	json_kint(j, "attempt", job->attempt);
	json_kstr(j, "workflow", job->workflow);
	json_kstr(j, "runnerName", job->runner_name);
	json_key(j, "exitCode");
	if (job->has_exit_code)
		json_int(j, job->exit_code);
	else
		json_none(j);
}

static char *trace_of(const struct job *job)
{
	json_t *meta = json_loads(job->metadata, 0, NULL);
	char *trace = mem_strdup_or_null(
	    json_string_value(json_object_get(meta, "traceId")));

	json_decref(meta);
	return trace;
}

static char *job_data(
    const struct job_event *e, const struct job *job, const char *trace)
{
	char id[UUID_TEXT_LEN];
	struct buf out;
	struct json j;

	buf_init(&out, BODY_MAX_BYTES);
	json_init(&j, &out);
	json_obj(&j);
	json_kobj(&j, "job");
	json_kstr(&j, "id", uuid_text(e->job.u, id));
	json_kstr(&j, "repository", e->repository);
	if (job != NULL)
		write_job(&j, job);
	json_kstr(&j, "from", e->from);
	json_kstr(&j, "status", e->to);
	json_kstr(&j, "code", e->reason_code);
	json_kstr(&j, "reason", e->reason);
	json_kstr(&j, "traceId", trace);
	json_end(&j);
	json_end(&j);
	return buf_steal(&out, NULL);
}

static char *job_words(
    const struct job_event *e, const struct job *job, const char *type)
{
	struct buf out;

	buf_init(&out, WORDS_MAX);
	IGNORE(buf_printf(&out, "%s: %s", type, e->repository));
	if (job != NULL && job->workflow != NULL)
		IGNORE(buf_printf(&out, ", %s", job->workflow));
	if (job != NULL)
		IGNORE(buf_printf(
		    &out, ", %s (run %s)", job->external_id, job->run_id));
	if (e->reason != NULL)
		IGNORE(buf_printf(&out, ": %s", e->reason));
	return buf_steal(&out, NULL);
}

void happening_of_job(
    const struct job_event *e, const struct job *job, struct happening *ret)
{
	*ret = (struct happening){.type = happening_type(e),
	    .at = e->at,
	    .repository = mem_strdup(e->repository)};
	snprintf(ret->id, sizeof(ret->id), "job-%lld", (long long)e->seq);
	ret->trace = job != NULL ? trace_of(job) : NULL;
	ret->data = job_data(e, job, ret->trace);
	ret->words = job_words(e, job, ret->type);
}

/* -- the rest ---------------------------------------------------------- */

static const char *text_of(const json_t *data, const char *key)
{
	return json_string_value(json_object_get(data, key));
}

static char *notice_words(const struct notice *n)
{
	static const char *const shown[] = {
	    "name", "componentRef", "repository", "error"};
	json_t *data = json_loads(n->data, 0, NULL);
	const char *sep = ": ";
	struct buf out;

	buf_init(&out, WORDS_MAX);
	IGNORE(buf_append_str(&out, n->type));
	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		if (text_of(data, shown[i]) == NULL)
			continue;
		IGNORE(buf_printf(&out, "%s%s", sep, text_of(data, shown[i])));
		sep = ", ";
	}
	json_decref(data);
	return buf_steal(&out, NULL);
}

void happening_of_notice(const struct notice *n, struct happening *ret)
{
	const char *kind_end = strchr(n->type, '.');

	*ret = (struct happening){.type = n->type,
	    .at = n->at,
	    .repository = mem_strdup_or_null(n->repository),
	    .words = notice_words(n)};
	snprintf(ret->id, sizeof(ret->id), "notice-%lld", (long long)n->seq);
	ret->data = mem_printf("{\"%.*s\":%s}",
	    kind_end != NULL ? (int)(kind_end - n->type) : 0, n->type, n->data);
}

void happening_of_test(struct happening *ret)
{
	*ret = (struct happening){.type = "webhook.test",
	    .at = clock_wall_ns(),
	    .data = mem_strdup("{}"),
	    .words = mem_strdup("webhook.test: RunnerHub reaches you")};
	snprintf(ret->id, sizeof(ret->id), "test-%lld",
	    (long long)(ret->at / CLOCK_NS_PER_MS));
}

/* -- bodies ------------------------------------------------------------ */

static void generic(
    struct json *j, const char *hub_id, const struct happening *h)
{
	json_obj(j);
	json_kstr(j, "event", h->type);
	json_kstr(j, "id", h->id);
	json_ktime(j, "time", h->at);
	json_kstr(j, "hub", hub_id);
	json_kstr(j, "repository", h->repository);
	json_kraw(j, "data", h->data);
	json_end(j);
}

/* "Escaping text", api.slack.com/reference/surfaces/formatting: these three
 * and no others. */
static void slack(struct json *j, const struct happening *h)
{
	CLEANUP(buf_fini) struct buf text = {0};

	buf_init(&text, BODY_MAX_BYTES);
	for (const char *s = h->words; *s != '\0'; s++) {
		const char *as = *s == '&'   ? "&amp;"
				 : *s == '<' ? "&lt;"
				 : *s == '>' ? "&gt;"
					     : NULL;

		if (as != NULL)
			IGNORE(buf_append_str(&text, as));
		else
			IGNORE(buf_append_char(&text, *s));
	}
	json_obj(j);
	json_kstr(j, "text", buf_str(&text));
	json_end(j);
}

bool notify_format_is_known(const char *format)
{
	return strcmp(format, "generic") == 0 || strcmp(format, "slack") == 0;
}

char *render(const char *format, const char *hub_id, const struct happening *h)
{
	struct buf out;
	struct json j;

	buf_init(&out, BODY_MAX_BYTES);
	json_init(&j, &out);
	if (strcmp(format, "slack") == 0)
		slack(&j, h);
	else
		generic(&j, hub_id, h);
	if (out.overflow) {
		buf_fini(&out);
		return NULL;
	}
	return buf_steal(&out, NULL);
}
