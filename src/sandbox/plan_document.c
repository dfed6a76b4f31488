/*
 * A session's document (containers/body.h) under our own: what ours says
 * counts, the document adds. Limits can only become lower, lists are joined.
 * Pure; called by sandbox.c on the starter's thread.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "engine/run.h"
#include "sandbox/sandbox_internal.h"

static json_t *get(json_t *parent, const char *key)
{
	return json_object_get(parent, key);
}

/* -- what is not taken ------------------------------------------------- */

static bool is_among(const char *key, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(key, list[i]) == 0)
			return true;
	return false;
}

/* Of the container itself, beside its HostConfig. */
static bool is_taken(const char *key)
{
	static const char *const taken[] = {
	    "ExposedPorts", "Healthcheck", "Hostname", "Domainname"};

	return is_among(key, taken, ARRAY_LEN(taken));
}

/* Where it is, what it writes and who begins it is our business: the agent
 * is its first process, and reaps. */
static bool is_ours(const char *key)
{
	static const char *const ours[] = {"AutoRemove", "Binds", "Init",
	    "LogConfig", "NetworkMode", "RestartPolicy", "VolumesFrom",
	    "CpuPeriod", "CpuQuota"};

	return is_among(key, ours, ARRAY_LEN(ours));
}

/* -- HostConfig -------------------------------------------------------- */

static bool is_limit(const char *key)
{
	static const char *const limits[] = {
	    "Memory", "MemorySwap", "NanoCpus", "PidsLimit"};

	return is_among(key, limits, ARRAY_LEN(limits));
}

static void lower(json_t *host, const char *key, json_t *wanted)
{
	json_int_t now = json_integer_value(get(host, key));
	json_int_t v = json_integer_value(wanted);

	if (v > 0 && (now <= 0 || v < now))
		json_object_set(host, key, wanted);
}

static void join(json_t *host, const char *key, json_t *more)
{
	json_t *have = get(host, key);

	if (json_is_array(have) && json_is_array(more))
		json_array_extend(have, more);
	else
		json_object_set(host, key, more);
}

/* The agent kills whatever is left of a job: only in a place of its own. */
static int check_pid_mode(json_t *theirs, struct err *err)
{
	const char *mode = json_string_value(get(theirs, "PidMode"));

	if (mode == NULL || mode[0] == '\0' || strcmp(mode, "private") == 0)
		return 0;
	return err_set(err, ERR_INVALID, "bad_option",
	    "option --pid \"%.80s\": a session's container has processes of "
	    "its own",
	    mode);
}

static const char *bare_capability(json_t *name)
{
	const char *text = json_string_value(name);

	if (text != NULL && strncasecmp(text, "CAP_", 4) == 0)
		text += 4;
	return text != NULL ? text : "";
}

static bool names_capability(json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcasecmp(
			bare_capability(json_array_get(list, i)), name) == 0)
			return true;
	return false;
}

/* The document has dropped what sessions do without, or has been allowed to
 * keep it: then our list must not take that away again. */
static void yield_capabilities(json_t *host, json_t *theirs)
{
	json_t *drop = get(host, "CapDrop"), *add = get(theirs, "CapAdd");

	for (size_t i = json_array_size(drop); i-- > 0;)
		if (names_capability(
			add, bare_capability(json_array_get(drop, i))))
			json_array_remove(drop, i);
}

/* Without these the agent cannot become a step's user. */
static void keep_what_agent_needs(json_t *host)
{
	static const char *const needed[] = {"CHOWN", "SETUID", "SETGID"};
	json_t *drop = get(host, "CapDrop"), *add = get(host, "CapAdd");

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		for (size_t k = json_array_size(drop); k-- > 0;)
			if (names_capability(drop, needed[i]) &&
			    strcasecmp(bare_capability(json_array_get(drop, k)),
				needed[i]) == 0)
				json_array_remove(drop, k);
		if (!names_capability(drop, "ALL") ||
		    names_capability(add, needed[i]))
			continue;
		if (add == NULL) {
			add = json_array();
			json_object_set_new(host, "CapAdd", add);
		}
		json_array_append_new(add, json_string(needed[i]));
	}
}

static int merge_host(json_t *host, json_t *theirs, struct err *err)
{
	const char *key;
	json_t *value;

	TRY(check_pid_mode(theirs, err));
	yield_capabilities(host, theirs);
	json_object_foreach(theirs, key, value)
	{
		if (is_ours(key))
			continue;
		if (is_limit(key))
			lower(host, key, value);
		else if (json_is_array(value))
			join(host, key, value);
		else if (get(host, key) == NULL)
			json_object_set(host, key, value);
	}
	keep_what_agent_needs(host);
	return 0;
}

/* -- the rest ---------------------------------------------------------- */

static void merge_labels(json_t *doc, json_t *theirs)
{
	json_t *labels = get(doc, "Labels");

	if (labels == NULL)
		json_object_set(doc, "Labels", get(theirs, "Labels"));
	else
		json_object_update_missing(labels, get(theirs, "Labels"));
}

/* Names on whatever network are names on ours. */
static void merge_aliases(json_t *doc, json_t *theirs)
{
	const char *network =
	    json_string_value(get(get(doc, "HostConfig"), "NetworkMode"));
	json_t *ours =
	    get(get(get(get(doc, "NetworkingConfig"), "EndpointsConfig"),
		    network != NULL ? network : ""),
		"Aliases");
	json_t *endpoints =
	    get(get(theirs, "NetworkingConfig"), "EndpointsConfig");
	const char *key;
	json_t *endpoint;

	if (ours == NULL)
		return;
	json_object_foreach(endpoints, key, endpoint)
	    json_array_extend(ours, get(endpoint, "Aliases"));
}

static int merge(json_t *doc, json_t *theirs, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(theirs, key, value)
	{
		if (is_taken(key))
			json_object_set(doc, key, value);
	}
	merge_labels(doc, theirs);
	merge_aliases(doc, theirs);
	return merge_host(
	    get(doc, "HostConfig"), get(theirs, "HostConfig"), err);
}

/* -- the whole --------------------------------------------------------- */

static int write_out(json_t *doc, struct buf *out, struct err *err)
{
	char *text = json_dumps(doc, JSON_COMPACT);

	ASSERT(text != NULL); /* both were JSON texts a moment ago */
	buf_clear(out);
	IGNORE(buf_append_str(out, text)); /* looked at below */
	free(text); /* allow: free, jansson allocated it */
	if (!out->overflow)
		return 0;
	return err_set(err, ERR_LIMIT, "container_spec_too_large",
	    "the description of the container is larger than %zu bytes",
	    out->max);
}

int container_plan_json(const struct container_plan *p, const char *document,
    struct buf *out, struct err *err)
{
	json_t *doc, *theirs;
	int r;

	TRY(engine_spec_json(&p->spec, out, err));
	if (document == NULL)
		return 0;
	doc = json_loadb(buf_str(out), out->len, JSON_ALLOW_NUL, NULL);
	theirs = json_loads(document, JSON_ALLOW_NUL, NULL);
	if (doc == NULL || theirs == NULL)
		r = err_set(err, ERR_INTERNAL, NULL,
		    "the description of a session's container is not JSON");
	else
		r = merge(doc, theirs, err);
	if (r == 0)
		r = write_out(doc, out, err);
	json_decref(doc);
	json_decref(theirs);
	return r;
}

char *container_plan_user(const char *document)
{
	json_t *doc = document != NULL
			  ? json_loads(document, JSON_ALLOW_NUL, NULL)
			  : NULL;
	const char *user = json_string_value(get(doc, "User"));
	char *copy = user != NULL && user[0] != '\0' ? mem_strdup(user) : NULL;

	json_decref(doc);
	return copy;
}
