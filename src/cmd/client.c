/* The command line's use of the API's client: see client.h. */
#include "cmd/client.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "cmd/ui.h"

int command_client(
    struct client **ret, const struct options *o, struct err *err)
{
	/* on the hub's own host its key is at hand */
	const struct secret *token = o->token != NULL ? o->token : o->api_key;

	return client_open(ret, o->url,
	    token != NULL ? secret_expose(token, NULL) : NULL, err);
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
