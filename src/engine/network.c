/* Networks: create, remove, look. Any thread; the caller owns results. */
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"

#define OPT_BRIDGE_NAME "com.docker.network.bridge.name"
#define OPT_ICC         "com.docker.network.bridge.enable_icc"
#define OPT_MTU         "com.docker.network.driver.mtu"
#define OPT_PUBLISH_ON  "com.docker.network.bridge.host_binding_ipv4"

/* -- look -------------------------------------------------------------- */

void engine_network_fini(struct engine_network *n)
{
	answer_labels_free(n->labels, n->nlabels);
	n->labels = NULL;
	n->nlabels = 0;
}

static void read_network(const json_t *doc, struct engine_network *n)
{
	const json_t *config = json_array_get(answer_at(doc, "IPAM.Config"), 0);
	const json_t *options = answer_at(doc, "Options");
	const char *bridge =
	    json_string_value(json_object_get(options, OPT_BRIDGE_NAME));

	answer_str(doc, "Id", n->id, sizeof(n->id));
	answer_str(doc, "Name", n->name, sizeof(n->name));
	answer_str(doc, "Driver", n->driver, sizeof(n->driver));
	answer_str(config, "Subnet", n->subnet, sizeof(n->subnet));
	answer_str(config, "Gateway", n->gateway, sizeof(n->gateway));
	snprintf(n->bridge_name, sizeof(n->bridge_name), "%s",
	    bridge != NULL ? bridge : "");
	n->internal = answer_bool(doc, "Internal");
	answer_labels(answer_at(doc, "Labels"), &n->labels, &n->nlabels);
}

/* The engine's own document, owned by the caller. */
static int network_get(struct engine *e, const struct ctx *ctx,
    const char *name, json_t **ret, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	char target[300], doing[160];
	const struct engine_request req = {.method = "GET",
	    .target = target,
	    .doing = doing,
	    .object = ENGINE_NETWORK,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	TRY(engine_check_name(name, ENGINE_NETWORK, err));
	snprintf(target, sizeof(target), "/networks/%s", name);
	snprintf(doing, sizeof(doing), "inspect network %.100s", name);
	TRY(engine_call(e, ctx, &req, &res, err));
	*ret = answer_parse(buf_str(&res.body), res.body.len, doing, err);
	return *ret != NULL ? 0 : -1;
}

int engine_network_inspect(struct engine *e, const struct ctx *ctx,
    const char *name, struct engine_network *ret, struct err *err)
{
	CLEANUP(json_decref) json_t *doc = NULL;

	TRY(network_get(e, ctx, name, &doc, err));
	*ret = (struct engine_network){.internal = false};
	read_network(doc, ret);
	return 0;
}

void engine_network_list_free(struct engine_network_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		engine_network_fini(&l->items[i]);
	mem_free(l->items);
	*l = (struct engine_network_list){.n = 0};
}

int engine_network_list(struct engine *e, const struct ctx *ctx,
    const char *const *labels, struct engine_network_list *ret, struct err *err)
{
	CLEANUP(json_decref) json_t *doc = NULL;
	size_t n;

	TRY(engine_get_list(
	    e, ctx, "/networks?", ENGINE_NETWORK, labels, &doc, err));
	n = json_array_size(doc);
	*ret = (struct engine_network_list){.n = n};
	ret->items = mem_calloc(n > 0 ? n : 1, sizeof(*ret->items));
	for (size_t i = 0; i < n; i++)
		read_network(json_array_get(doc, i), &ret->items[i]);
	return 0;
}

/* -- remove ------------------------------------------------------------ */

int engine_network_remove(
    struct engine *e, const struct ctx *ctx, const char *id, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	char target[300], doing[160];
	const struct engine_request req = {.method = "DELETE",
	    .target = target,
	    .doing = doing,
	    .object = ENGINE_NETWORK,
	    .timeout_ms = ENGINE_SLOW_MS,
	    .repeatable = true};
	int r;

	TRY(engine_check_name(id, ENGINE_NETWORK, err));
	snprintf(target, sizeof(target), "/networks/%s", id);
	snprintf(doing, sizeof(doing), "remove network %.100s", id);
	r = engine_call(e, ctx, &req, &res, err);
	if (r == 0 || strcmp(err->code, "network_not_found") != 0)
		return r;
	err_clear(err);
	return 0;
}

/* -- create ------------------------------------------------------------ */

static void put_ipam(struct json *j, const struct engine_network_spec *spec)
{
	if (spec->subnet == NULL)
		return;
	json_kobj(j, "IPAM");
	json_kstr(j, "Driver", "default");
	json_karr(j, "Config");
	json_obj(j);
	json_kstr(j, "Subnet", spec->subnet);
	if (spec->ip_range != NULL)
		json_kstr(j, "IPRange", spec->ip_range);
	if (spec->gateway != NULL)
		json_kstr(j, "Gateway", spec->gateway);
	json_end(j);
	json_end(j);
	json_end(j);
}

/* Options stand only where they differ from the engine's default: Podman
 * refuses those it does not know. */
static void put_options(struct json *j, const struct engine_network_spec *spec)
{
	char mtu[16];

	json_kobj(j, "Options");
	if (spec->bridge_name != NULL)
		json_kstr(j, OPT_BRIDGE_NAME, spec->bridge_name);
	if (!spec->icc)
		json_kstr(j, OPT_ICC, "false");
	if (spec->publish_on != NULL)
		json_kstr(j, OPT_PUBLISH_ON, spec->publish_on);
	if (spec->mtu > 0) {
		snprintf(mtu, sizeof(mtu), "%d", spec->mtu);
		json_kstr(j, OPT_MTU, mtu);
	}
	json_end(j);
}

static void network_json(
    const struct engine_network_spec *spec, struct buf *out)
{
	const struct engine_pair *l;
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	json_kstr(&j, "Name", spec->name);
	json_kbool(&j, "CheckDuplicate", true);
	json_kstr(&j, "Driver", "bridge");
	json_kbool(&j, "Internal", spec->internal);
	put_ipam(&j, spec);
	put_options(&j, spec);
	json_kobj(&j, "Labels");
	for (l = spec->labels; l != NULL && l->key != NULL; l++)
		json_kstr(&j, l->key, l->value);
	json_end(&j);
	json_end(&j);
}

/*
 * Podman drops options that it does not know without a word. Containers that
 * were to be kept apart would not be: better no network than that one.
 */
static int verify_icc(struct engine *e, const struct ctx *ctx,
    const struct engine_network_spec *spec, const char *id, struct err *err)
{
	struct err ignored = ERR_INIT;
	CLEANUP(json_decref) json_t *doc = NULL;
	const char *icc;

	TRY(network_get(e, ctx, id, &doc, err));
	icc = json_string_value(
	    json_object_get(answer_at(doc, "Options"), OPT_ICC));
	if (icc != NULL && strcmp(icc, "false") == 0)
		return 0;
	/* Ours and empty; what remains is found by its labels later. */
	IGNORE(engine_network_remove(e, ctx, id, &ignored));
	return err_set(err, ERR_INVALID, "engine_unsupported",
	    "create network %.100s: the engine at %s cannot keep the "
	    "containers of one network apart (it ignores " OPT_ICC ")",
	    spec->name, engine_host(e));
}

int engine_network_create(struct engine *e, const struct ctx *ctx,
    const struct engine_network_spec *spec, char ret_id[ENGINE_ID_LEN],
    struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(buf_fini) struct buf body = {.max = ENGINE_BODY_MAX};
	char doing[160];
	struct engine_request req = {.method = "POST",
	    .target = "/networks/create",
	    .content_type = "application/json",
	    .doing = doing,
	    .object = ENGINE_NETWORK,
	    .timeout_ms = ENGINE_SLOW_MS};

	TRY(engine_check_name(spec->name, ENGINE_NETWORK, err));
	snprintf(doing, sizeof(doing), "create network %.100s", spec->name);
	network_json(spec, &body);
	if (body.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "%s: its labels are too long", doing);
	req.body = buf_str(&body);
	req.body_len = body.len;
	TRY(engine_call(e, ctx, &req, &res, err));
	TRY(answer_created_id(
	    buf_str(&res.body), res.body.len, doing, ret_id, err));
	return spec->icc ? 0 : verify_icc(e, ctx, spec, ret_id, err);
}
