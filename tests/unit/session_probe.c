/*
 * Containers and networks of sessions without a hub around them, for
 * tests/integration/test_session_place.py; not installed. Reads one JSON
 * object a line, answers each with one line, and removes at the end of its
 * input what it made.
 *
 *   session_probe ENGINE STATE_DIR HUB_ID SUBNET NETWORK_MODE
 *   {"do":"network"|"unnetwork","job":ID}
 *   {"do":"start"|"side","job":ID,"image":REF,"grounds":[],"wish":{},
 *    "allow":CSV,"aliases":[],"volumes":[],"memory":BYTES}
 *   {"do":"sweep","keep":ID}
 *   {"do":"refresh"}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "containers/body.h"
#include "engine/run.h"
#include "sandbox/session_network.h"

#define MADE_MAX    256
#define DEADLINE_MS 60000

struct probe {
	struct engine *engine;
	struct sandboxes *sandboxes;
	const char *hub_id;
	struct ctx ctx;
	struct sandbox *started[MADE_MAX];
	size_t nstarted;
	char sides[MADE_MAX][ENGINE_ID_LEN];
	size_t nsides;
	char jobs[MADE_MAX][UUID_TEXT_LEN];
	size_t njobs;
};

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* Ends with NULL; to mem_free. */
static const char **texts(const json_t *o, const char *key)
{
	const json_t *list = json_object_get(o, key);
	size_t n = json_array_size(list);
	const char **v = mem_calloc(n + 1, sizeof(*v));

	for (size_t i = 0; i < n; i++)
		v[i] = json_string_value(json_array_get(list, i));
	return v;
}

/* -- containers -------------------------------------------------------- */

struct request {
	const json_t *json;
	struct container_wish wish;
	struct grounds grounds;
	struct policy policy;
	char network[SESSION_NETWORK_LEN];
};

static int read_request(const json_t *json, struct request *r, struct err *err)
{
	r->json = json;
	session_network_name(text(json, "job"), r->network);
	TRY(policy_parse(
	    text(json, "allow"), "RUNNERHUB_SESSION_ALLOW", &r->policy, err));
	TRY(grounds_read(&r->grounds, json_object_get(json, "grounds"), err));
	return container_wish_read(
	    json_object_get(json, "wish"), &r->wish, err);
}

static void free_request(struct request *r)
{
	container_wish_fini(&r->wish);
	grounds_fini(&r->grounds);
}

static int make_body(struct request *r, const struct probe *p, bool env_apart,
    struct body_made *ret, struct err *err)
{
	const struct body_label labels[] = {{"runnerhub.hub", p->hub_id},
	    {"runnerhub.session", text(r->json, "job")}, {NULL, NULL}};
	const struct body_session session = {.policy = &r->policy,
	    .grounds = &r->grounds,
	    .volume_prefix = "probe-",
	    .env_apart = env_apart,
	    .publish_on = "127.0.0.1",
	    .remote_engine =
		engine_is_local(p->engine) ? NULL : engine_host(p->engine),
	    .memory_bytes =
		json_integer_value(json_object_get(r->json, "memory"))};
	const char **aliases = texts(r->json, "aliases");
	const struct body body = {.container = &r->wish,
	    .image = text(r->json, "image"),
	    .network = r->network,
	    .more_aliases = aliases,
	    .labels = labels,
	    .keep_alive = true,
	    .with_ports = true,
	    .session = &session};
	int made = body_make(&body, ret, err);

	mem_free(aliases);
	return made;
}

static int start_session(
    struct probe *p, struct request *r, char id[ENGINE_ID_LEN], struct err *err)
{
	CLEANUP(body_made_fini) struct body_made made = {.json = NULL};
	const char **volumes = texts(r->json, "volumes");
	const char **aliases = texts(r->json, "aliases");
	struct sandbox_spec spec = {.image = text(r->json, "image"),
	    .profile = SANDBOX_RUNNER,
	    .session_network = r->network,
	    .aliases = aliases,
	    .volumes = volumes,
	    .limits = {.memory_bytes = 64 << 20,
		.nano_cpus = 1000000000,
		.pids = 64},
	    .job_id = text(r->json, "job"),
	    .repository = "o/r"};
	struct sandbox *sb = NULL;
	int result = make_body(r, p, true, &made, err);

	if (result == 0) {
		spec.document = made.json;
		spec.platform = made.platform;
		spec.files = made.links.data;
		spec.files_len = made.links.len;
		result = sandbox_start(p->sandboxes, &p->ctx, &spec, &sb, err);
	}
	mem_free(volumes);
	mem_free(aliases);
	TRY(result);
	p->started[p->nstarted++] = sb;
	snprintf(id, ENGINE_ID_LEN, "%s", sb->container_id);
	return 0;
}

static int start_side(
    struct probe *p, struct request *r, char id[ENGINE_ID_LEN], struct err *err)
{
	CLEANUP(body_made_fini) struct body_made made = {.json = NULL};

	TRY(make_body(r, p, false, &made, err));
	TRY(engine_container_create_from(p->engine, &p->ctx, NULL,
	    made.platform, made.json, strlen(made.json), id, err));
	memcpy(p->sides[p->nsides++], id, ENGINE_ID_LEN);
	if (made.links.len > 0)
		TRY(engine_container_put_archive(p->engine, &p->ctx, id, "/",
		    made.links.data, made.links.len, err));
	return engine_container_start(p->engine, &p->ctx, id, err);
}

/* -- requests ---------------------------------------------------------- */

static bool keeps(void *arg, const char *job_id)
{
	const char *kept = arg;

	return kept != NULL && strcmp(kept, job_id) == 0;
}

static int answer(struct probe *p, const json_t *json, char id[ENGINE_ID_LEN],
    struct err *err)
{
	const char *what = text(json, "do"), *job = text(json, "job");
	struct request r = {.json = NULL};
	int result;

	if (p->njobs == MADE_MAX || p->nsides == MADE_MAX ||
	    p->nstarted == MADE_MAX)
		return err_set(err, ERR_LIMIT, NULL, "too much for a probe");
	if (strcmp(what, "refresh") == 0) {
		sandboxes_refresh(p->sandboxes);
		return sandboxes_prepare(p->sandboxes, &p->ctx, err);
	}
	if (strcmp(what, "sweep") == 0) {
		int n = session_networks_sweep(p->sandboxes, &p->ctx, keeps,
		    (void *)(uintptr_t)text(json, "keep"), err);

		snprintf(id, ENGINE_ID_LEN, "%d", n);
		return n < 0 ? -1 : 0;
	}
	if (strcmp(what, "unnetwork") == 0)
		return session_network_remove(p->sandboxes, &p->ctx, job, err);
	if (strcmp(what, "network") == 0) {
		snprintf(p->jobs[p->njobs++], UUID_TEXT_LEN, "%s", job);
		session_network_name(job, id);
		return session_network_make(p->sandboxes, &p->ctx, job, err);
	}
	result = read_request(json, &r, err);
	if (result == 0 && strcmp(what, "side") == 0)
		result = start_side(p, &r, id, err);
	else if (result == 0)
		result = start_session(p, &r, id, err);
	free_request(&r);
	return result;
}

static void serve(struct probe *p)
{
	char line[65536];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		json_t *json = json_loads(line, 0, NULL), *out;
		struct ctx root = ctx_root();
		char id[ENGINE_ID_LEN] = "";
		struct err err = ERR_INIT;

		p->ctx = ctx_with_timeout(&root, DEADLINE_MS);
		if (answer(p, json, id, &err) == 0)
			out = json_pack("{ss}", "id", id);
		else
			out = json_pack(
			    "{ss,ss}", "code", err.code, "error", err.msg);
		json_dumpf(out, stdout, JSON_COMPACT);
		puts("");
		fflush(stdout);
		json_decref(out);
		json_decref(json);
	}
}

static void undo(struct probe *p)
{
	struct ctx root = ctx_root();
	struct err ignored = ERR_INIT;

	p->ctx = ctx_with_timeout(&root, DEADLINE_MS);
	for (size_t i = 0; i < p->nsides; i++)
		IGNORE(engine_container_remove(
		    p->engine, &p->ctx, p->sides[i], &ignored));
	for (size_t i = 0; i < p->nstarted; i++)
		IGNORE(sandbox_destroy(
		    p->sandboxes, &p->ctx, p->started[i], &ignored));
	for (size_t i = 0; i < p->njobs; i++)
		IGNORE(session_network_remove(
		    p->sandboxes, &p->ctx, p->jobs[i], &ignored));
	sandboxes_erase(p->sandboxes, &p->ctx);
	sandboxes_close(p->sandboxes);
	engine_close(p->engine);
}

static int open_all(struct probe *p, char **argv, struct err *err)
{
	struct ctx root = ctx_root();
	struct sandboxes_config config = {.state_dir = argv[2],
	    .hub_id = argv[3],
	    .starts_parallel = 2,
	    .start_timeout_ms = DEADLINE_MS,
	    .network_mode = argv[5],
	    .network_mechanism = "auto",
	    .network_subnet = "10.213.0.0/16",
	    .session_subnet = argv[4],
	    .deny_host_services = true};

	p->hub_id = argv[3];
	TRY(engine_open(&p->engine, argv[1], err));
	config.engine = p->engine;
	TRY(sandboxes_open(&p->sandboxes, &config, err));
	p->ctx = ctx_with_timeout(&root, DEADLINE_MS);
	return sandboxes_prepare(p->sandboxes, &p->ctx, err);
}

int main(int argc, char **argv)
{
	struct probe p = {.engine = NULL};
	struct err err = ERR_INIT;

	if (argc != 6) {
		fputs("session_probe ENGINE STATE_DIR HUB_ID SUBNET MODE\n",
		    stderr);
		return 2;
	}
	if (open_all(&p, argv, &err) < 0) {
		fprintf(stderr, "%s: %s\n", err.code, err.msg);
		return 1;
	}
	serve(&p);
	undo(&p);
	return 0;
}
