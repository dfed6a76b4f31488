/*
 * From the wish of a session to containers that run and are healthy: images,
 * network, volumes, the session's container, its services. Carrier's thread.
 * The order is such that a hub that is killed in between leaves nothing that
 * bears no label; what is left half made, carry_unmake removes.
 */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "containers/look.h"
#include "engine/run.h"
#include "jobs/carry_made.h"
#include "jobs/externals.h"
#include "jobs/place.h"
#include "jobs/registries.h"
#include "jobs/session_wish.h"

bool carry_is_made(const struct carry *c)
{
	return c->job.is_session && session_wish_is_made(&c->spec);
}

/* -- the wish ---------------------------------------------------------- */

static json_t *load_secret(const struct secret *s)
{
	const char *text;
	size_t len;

	if (s == NULL)
		return NULL;
	text = secret_expose(s, &len);
	return json_loadb(text, len, 0, NULL);
}

static int load_wish(struct making *m, struct err *err)
{
	struct carry *c = m->carry;
	CLEANUP(secret_free) struct secret *sealed = NULL;
	CLEANUP(secret_free)
	struct secret *known = registries_get(c->hub->registries, c->job.id.u);
	const json_t *list;
	json_t *all;

	TRY(store_job_secrets(c->hub->store, c->job.id, &sealed, err));
	all = load_secret(sealed);
	m->wish = json_incref(json_object_get(all, SESSION_WISH));
	json_decref(all);
	m->registries = load_secret(known);
	list = json_object_get(m->wish, "services");
	m->nservices = json_array_size(list);
	m->services = mem_calloc(m->nservices + 1, sizeof(*m->services));
	if (json_object_get(m->wish, "container") != NULL)
		TRY(container_wish_read(
		    json_object_get(m->wish, "container"), &m->container, err));
	for (size_t i = 0; i < m->nservices; i++)
		TRY(container_wish_read(
		    json_array_get(list, i), &m->services[i].wish, err));
	return 0;
}

static void making_fini(struct making *m)
{
	for (size_t i = 0; i < m->nservices; i++) {
		container_wish_fini(&m->services[i].wish);
		mem_free(m->services[i].alias);
		json_decref(m->services[i].document);
	}
	mem_free(m->services);
	container_wish_fini(&m->container);
	json_decref(m->document);
	json_decref(m->wish);
	json_decref(m->registries);
	mem_free(m->externals);
	place_fini(&m->place);
}

static void say(void *arg, const char *line)
{
	carry_note(arg, line);
}

/* One delegated with credentials, says the spec. */
static bool promised(const json_t *shown)
{
	return json_is_true(json_object_get(shown, "registry"));
}

/* -- the session's own container --------------------------------------- */

/* Nothing is wished of it but to be there. */
static int ensure_plain_image(struct making *m, struct err *err)
{
	struct carry *c = m->carry;

	return hub_image_ensure(c->hub, &c->starting, c->image, say, c, err);
}

static int ensure_image(struct making *m, struct err *err)
{
	struct carry *c = m->carry;
	const struct place_pull pull = {.image = c->image,
	    .registry = json_object_get(m->registries, "container"),
	    .promised = promised(json_object_get(c->spec.root, "container")),
	    .say = say,
	    .arg = c};

	if (!session_wish_has_container(&c->spec))
		return ensure_plain_image(m, err);
	return place_image(&m->place, &c->starting, &pull, err);
}

static int ensure_externals(
    struct making *m, const char *work, char **ret_mount, struct err *err)
{
	struct carry *c = m->carry;
	char *at = externals_place(work);
	int r;

	if (at == NULL)
		return 0;
	r = externals_ensure(
	    c->hub, &c->starting, c->image, at, &m->externals, err);
	if (r == 0)
		*ret_mount = mem_printf("%s:%s:ro", m->externals, at);
	mem_free(at);
	return r;
}

static int ensure_work(
    struct making *m, const char *work, char *mounts[2], struct err *err)
{
	struct carry *c = m->carry;
	const struct engine_pair labels[] = {{"runnerhub.hub", c->hub->id},
	    {PLACE_LABEL, c->id_text}, {NULL, NULL}};
	char volume[PLACE_VOLUME_LEN];

	place_work_volume(c->id_text, volume);
	mounts[0] = mem_printf("%s:%s", volume, work);
	TRY(engine_volume_create(
	    c->hub->engine, &c->starting, volume, labels, err));
	FAULT("after_work_volume");
	return ensure_externals(m, work, &mounts[1], err);
}

static int start_sandbox(struct making *m, const struct body_made *body,
    const char *const *volumes, struct err *err)
{
	struct carry *c = m->carry;
	const char *aliases[] = {m->container.alias, NULL};
	const struct sandbox_spec spec = {.image = c->image,
	    .profile =
		c->spec.profile != NULL ? SANDBOX_RUNNER : SANDBOX_STRICT,
	    .document = body->json,
	    .platform = body->platform,
	    .files = body->links.data,
	    .files_len = body->links.len,
	    .session_network = m->has_network ? m->place.network : NULL,
	    .aliases = m->container.alias != NULL ? aliases : NULL,
	    .volumes = volumes,
	    .nested = spec_nested_work(&c->spec) != NULL,
	    .limits = m->place.limits,
	    .network = c->spec.network,
	    .job_id = c->id_text,
	    .repository = c->job.repository};

	return sandbox_start(
	    c->hub->sandboxes, &c->starting, &spec, &c->sandbox, err);
}

static int make_sandbox_with(
    struct making *m, const char *const *volumes, struct err *err)
{
	CLEANUP(body_made_fini) struct body_made body = {.json = NULL};
	struct carry *c = m->carry;

	if (session_wish_has_container(&c->spec))
		TRY(place_session_body(&m->place, &c->starting, &m->container,
		    c->image, &body, err));
	return start_sandbox(m, &body, volumes, err);
}

static int make_sandbox(struct making *m, struct err *err)
{
	const char *work = spec_nested_work(&m->carry->spec);
	char *mounts[3] = {NULL, NULL, NULL};
	int r = 0;

	if (work != NULL)
		r = ensure_work(m, work, mounts, err);
	if (r == 0)
		r = make_sandbox_with(
		    m, work != NULL ? (const char *const *)mounts : NULL, err);
	mem_free(mounts[0]);
	mem_free(mounts[1]);
	return r;
}

/* The caller has named a file of its own: seen from inside? */
static int check_files(struct making *m, struct err *err)
{
	struct carry *c = m->carry;
	const json_t *probe =
	    json_object_get(json_object_get(m->wish, "container"), "probe");
	const char *path = json_string_value(json_object_get(probe, "path"));
	char *inside;
	int r;

	if (path == NULL)
		return 0;
	inside = container_path_inside(&m->container, path);
	if (inside == NULL)
		return 0; /* mounted nowhere: nothing can differ */
	r = engine_container_has_path(c->hub->engine, &c->starting,
	    c->sandbox->container_id, inside, err);
	mem_free(inside);
	if (r < 0)
		return err_wrap(err, "check that the engine sees the files");
	if (r > 0)
		return 0;
	return err_set(err, ERR_INVALID, "files_differ",
	    "the hub's engine at %s does not see the runner's files: %.200s "
	    "is not there in the container; see \"Runner and engine must see "
	    "the same files\" in docs/HOOKS.md",
	    engine_host(c->hub->engine), path);
}

/* -- services ---------------------------------------------------------- */

static int service_image(struct making *m, size_t index, struct err *err)
{
	struct carry *c = m->carry;
	const struct place_pull pull = {.image = m->services[index].wish.image,
	    .registry = json_array_get(
		json_object_get(m->registries, "services"), index),
	    .promised = promised(json_array_get(
		json_object_get(c->spec.root, "services"), index)),
	    .say = say,
	    .arg = c};

	return place_image(&m->place, &c->starting, &pull, err);
}

static int make_service(struct making *m, size_t index, struct err *err)
{
	struct made_service *s = &m->services[index];
	static const struct body_label own[] = {
	    {"runnerhub.type", "service"}, {NULL, NULL}};
	const char *aliases[3] = {s->kind, NULL, NULL};
	const struct place_container wanted = {.wish = &s->wish,
	    .image = s->wish.image,
	    .kind = s->kind,
	    .aliases = aliases,
	    .own = own,
	    .with_ports = true};
	struct carry *c = m->carry;
	char words[600];

	snprintf(s->kind, sizeof(s->kind), "svc%zu", index);
	s->alias = container_image_alias(s->wish.image);
	aliases[1] = s->alias;
	TRY(place_create(&m->place, &c->starting, &wanted, s->id, err));
	FAULT("after_service_create");
	TRY(engine_container_start(c->hub->engine, &c->starting, s->id, err));
	snprintf(words, sizeof(words),
	    "Service %.200s is %.100s%s%.100s and %s on the job's network.",
	    s->wish.image, s->wish.alias != NULL ? s->wish.alias : "",
	    s->wish.alias != NULL ? ", " : "", s->alias, s->kind);
	carry_note(c, words);
	return 0;
}

static int make_services(struct making *m, struct err *err)
{
	for (size_t i = 0; i < m->nservices; i++)
		if (make_service(m, i, err) != 0)
			return err_wrap(err, "service %zu", i);
	return 0;
}

/* -- all of it --------------------------------------------------------- */

/* What pulls takes longest and fails most: before anything is made. */
static int ensure_images(struct making *m, struct err *err)
{
	TRY(ensure_image(m, err));
	for (size_t i = 0; i < m->nservices; i++)
		if (service_image(m, i, err) != 0)
			return err_wrap(err, "service %zu", i);
	return 0;
}

static int make(struct making *m, struct err *err)
{
	struct carry *c = m->carry;

	TRY(ensure_images(m, err));
	if (c->job.tries > 1) /* what an attempt before has left */
		TRY(session_remove(c->hub, &c->starting, c->job.id, err));
	if (m->has_network)
		TRY(session_network_make(
		    c->hub->sandboxes, &c->starting, c->id_text, err));
	FAULT("after_session_network");
	if (make_sandbox(m, err) != 0)
		return err_wrap(err, "the session's container");
	TRY(check_files(m, err));
	TRY(make_services(m, err));
	TRY(made_await_health(m, err));
	return made_store(m, err);
}

int carry_make(struct carry *c, struct sandbox_limits limits, struct err *err)
{
	struct making m = {
	    .carry = c, .has_network = session_wish_has_network(&c->spec)};
	int r = place_open(&m.place, c, limits, err);

	if (r == 0)
		r = load_wish(&m, err);
	if (r == 0)
		r = make(&m, err);
	if (r == 0) /* never pulled again */
		registries_forget(c->hub->registries, c->job.id.u);
	making_fini(&m);
	return r;
}
