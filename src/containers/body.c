/*
 * The create document: see body.h. Called for the job's container, its
 * services and container steps, by the hook in direct mode and by the hub for
 * sessions.
 */
#include "containers/body.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "containers/values.h"

/* Every engine image has it, and it needs no signal or clock to wait. */
static const char *const keep_alive[] = {"tail", "-f", "/dev/null", NULL};

struct maker {
	const struct body *body;
	struct create_options options;
	json_t *doc, *host;
};

static json_t *array_of(const char *const *list)
{
	json_t *array = json_array();

	for (; list != NULL && *list != NULL; list++)
		json_array_append_new(array, json_string(*list));
	return array;
}

static void put(json_t *object, const char *key, const char *value)
{
	if (value != NULL)
		json_object_set_new(object, key, json_string(value));
}

/* -- the command ------------------------------------------------------- */

static int put_command(struct maker *m, struct err *err)
{
	const struct container_wish *c = m->body->container;
	CLEANUP(words_fini) struct words args = {.v = NULL};
	const char *entry[] = {c->entry_point, NULL};

	if (words_split_pieces(
		(const char *const *)c->entry_args.v, &args, err) != 0)
		return err_wrap(err, "the container's arguments");
	if (c->entry_point == NULL && m->body->keep_alive) {
		json_object_set_new(m->doc, "Entrypoint", json_array());
		json_object_set_new(m->doc, "Cmd", array_of(keep_alive));
		return 0;
	}
	if (c->entry_point != NULL)
		json_object_set_new(m->doc, "Entrypoint", array_of(entry));
	if (args.n > 0)
		json_object_set_new(
		    m->doc, "Cmd", array_of((const char *const *)args.v));
	return 0;
}

/* -- the environment --------------------------------------------------- */

static bool has_variable(const struct words *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], name, len) == 0 && env->v[i][len] == '=')
			return true;
	return false;
}

static void put_env(struct maker *m, struct body_made *made)
{
	const struct words *wanted = &m->body->container->env;
	json_t *env = array_of((const char *const *)wanted->v);
	json_t *more = json_object_get(m->options.config, "Env");

	json_array_append_new(env, json_string("GITHUB_ACTIONS=true"));
	if (!has_variable(wanted, "CI"))
		json_array_append_new(env, json_string("CI=true"));
	if (m->body->path != NULL && !has_variable(wanted, "PATH"))
		json_array_append_new(
		    env, json_sprintf("PATH=%s", m->body->path));
	json_array_extend(env, more);
	json_object_del(m->options.config, "Env");
	if (m->body->session != NULL && m->body->session->env_apart)
		made->env = env;
	else
		json_object_set_new(m->doc, "Env", env);
}

/* -- mounts, ports, network -------------------------------------------- */

static int check_remote(
    const json_t *mounts, const char *remote_engine, struct err *err)
{
	for (size_t i = 0; i < json_array_size(mounts); i++) {
		const json_t *m = json_array_get(mounts, i);
		const char *type =
		    json_string_value(json_object_get(m, "Type"));

		if (strcmp(type, "bind") == 0)
			return err_set(err, ERR_INVALID, "remote_engine",
			    "%.200s cannot be mounted: the engine at %s is on "
			    "another machine and sees no directory of this "
			    "one; services without volumes work there",
			    json_string_value(json_object_get(m, "Source")),
			    remote_engine);
	}
	return 0;
}

static int put_grounds(struct maker *m, struct body_made *made, struct err *err)
{
	CLEANUP(grounds_made_fini) struct grounds_made got = {.mounts = NULL};
	const struct body_session *s = m->body->session;

	TRY(grounds_mount(s->grounds, m->body->container, m->options.mounts,
	    s->policy, s->volume_prefix, &got, err));
	if (s->remote_engine != NULL)
		TRY(check_remote(got.mounts, s->remote_engine, err));
	json_object_set(m->host, "Mounts", got.mounts);
	made->links = got.links;
	got.links = (struct buf){.max = 0};
	made->socket_dropped = got.socket_dropped;
	return 0;
}

static int put_mounts(struct maker *m, struct body_made *made, struct err *err)
{
	if (m->body->session != NULL)
		return put_grounds(m, made, err);
	return mounts_put(option_list(m->host, "Mounts"), m->body->container,
	    m->options.mounts, m->body->rules, &made->socket_dropped, err);
}

/* Ports that name no address of the host are those of `address`. */
static void put_publish_on(json_t *bindings, const char *address)
{
	const char *port;
	json_t *list, *binding, *ip;
	size_t i;

	json_object_foreach(bindings, port, list)
	{
		json_array_foreach(list, i, binding)
		{
			ip = json_object_get(binding, "HostIp");
			if (json_string_length(ip) == 0)
				json_object_set_new(
				    binding, "HostIp", json_string(address));
		}
	}
}

static int put_ports(struct maker *m, struct err *err)
{
	const struct words *ports = &m->body->container->ports;
	json_t *exposed = option_object(m->options.config, "ExposedPorts");

	for (size_t i = 0; m->body->with_ports && i < ports->n; i++)
		TRY(value_publish(
		    ports->v[i], exposed, m->options.bindings, err));
	if (m->body->session != NULL && m->body->session->publish_on != NULL)
		put_publish_on(
		    m->options.bindings, m->body->session->publish_on);
	json_object_set(m->host, "PortBindings", m->options.bindings);
	return 0;
}

static void put_network(struct maker *m)
{
	const struct body *b = m->body;
	json_t *aliases = array_of(b->more_aliases);
	json_t *endpoint, *endpoints, *networking;

	if (b->alias != NULL)
		json_array_append_new(aliases, json_string(b->alias));
	json_array_extend(aliases, m->options.aliases);
	endpoint = json_object();
	json_object_set_new(endpoint, "Aliases", aliases);
	endpoints = json_object();
	json_object_set_new(endpoints, b->network, endpoint);
	networking = json_object();
	json_object_set_new(networking, "EndpointsConfig", endpoints);
	json_object_set_new(m->doc, "NetworkingConfig", networking);
	json_object_set_new(m->host, "NetworkMode", json_string(b->network));
}

static void put_labels(struct maker *m)
{
	json_t *labels = option_object(m->options.config, "Labels");

	for (const struct body_label *l = m->body->labels; l->key != NULL; l++)
		json_object_set_new(labels, l->key, json_string(l->value));
}

/* -- the whole --------------------------------------------------------- */

static int make(struct maker *m, struct body_made *made, struct err *err)
{
	const struct container_wish *c = m->body->container;
	char *text;

	put(m->doc, "Image", m->body->image);
	put(m->doc, "WorkingDir", c->working_dir);
	TRY(put_command(m, err));
	put_env(m, made);
	put_labels(m);
	TRY(put_ports(m, err));
	TRY(put_mounts(m, made, err));
	put_network(m);
	json_object_update(m->doc, m->options.config);
	json_object_update(m->host, m->options.host);
	if (m->body->session != NULL)
		TRY(body_confine(m->host, m->body->session, err));
	json_object_set(m->doc, "HostConfig", m->host);
	text = json_dumps(m->doc, JSON_COMPACT);
	if (text == NULL)
		return err_set(err, ERR_INVALID, "bad_option",
		    "the container's description is not valid UTF-8");
	made->json = mem_strdup(text);
	free(text); /* allow: free, jansson allocated it */
	made->platform = STEAL(m->options.platform);
	return 0;
}

int body_make(const struct body *body, struct body_made *ret, struct err *err)
{
	CLEANUP(body_made_fini) struct body_made made = {.json = NULL};
	struct maker m = {.body = body};
	int r;

	TRY(create_options_parse(body->container->create_options,
	    body->session != NULL ? body->session->policy : body->rules->policy,
	    &m.options, err));
	m.doc = json_object();
	m.host = json_object();
	r = make(&m, &made, err);
	json_decref(m.doc);
	json_decref(m.host);
	create_options_fini(&m.options);
	if (r != 0)
		return -1;
	*ret = made;
	made = (struct body_made){.json = NULL};
	return 0;
}

void body_made_fini(struct body_made *m)
{
	mem_free(m->json);
	mem_free(m->platform);
	json_decref(m->env);
	buf_fini(&m->links);
	*m = (struct body_made){.json = NULL};
}

char *body_path(const struct words *prepend, const char *path)
{
	CLEANUP(buf_fini) struct buf text = {.max = 1024 * 1024};

	for (size_t i = 0; i < prepend->n; i++)
		buf_printf(&text, "%s:", prepend->v[i]);
	buf_append_str(&text, path);
	return mem_strdup(buf_str(&text));
}
