/* The component API as the command line asks it: see component.h. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "cmd/component.h"
#include "cmd/ui.h"
#include "net/http_client.h"

char *component_target(const struct options *o, const char *suffix)
{
	const char *base = o->components_path;

	return mem_printf("%.*s%s", (int)strcspn(base, ","), base, suffix);
}

char *component_instance_target(
    const struct options *o, const char *id, const char *suffix)
{
	CLEANUP(buf_fini) struct buf path = {.max = 64 * 1024};

	IGNORE(buf_append_str(&path, "/instances/"));
	http_encode(&path, id);
	IGNORE(buf_append_str(&path, suffix));
	return component_target(o, buf_str(&path));
}

char *component_whole_ref(const char *text)
{
	const char *colon = strchr(text, ':');
	const char *name = colon != NULL ? colon + 1 : text;

	return mem_printf("%s%.*s%s%s", colon == NULL ? "component:" : "",
	    (int)(name - text), text,
	    strchr(name, '/') == NULL ? "default/" : "", name);
}

bool component_is_ref(const json_t *component, const char *whole_ref)
{
	return strcasecmp(
		   reply_str(component, "componentRef", ""), whole_ref) == 0;
}

int component_read_instances(struct client *c, const struct ctx *ctx,
    const struct options *o, json_t **ret, struct err *err)
{
	CLEANUP(mem_free) char *target = component_target(o, "/instances");
	CLEANUP(json_decref) json_t *reply = NULL;

	TRY(client_call(c, ctx, "GET", target, NULL, &reply, err));
	*ret = json_incref(json_object_get(reply, "items"));
	if (*ret != NULL)
		return 0;
	return err_set(err, ERR_INTERNAL, "bad_reply",
	    "%s answered without instances: is that a hub?", client_url(c));
}

int component_find(struct client *c, const struct ctx *ctx,
    const struct options *o, const char *id_or_ref, json_t **ret,
    struct err *err)
{
	CLEANUP(mem_free) char *target = NULL;
	CLEANUP(mem_free) char *ref = NULL;
	CLEANUP(json_decref) json_t *all = NULL;
	struct uuid id;
	json_t *one;
	size_t i;

	if (uuid_parse(id_or_ref, &id) == 0) {
		target = component_instance_target(o, id_or_ref, "");
		return client_call(c, ctx, "GET", target, NULL, ret, err);
	}
	ref = component_whole_ref(id_or_ref);
	TRY(component_read_instances(c, ctx, o, &all, err));
	*ret = NULL;
	json_array_foreach(all, i, one) if (component_is_ref(one, ref)) *ret =
	    one;
	if (json_incref(*ret) != NULL)
		return 0;
	return err_set(err, ERR_NOT_FOUND, NULL,
	    "there is no instance of %.200s: runnerhub component list shows "
	    "what there is",
	    ref);
}

/* -- to be shown ------------------------------------------------------- */

/* Where we reach the hub; "" when that is this machine. */
static void reached_host(const struct client *c, char *out, size_t size)
{
	const char *url = client_url(c), *host = strstr(url, "://");
	size_t n;

	out[0] = '\0';
	if (host == NULL || strncmp(url, "unix:", 5) == 0)
		return;
	host += 3;
	n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	if (n < size) {
		memcpy(out, host, n);
		out[n] = '\0';
	}
	if (strncmp(out, "127.", 4) == 0 || strcmp(out, "[::1]") == 0)
		out[0] = '\0';
}

void component_links(const struct client *c, const json_t *instance,
    const char *indent, struct buf *out)
{
	char reached[256], clean[256];
	const char *host;
	const json_t *port;
	size_t i;

	reached_host(c, reached, sizeof(reached));
	host = reply_str(
	    instance, "publicHost", reached[0] != '\0' ? reached : "localhost");
	json_array_foreach(json_object_get(instance, "ports"), i, port)
	    IGNORE(buf_printf(out, "%shttp://%s:%lld\n", indent,
		ui_clean(host, clean, sizeof(clean)),
		(long long)json_integer_value(port)));
}

enum ui_style component_style(const char *status)
{
	if (strcmp(status, "running") == 0)
		return UI_GREEN;
	if (strcmp(status, "error") == 0)
		return UI_RED;
	return strcmp(status, "stopped") == 0 ? UI_DIM : UI_YELLOW;
}
