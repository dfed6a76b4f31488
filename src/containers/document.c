/* Reading an engine's document about a container: see document.h. */
#include "containers/document.h"

#include <stdint.h>
#include <string.h>

int document_read(
    const char *text, size_t len, const char *id, json_t **ret, struct err *err)
{
	*ret = json_loadb(
	    text, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	if (*ret != NULL)
		return 0;
	return err_set(err, ERR_INTERNAL, "engine_answer",
	    "the engine's description of container %.12s is not JSON", id);
}

const json_t *document_at(const json_t *doc, const char *path)
{
	while (doc != NULL && path != NULL) {
		size_t len = strcspn(path, ".");

		doc = json_object_getn(doc, path, len);
		path = path[len] == '.' ? path + len + 1 : NULL;
	}
	return doc;
}

const char *document_path(const json_t *doc)
{
	static const char name[] = "PATH=";
	const json_t *env = document_at(doc, "Config.Env");

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *v = json_string_value(json_array_get(env, i));

		if (v != NULL && strncmp(v, name, strlen(name)) == 0)
			return v + strlen(name);
	}
	return CONTAINER_DEFAULT_PATH;
}

json_t *document_ports(const json_t *doc)
{
	json_t *map =
	    (json_t *)(uintptr_t)document_at(doc, "NetworkSettings.Ports");
	json_t *ports = json_object(), *bindings;
	const char *key;

	json_object_foreach(map, key, bindings)
	{
		json_t *host =
		    json_object_get(json_array_get(bindings, 0), "HostPort");

		/* Exposed and not published: null. */
		if (json_is_string(host))
			json_object_setn(ports, key, strcspn(key, "/"), host);
	}
	return ports;
}
