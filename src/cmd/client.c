/* The command line's use of the API's client: see client.h. */
#include "cmd/client.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "cmd/saved_token.h"
#include "cmd/ui.h"
#include "net/http_client.h"

enum { PAGE = 1000 };

struct tls_trust command_trust(const struct options *o)
{
	/* ... and so is its certificate, whose names are for others */
	bool own = o->url_is_own && o->tls_certificate != NULL;

	return (struct tls_trust){.ca_file = o->client_ca,
	    .certificate = o->client_certificate,
	    .key = o->client_key,
	    .exactly = own ? o->tls_certificate : NULL};
}

int command_client(
    struct client **ret, const struct options *o, struct err *err)
{
	/* on the hub's own host its key is at hand */
	const struct secret *token = o->token != NULL ? o->token : o->api_key;
	CLEANUP(secret_free)
	struct secret *saved = token == NULL ? saved_token_find(o->url) : NULL;
	const struct tls_trust trust = command_trust(o);

	if (token == NULL)
		token = saved;

	return client_open(ret, o->url,
	    token != NULL ? secret_expose(token, NULL) : NULL, &trust, err);
}

int client_read_pages(struct client *c, const struct ctx *ctx,
    const char *target, const char *param, const char *key, json_t **ret,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf page_of = {.max = 4096};
	size_t n = PAGE;

	*ret = json_array();
	while (n == PAGE) {
		CLEANUP(json_decref) json_t *page = NULL;
		const json_t *last = json_array_get(
		    *ret, json_array_size(*ret) - 1); /* none: NULL */

		buf_clear(&page_of);
		IGNORE(buf_printf(&page_of, "%slimit=%d", target, PAGE));
		if (last != NULL) {
			IGNORE(buf_printf(&page_of, "&%s=", param));
			http_encode(&page_of, reply_str(last, key, ""));
		}
		TRY(client_get(c, ctx, buf_str(&page_of), &page, err));
		n = json_array_size(page);
		json_array_extend(*ret, page);
	}
	return 0;
}

void reply_print(const json_t *value, bool compact)
{
	char *text = json_dumps(
	    value, JSON_ENCODE_ANY | (compact ? JSON_COMPACT : JSON_INDENT(2)));

	ASSERT(text != NULL);
	ui_write(text, strlen(text));
	ui_write("\n", 1);
	mem_free(text);
}

void reply_warnings(const json_t *reply)
{
	const json_t *list = json_object_get(reply, "warnings");
	const json_t *item;
	char clean[300];
	size_t i;

	if (list == NULL)
		list =
		    json_object_get(json_object_get(reply, "data"), "warnings");
	json_array_foreach(list, i, item)
	    fprintf(stderr, "runnerhub: warning: %s\n",
		ui_clean(json_string_value(item), clean, sizeof(clean)));
}
