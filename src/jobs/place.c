/*
 * Containers of a session on the engine: see place.h. Nothing here is undone
 * when a later call fails: all of it bears the session's label, by which
 * carry_unmake and the sweep find it.
 */
#include "jobs/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "containers/document.h"
#include "containers/registry.h"
#include "engine/run.h"
#include "jobs/grounds_of.h"

#define DOCUMENT_MAX  ((size_t)4 * 1024 * 1024)
#define ALLOW_SETTING "RUNNERHUB_SESSION_ALLOW"

int place_open(struct place *p, struct carry *c, struct sandbox_limits limits,
    struct err *err)
{
	*p = (struct place){.carry = c, .limits = limits};
	snprintf(p->volume_prefix, sizeof(p->volume_prefix), "runnerhub-v-%s-",
	    c->id_text);
	session_network_name(c->id_text, p->network);
	TRY(policy_parse(
	    c->hub->options->session_allow, ALLOW_SETTING, &p->policy, err));
	if (grounds_of(c, &p->grounds, err) == 0)
		return 0;
	place_fini(p);
	return -1;
}

void place_fini(struct place *p)
{
	grounds_fini(&p->grounds);
}

void place_work_volume(const char *job, char ret[PLACE_VOLUME_LEN])
{
	snprintf(ret, PLACE_VOLUME_LEN, "runnerhub-w-%s", job);
}

/* -- images ------------------------------------------------------------ */

/* Of a hub that was restarted in between, the delegation has to be repeated:
 * until then the session waits as for a registry that is away. */
static int make_auth(const struct place_pull *pull, char **ret, struct err *err)
{
	struct container_wish w = {.has_registry = true};
	const json_t *r = pull->registry;

	*ret = NULL;
	if (!json_is_object(r) && !pull->promised)
		return 0;
	if (!json_is_object(r))
		return err_set(err, ERR_UNAVAILABLE, "credentials_lost",
		    "the credentials for image %s went with a restart of the "
		    "hub: delegate the session once more",
		    pull->image);
	w.registry_user = json_string_value(wish_field(r, "username"));
	w.registry_password = json_string_value(wish_field(r, "password"));
	w.registry_server = json_string_value(wish_field(r, "serverUrl"));
	if (w.registry_server != NULL && w.registry_server[0] == '\0')
		w.registry_server = NULL;
	*ret = registry_auth(&w);
	return 0;
}

static int auth(void *arg, char **ret, struct err *err)
{
	return make_auth(arg, ret, err);
}

static void say(void *arg, const char *line)
{
	const struct place_pull *pull = arg;

	pull->say(pull->arg, line);
}

int place_image(struct place *p, const struct ctx *ctx,
    const struct place_pull *pull, struct err *err)
{
	struct place_pull own = *pull;

	return hub_image_ensure_as(
	    p->carry->hub, ctx, pull->image, auth, say, &own, err);
}

/* -- the document ------------------------------------------------------ */

enum { LABELS_MAX = 8 };

static void put_labels(const struct place *p, const struct body_label *own,
    struct body_label ret[LABELS_MAX])
{
	size_t n = 0;

	ret[n++] = (struct body_label){"runnerhub.managed", "true"};
	ret[n++] = (struct body_label){"runnerhub.hub", p->carry->hub->id};
	ret[n++] = (struct body_label){PLACE_LABEL, p->carry->id_text};
	for (; own != NULL && own->key != NULL; own++) {
		ASSERT(n + 1 < LABELS_MAX);
		ret[n++] = *own;
	}
	ret[n] = (struct body_label){NULL, NULL};
}

/* Ports are for the runner on this machine: nobody else reaches them. */
static const char *publish_on(const struct place *p)
{
	return engine_is_local(p->carry->hub->engine) ? "127.0.0.1" : NULL;
}

static struct body_session rules_of(const struct place *p, bool env_apart)
{
	return (struct body_session){.policy = &p->policy,
	    .grounds = &p->grounds,
	    .volume_prefix = p->volume_prefix,
	    .env_apart = env_apart,
	    .publish_on = publish_on(p),
	    .remote_engine = engine_is_local(p->carry->hub->engine)
				 ? NULL
				 : engine_host(p->carry->hub->engine),
	    .memory_bytes = p->limits.memory_bytes,
	    .nano_cpus = p->limits.nano_cpus,
	    .pids = p->limits.pids};
}

static void tell_socket(struct place *p, const struct body_made *made)
{
	if (made->socket_dropped)
		carry_note(p->carry,
		    "The engine's socket is not mounted into the container "
		    "(" ALLOW_SETTING "=engine-socket would do that).");
}

/* Named volumes of a workflow live as long as its session: made beforehand,
 * so that they bear its label. */
static int make_volumes(struct place *p, const struct ctx *ctx,
    const char *document, struct err *err)
{
	const struct engine_pair labels[] = {
	    {"runnerhub.hub", p->carry->hub->id},
	    {PLACE_LABEL, p->carry->id_text}, {NULL, NULL}};
	json_t *doc = json_loads(document, 0, NULL);
	const json_t *mounts =
	    json_object_get(json_object_get(doc, "HostConfig"), "Mounts");
	size_t n = strlen(p->volume_prefix);
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(mounts); i++) {
		const char *source = json_string_value(
		    json_object_get(json_array_get(mounts, i), "Source"));

		if (source != NULL && strncmp(source, p->volume_prefix, n) == 0)
			r = engine_volume_create(
			    p->carry->hub->engine, ctx, source, labels, err);
	}
	json_decref(doc);
	return r;
}

/* Its log is what a restarted hub goes on from, and what is shown of a
 * service that fails: of a kind that can be read. Bounded, whatever its
 * options say: it is the host's disk. Twice the job's log, beyond which it is
 * dropped there, too. */
static void limit_log(const struct place *p, struct body_made *made)
{
	json_t *doc = json_loads(made->json, 0, NULL);
	char log_max[32], *text;

	snprintf(log_max, sizeof(log_max), "%lldk",
	    (long long)(p->carry->hub->options->log_max_bytes / 512));

	json_object_set_new(json_object_get(doc, "HostConfig"), "LogConfig",
	    json_pack("{ss,s{ss,ss}}", "Type", "json-file", "Config",
		"max-size", log_max, "max-file", "2"));
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	mem_free(made->json);
	made->json = mem_strdup(text);
	free(text); /* allow: free, jansson allocated it */
}

/* -- containers -------------------------------------------------------- */

int place_session_body(struct place *p, const struct ctx *ctx,
    const struct container_wish *wish, const char *image, struct body_made *ret,
    struct err *err)
{
	const struct body_session rules = rules_of(p, true);
	struct body_label labels[LABELS_MAX];
	const struct body body = {.container = wish,
	    .image = image,
	    .network = p->network,
	    .alias = wish->alias,
	    .labels = labels,
	    .keep_alive = true,
	    .with_ports = true,
	    .session = &rules};

	put_labels(p, NULL, labels);
	TRY(body_make(&body, ret, err));
	tell_socket(p, ret);
	return make_volumes(p, ctx, ret->json, err);
}

/* After a lost reply there may be one: it must not stay. */
static int create(struct place *p, const struct ctx *ctx, const char *name,
    const struct body_made *made, char ret_id[ENGINE_ID_LEN], struct err *err)
{
	struct engine *e = p->carry->hub->engine;
	struct ctx to_its_end = *ctx;
	struct err again = ERR_INIT;

	TRY(ctx_check(ctx, err));
	to_its_end.cancel = NULL; /* as for sandboxes: no half-made ones */
	if (engine_container_create_from(e, &to_its_end, name, made->platform,
		made->json, strlen(made->json), ret_id, err) == 0)
		return 0;
	if (err->kind == ERR_UNCERTAIN)
		IGNORE(engine_container_remove(
		    e, &to_its_end, name, &again)); /* the sweep will */
	return -1;
}

int place_create(struct place *p, const struct ctx *ctx,
    const struct place_container *wanted, char ret_id[ENGINE_ID_LEN],
    struct err *err)
{
	const struct body_session rules = rules_of(p, false);
	CLEANUP(body_made_fini) struct body_made made = {.json = NULL};
	struct body_label labels[LABELS_MAX];
	const struct body body = {.container = wanted->wish,
	    .image = wanted->image,
	    .network = p->network,
	    .alias = wanted->wish->alias,
	    .more_aliases = wanted->aliases,
	    .path = wanted->path,
	    .labels = labels,
	    .with_ports = wanted->with_ports,
	    .session = &rules};
	char unique[17], name[100];

	put_labels(p, wanted->own, labels);
	TRY(body_make(&body, &made, err));
	tell_socket(p, &made);
	limit_log(p, &made);
	TRY(make_volumes(p, ctx, made.json, err));
	snprintf(name, sizeof(name), "%s-%s-%s", p->network, wanted->kind,
	    random_hex(unique, 4));
	TRY(create(p, ctx, name, &made, ret_id, err));
	FAULT("after_place_create");
	if (made.links.len == 0)
		return 0;
	return engine_container_put_archive(p->carry->hub->engine, ctx, ret_id,
	    "/", made.links.data, made.links.len, err);
}

int place_document(struct place *p, const struct ctx *ctx, const char *id,
    json_t **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = DOCUMENT_MAX};

	TRY(engine_container_document(
	    p->carry->hub->engine, ctx, id, &text, err));
	return document_read(buf_str(&text), text.len, id, ret, err);
}
