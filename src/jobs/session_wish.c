/* The two halves of a session's wish: see session_wish.h. Any thread. */
#include "jobs/session_wish.h"

#include <string.h>

#include "base/mem.h"
#include "containers/create_options.h"
#include "containers/wish.h"

static const json_t *field(const struct spec *spec, const char *name)
{
	return json_object_get(spec->root, name);
}

bool session_wish_has_network(const struct spec *spec)
{
	return field(spec, "container") != NULL ||
	       field(spec, "services") != NULL;
}

bool session_wish_has_container(const struct spec *spec)
{
	return json_is_object(field(spec, "container"));
}

bool session_wish_is_made(const struct spec *spec)
{
	return session_wish_has_network(spec) || field(spec, "nested") != NULL;
}

/* -- variables --------------------------------------------------------- */

static void put_variable(json_t *env, const char *text)
{
	const char *equals = strchr(text, '=');
	char *name;

	if (equals == NULL || equals == text)
		return;
	name = mem_strndup(text, (size_t)(equals - text));
	json_object_set_new(env, name, json_string(equals + 1));
	mem_free(name);
}

/* What `options: --env` says comes last. It was judged when the container
 * was made. */
static int put_options_env(const char *text, json_t *env, struct err *err)
{
	struct policy judged = {.setting = ""};
	struct create_options options;
	const json_t *list;

	for (size_t i = 0; i < POLICY_GRANTS; i++)
		judged.granted[i] = true;
	TRY(create_options_parse(text, &judged, &options, err));
	list = json_object_get(options.config, "Env");
	for (size_t i = 0; i < json_array_size(list); i++)
		put_variable(env, json_string_value(json_array_get(list, i)));
	create_options_fini(&options);
	return 0;
}

int session_wish_take_env(json_t *secrets, json_t *env, struct err *err)
{
	CLEANUP(container_wish_fini) struct container_wish w = {.image = NULL};
	json_t *wish = json_incref(json_object_get(secrets, SESSION_WISH));
	const json_t *container = json_object_get(wish, "container");
	int r = 0;

	json_object_del(secrets, SESSION_WISH);
	if (container != NULL)
		r = container_wish_read(container, &w, err);
	for (size_t i = 0; r == 0 && i < w.env.n; i++)
		put_variable(env, w.env.v[i]);
	if (r == 0 && w.create_options != NULL)
		r = put_options_env(w.create_options, env, err);
	/* w's texts are borrowed from it. */
	json_decref(wish);
	return r;
}
