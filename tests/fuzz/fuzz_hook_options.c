/* Any text as `options:` of a workflow, without a grant: nothing that needs
 * one is ever in the result. */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "containers/create_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_text(const json_t *host, const char *field, const char *bad)
{
	const char *text = json_string_value(json_object_get(host, field));

	ASSERT(text == NULL || strstr(text, bad) == NULL);
}

static void check(const struct create_options *o)
{
	static const char *const never[] = {"Privileged", "Devices",
	    "DeviceRequests", "CgroupParent", "Runtime", "Binds", "NetworkMode",
	    "VolumeDriver", "VolumesFrom", "MaskedPaths", "ReadonlyPaths"};
	const json_t *caps = json_object_get(o->host, "CapAdd");

	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		ASSERT(json_object_get(o->host, never[i]) == NULL);
	no_text(o->host, "PidMode", "host");
	no_text(o->host, "IpcMode", "host");
	no_text(o->host, "IpcMode", "container");
	no_text(o->host, "UTSMode", "host");
	no_text(o->host, "UsernsMode", "host");
	no_text(o->host, "CgroupnsMode", "host");
	for (size_t i = 0; i < json_array_size(caps); i++) {
		const char *cap = json_string_value(json_array_get(caps, i));

		ASSERT(strcasestr(cap, "ADMIN") == NULL);
		ASSERT(strcasecmp(cap, "ALL") != 0);
	}
	ASSERT(json_object_get(o->config, "HostConfig") == NULL);
	ASSERT(json_object_get(o->config, "Entrypoint") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct policy nothing = {.setting = "SETTING"};
	char *text = mem_strndup(size > 0 ? (const char *)data : "", size);
	struct create_options o;
	struct err err = ERR_INIT;

	if (create_options_parse(text, &nothing, &o, &err) == 0) {
		check(&o);
		create_options_fini(&o);
	} else {
		ASSERT(err.kind != ERR_NONE);
	}
	mem_free(text);
	return 0;
}
