/*
 * An instance's container: what it may, where its ports are, its start. Its
 * name follows from the instance, so that it is found whatever was lost. The
 * flow's thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "base/secret.h"
#include "components/flow.h"
#include "components/secrets.h"
#include "engine/run.h"
#include "sandbox/session_network.h"
#include "store/named_secrets.h"

#define DOCUMENT_MAX ((size_t)1024 * 1024)
#define NANO         1e9

void run_name(const struct flow *f, char out[64])
{
	snprintf(out, 64, "runnerhub-instance-%s", f->id_text);
}

/* -- the document ------------------------------------------------------ */

static void put_labels(const struct flow *f, struct json *j)
{
	json_kobj(j, "Labels");
	json_kstr(j, "runnerhub.managed", "true");
	json_kstr(j, "runnerhub.hub", f->owner->config.hub_id);
	json_kstr(j, "runnerhub.type", "instance");
	json_kstr(j, "runnerhub.instance.id", f->id_text);
	json_kstr(j, "runnerhub.component", f->component_ref);
	json_end(j);
}

/* "NAME=value" of a secret. */
static int put_secret(
    const struct flow *f, const char *name, struct json *j, struct err *err)
{
	struct buf pair = {
	    .max = NAMED_SECRET_NAME_MAX + 1 + (size_t)NAMED_SECRET_VALUE_MAX};
	int rc;

	IGNORE(buf_printf(&pair, "%s=", name)); /* bounded: it fits */
	rc = flow_secret_take(f, name, &pair, err);
	if (rc == 0)
		json_strn(j, buf_str(&pair), pair.len);
	if (pair.data != NULL)
		secret_wipe(pair.data, pair.len);
	buf_fini(&pair);
	return rc;
}

static int put_environment(
    const struct flow *f, struct json *j, struct err *err)
{
	const struct descriptor *d = &f->d;

	json_karr(j, "Env");
	for (size_t i = 0; i < d->nenvironment; i++) {
		CLEANUP(mem_free)
		char *pair = mem_printf(
		    "%s=%s", d->environment[i].name, d->environment[i].value);

		json_str(j, pair);
	}
	for (char **s = d->secrets; s != NULL && *s != NULL; s++)
		TRY(put_secret(f, *s, j, err));
	json_end(j);
	return 0;
}

static void port_key(const struct descriptor_port *p, char out[16])
{
	snprintf(out, 16, "%d/%s", p->container, p->udp ? "udp" : "tcp");
}

static void put_exposed(const struct descriptor *d, struct json *j)
{
	char key[16];

	json_kobj(j, "ExposedPorts");
	for (size_t i = 0; i < d->nports; i++) {
		port_key(&d->ports[i], key);
		json_kobj(j, key);
		json_end(j);
	}
	json_end(j);
}

/* One container port may have several of the host's. */
static void put_bindings_of(const struct flow *f, size_t first, struct json *j)
{
	const struct descriptor_port *p = &f->d.ports[first];
	char key[16], port[16];

	port_key(p, key);
	json_karr(j, key);
	for (size_t i = first; i < f->d.nports; i++) {
		if (f->d.ports[i].container != p->container ||
		    f->d.ports[i].udp != p->udp)
			continue;
		snprintf(port, sizeof(port), "%d", f->host_ports[i]);
		json_obj(j);
		json_kstr(
		    j, "HostIp", f->owner->config.options->components_bind);
		json_kstr(j, "HostPort", port);
		json_end(j);
	}
	json_end(j);
}

static bool is_first(const struct descriptor *d, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (d->ports[i].container == d->ports[at].container &&
		    d->ports[i].udp == d->ports[at].udp)
			return false;
	return true;
}

static void put_bindings(const struct flow *f, struct json *j)
{
	json_kobj(j, "PortBindings");
	for (size_t i = 0; i < f->d.nports; i++)
		if (is_first(&f->d, i))
			put_bindings_of(f, i, j);
	json_end(j);
}

/* The asked for, at most the hub's own bound for a job. */
static void put_limits(const struct flow *f, struct json *j)
{
	int64_t memory = f->owner->memory_max;
	int64_t pids = f->owner->config.options->pids_limit;
	double cpus = f->owner->cpus_max;

	if (f->d.memory_bytes > 0 && f->d.memory_bytes < memory)
		memory = f->d.memory_bytes;
	if (f->d.pids > 0 && f->d.pids < pids)
		pids = f->d.pids;
	if (f->d.cpus > 0 && f->d.cpus < cpus)
		cpus = f->d.cpus;
	json_kint(j, "Memory", memory);
	json_kint(j, "MemorySwap", memory);
	json_kint(j, "PidsLimit", pids);
	json_kint(j, "NanoCpus", (int64_t)(cpus * NANO));
}

/* The profile `runner` of jobs: what an ordinary image expects, without what
 * reaches around its own processes. */
static void put_rights(struct json *j)
{
	static const char *const dropped[] = {"NET_RAW", "MKNOD"};

	json_karr(j, "CapDrop");
	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		json_str(j, dropped[i]);
	json_end(j);
	json_karr(j, "SecurityOpt");
	json_str(j, "no-new-privileges");
	json_end(j);
}

static void put_log(struct json *j)
{
	json_kobj(j, "LogConfig");
	json_kstr(j, "Type", "json-file");
	json_kobj(j, "Config");
	json_kstr(j, "max-size", "32m");
	json_kstr(j, "max-file", "2");
	json_end(j);
	json_end(j);
	json_kobj(j, "RestartPolicy");
	json_kstr(j, "Name", "no");
	json_end(j);
}

static void put_command(const struct descriptor *d, struct json *j)
{
	if (d->command == NULL)
		return;
	json_karr(j, "Cmd");
	for (char **c = d->command; *c != NULL; c++)
		json_str(j, *c);
	json_end(j);
}

static int put_document(struct flow *f, struct buf *out, struct err *err)
{
	char network[SESSION_NETWORK_LEN];
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	json_kstr(&j, "Image", f->image);
	put_command(&f->d, &j);
	TRY(put_environment(f, &j, err));
	put_labels(f, &j);
	put_exposed(&f->d, &j);
	json_kobj(&j, "HostConfig");
	session_network_name(f->id_text, network);
	json_kstr(&j, "NetworkMode", network);
	put_bindings(f, &j);
	put_limits(f, &j);
	put_rights(&j);
	put_log(&j);
	json_end(&j);
	json_end(&j);
	if (!out->overflow)
		return 0;
	return err_set(err, ERR_LIMIT, FAULT_CONFIGURATION,
	    "the container of %.200s needs more than %zu bytes of words",
	    f->component_ref, out->max);
}

/* -- its start --------------------------------------------------------- */

int run_remove(struct flow *f, const struct ctx *ctx, struct err *err)
{
	char name[64];

	run_name(f, name);
	return engine_container_remove(f->owner->config.engine, ctx, name, err);
}

int run_make_network(struct flow *f, char name[RUN_NETWORK], struct err *err)
{
	if (instance_network_make(
		f->owner->config.sandboxes, &f->life, f->id_text, err) < 0)
		return fault_set(err, FAULT_ENGINE);
	session_network_name(f->id_text, name);
	return 0;
}

int run_remove_network(struct flow *f, const struct ctx *ctx, struct err *err)
{
	return session_network_remove(
	    f->owner->config.sandboxes, ctx, f->id_text, err);
}

static void write_ports(const struct flow *f, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_arr(&j);
	for (size_t i = 0; i < f->d.nports; i++)
		json_int(&j, f->host_ports[i]);
	json_end(&j);
}

void run_write_plan(const struct flow *f, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	origin_write(&f->origin, &j); /* until it runs it may begin again */
	lifeplan_write(&f->plan, &j);
	json_end(&j);
}

/* What a hub after this one needs of it; and where its own log begins. */
static int keep(struct flow *f, struct err *err)
{
	CLEANUP(buf_fini) struct buf ports = {.max = 4096};
	struct instance_change change = {.from = {INSTANCE_STARTING},
	    .container_id = f->container,
	    .image = f->image,
	    .commit = f->source.sha[0] != '\0' ? f->source.sha : NULL,
	    .set_log_offset = true};
	CLEANUP(buf_fini) struct buf plan = {.max = 64 * 1024};
	struct spool_stat st;

	TRY(spool_stat(f->owner->config.spool, f->id_text, &st, err));
	write_ports(f, &ports);
	run_write_plan(f, &plan);
	change.ports = buf_str(&ports);
	change.plan = buf_str(&plan);
	change.log_offset = (int64_t)st.text_bytes;
	return flow_change(f, &change, err);
}

static int start_failed(struct err *err)
{
	bool port = strstr(err->msg, "port is already allocated") != NULL ||
		    strstr(err->msg, "address already in use") != NULL;

	return fault_set(err, port ? FAULT_PORT : FAULT_START);
}

int run_look(struct flow *f, struct err *err)
{
	CLEANUP(engine_container_fini) struct engine_container c = {{0}};

	if (engine_container_inspect(
		f->owner->config.engine, &f->life, f->container, &c, err) < 0)
		return fault_set(err, FAULT_ENGINE);
	snprintf(f->ip, sizeof(f->ip), "%s", c.ip);
	f->pid = c.pid;
	snprintf(f->run, sizeof(f->run), "%s", c.started_at);
	return 0;
}

int run_again(struct flow *f, struct err *err)
{
	if (engine_container_start(
		f->owner->config.engine, &f->life, f->container, err) < 0)
		return start_failed(err);
	return run_look(f, err);
}

/* Where a hub before this one had asked for it and died, the engine may have
 * made one in the end. */
static int create_named(
    struct flow *f, const struct buf *document, char id[], struct err *err)
{
	struct engine *e = f->owner->config.engine;
	const char *text = buf_str(document);
	char name[64];

	run_name(f, name);
	if (engine_container_create_from(
		e, &f->life, name, NULL, text, document->len, id, err) == 0)
		return 0;
	if (strcmp(err->code, "name_in_use") != 0)
		return -1;
	err_clear(err);
	TRY(run_remove(f, &f->life, err));
	return engine_container_create_from(
	    e, &f->life, name, NULL, text, document->len, id, err);
}

/* There are secrets in the document. */
static int create(struct flow *f, char id[ENGINE_ID_LEN], struct err *err)
{
	struct buf document = {.max = DOCUMENT_MAX};
	int r = put_document(f, &document, err);

	if (r == 0 && create_named(f, &document, id, err) < 0)
		r = start_failed(err);
	if (document.data != NULL)
		secret_wipe(document.data, document.len);
	buf_fini(&document);
	return r;
}

int run_container(struct flow *f, struct err *err)
{
	char id[ENGINE_ID_LEN], network[RUN_NETWORK];

	/* Not cancelled in the middle: it would be made all the same. */
	TRY(ctx_check(&f->start, err));
	TRY(run_make_network(f, network, err));
	TRY(create(f, id, err));
	mtx_lock(&f->owner->mtx); /* whoever asks for its health reads them */
	memcpy(f->container, id, sizeof(id));
	lifeplan_take(&f->plan, &f->d, clock_wall_ns());
	mtx_unlock(&f->owner->mtx);
	TRY(keep(f, err));
	return run_again(f, err);
}
