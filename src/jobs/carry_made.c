/*
 * What a session's containers turn out to be: well or not, their ports, their
 * system; written down for the API and for the next hub. Carrier's thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "containers/document.h"
#include "containers/look.h"
#include "engine/run.h"
#include "jobs/carry_made.h"
#include "jobs/session_wish.h"

/* Looks come quickly at first: what has no check is well at once. */
#define LOOK_FIRST_MS INT64_C(50)
#define LOOK_MS       INT64_C(1000)
/* Checks have bounds of their own (interval, retries); this one is for an
 * engine that has forgotten a check. */
#define HEALTH_MS INT64_C(3600000)
#define LOG_TAIL  200
#define LOG_BYTES ((size_t)256 * 1024)

/* -- words of a container that is not well ----------------------------- */

/* What does not fit is left out: the end of 200 lines is long enough. */
static int collect(
    void *arg, int stream, const char *data, size_t len, struct err *err)
{
	(void)stream;
	(void)err;
	IGNORE(buf_append(arg, data, len)); /* too long: left out */
	return 0;
}

static void note_lines(struct carry *c, const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");
		char *line = mem_strndup(text, n);

		carry_note(c, line);
		mem_free(line);
		text += n + (text[n] == '\n');
	}
}

static void note_logs(struct carry *c, const char *id, const char *image)
{
	CLEANUP(buf_fini) struct buf text = {.max = LOG_BYTES};
	struct err err = ERR_INIT;
	char title[400];

	snprintf(title, sizeof(title), "Logs of %.300s (%.12s):", image, id);
	carry_note(c, title);
	if (engine_container_logs(c->hub->engine, &c->starting, id, LOG_TAIL,
		collect, &text, &err) < 0)
		carry_note(c, err.msg);
	note_lines(c, buf_str(&text));
}

/* -- health ------------------------------------------------------------ */

struct watch {
	const char *id, *image;
	bool must_run;
	bool unchecked;    /* its image's health check is not of our process */
	json_t **document; /* filled when it is well */
};

static int fail(
    struct carry *c, const struct watch *w, const json_t *doc, struct err *err)
{
	bool running = json_is_true(document_at(doc, "State.Running"));
	char how[120];

	note_logs(c, w->id, w->image);
	if (running)
		return err_set(err, ERR_INVALID, "container_unhealthy",
		    "the container of image %s is unhealthy; its last words "
		    "are in the log",
		    w->image);
	container_tell_end(doc, how, sizeof(how));
	return err_set(err, ERR_INVALID, "container_ended",
	    "the container of image %s %s; its last words are in the log",
	    w->image, how);
}

static enum container_health judge(const struct watch *w, const json_t *doc)
{
	if (w->unchecked && json_is_true(document_at(doc, "State.Running")))
		return CONTAINER_WELL;
	return container_judge(doc, w->must_run);
}

/* 1 well, 0 not yet. */
static int look(
    struct making *m, const struct watch *w, bool first, struct err *err)
{
	struct carry *c = m->carry;
	char words[400];
	json_t *doc;
	int r = 0;

	TRY(place_document(&m->place, &c->starting, w->id, &doc, err));
	switch (judge(w, doc)) {
	case CONTAINER_WELL:
		*w->document = json_incref(doc);
		r = 1;
		break;
	case CONTAINER_STARTING:
		snprintf(words, sizeof(words),
		    "Waiting for the container of image %.300s to be "
		    "healthy.",
		    w->image);
		if (first)
			carry_note(c, words);
		break;
	case CONTAINER_BAD:
		r = fail(c, w, doc, err);
		break;
	}
	json_decref(doc);
	return r;
}

static int await_all(
    struct making *m, const struct watch *watches, size_t n, struct err *err)
{
	struct ctx limited = ctx_with_timeout(&m->carry->starting, HEALTH_MS);
	int64_t ms = LOOK_FIRST_MS;

	for (bool first = true;; first = false) {
		size_t well = 0;

		for (size_t i = 0; i < n; i++) {
			int r = *watches[i].document != NULL
				    ? 1
				    : look(m, &watches[i], first, err);

			TRY(r);
			well += r > 0;
		}
		if (well == n)
			return 0;
		TRY(ctx_sleep(&limited, ms, err));
		ms = ms * 2 < LOOK_MS ? ms * 2 : LOOK_MS;
	}
}

int made_await_health(struct making *m, struct err *err)
{
	struct carry *c = m->carry;
	struct watch *watches = mem_calloc(m->nservices + 1, sizeof(*watches));
	size_t n = 0;
	int r;

	watches[n++] = (struct watch){.id = c->sandbox->container_id,
	    .image = c->image,
	    .must_run = true,
	    .unchecked = !session_wish_has_container(&c->spec),
	    .document = &m->document};
	for (size_t i = 0; i < m->nservices; i++)
		watches[n++] = (struct watch){.id = m->services[i].id,
		    .image = m->services[i].wish.image,
		    .document = &m->services[i].document};
	r = await_all(m, watches, n, err);
	mem_free(watches);
	return r;
}

/* -- what it is -------------------------------------------------------- */

/* An image without such a file, or an engine that does not hand it out: then
 * it is taken for no Alpine, as the runner does. */
static bool probe_alpine(struct carry *c)
{
	CLEANUP(buf_fini) struct buf text = {.max = LOG_BYTES};
	struct err err = ERR_INIT;

	if (engine_container_read_file(c->hub->engine, &c->starting,
		c->sandbox->container_id, "/etc/os-release", &text, &err) < 0)
		log_debug(&c->ctx, "cannot read the image's release file",
		    LOG_ERR(&err));
	return container_is_alpine(buf_str(&text));
}

static json_t *service_json(const struct making *m, size_t index)
{
	const struct made_service *s = &m->services[index];
	json_t *one = json_object(), *names = json_array();

	json_object_set_new(one, "id", json_string(s->id));
	json_object_set_new(one, "image", json_string(s->wish.image));
	if (s->wish.alias != NULL)
		json_array_append_new(names, json_string(s->wish.alias));
	json_array_append_new(names, json_string(s->alias));
	json_array_append_new(names, json_string(s->kind));
	json_object_set_new(one, "names", names);
	json_object_set_new(one, "ports", document_ports(s->document));
	json_object_set_new(one, "network", json_string(m->place.network));
	return one;
}

static json_t *made_json(const struct making *m)
{
	struct carry *c = m->carry;
	bool own = session_wish_has_container(&c->spec);
	json_t *made = json_object(), *services = json_array();

	/* null was wished where only services are. */
	json_object_set_new(made, "containerId",
	    own || !m->has_network ? json_string(c->sandbox->container_id)
				   : json_null());
	json_object_set_new(made, "image", json_string(c->image));
	json_object_set_new(made, "network",
	    m->has_network ? json_string(m->place.network) : json_null());
	json_object_set_new(made, "ports", document_ports(m->document));
	json_object_set_new(
	    made, "isAlpine", json_boolean(own && probe_alpine(c)));
	json_object_set_new(
	    made, "path", json_string(document_path(m->document)));
	for (size_t i = 0; i < m->nservices; i++)
		json_array_append_new(services, service_json(m, i));
	json_object_set_new(made, "services", services);
	if (m->externals != NULL)
		json_object_set_new(
		    made, "externals", json_string(m->externals));
	return made;
}

int made_store(struct making *m, struct err *err)
{
	struct carry *c = m->carry;
	json_t *made = made_json(m);
	char *text = json_dumps(made, JSON_COMPACT);
	const struct job_change change = {.session = text};
	int r = store_job_note(c->hub->store, c->job.id, &change, NULL, err);

	mem_free(c->job.session);
	c->job.session = text;
	json_decref(made);
	return r;
}
