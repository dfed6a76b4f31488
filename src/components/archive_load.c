/* Loads libarchive, once, in the thread that first unpacks something: see
 * archive_load.h. */
#include "components/archive_load.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "libarchive.so.13"

/* Written once, before anyone reads it. */
static struct archive_calls loaded;
/* Why it could not be loaded; "" when it was. */
static char trouble[200];

static bool find_calls(void *library)
{
#define FIND(name) {"archive_" #name, offsetof(struct archive_calls, name)},
	static const struct {
		const char *name;
		size_t at;
	} calls[] = {ARCHIVE_CALLS(FIND)};
#undef FIND

	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		void *call = dlsym(library, calls[i].name);

		if (call == NULL)
			return false;
		memcpy((char *)&loaded + calls[i].at, &call, sizeof(call));
	}
	return true;
}

static void load_once(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL || !find_calls(library))
		snprintf(trouble, sizeof(trouble), "%s", dlerror());
}

int archive_load(const struct archive_calls **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_once);
	if (*trouble != '\0')
		return err_set(err, ERR_INTERNAL, "archive_no_library",
		    "the hub needs " LIBRARY " to unpack a source (%.200s): "
		    "install Debian's package libarchive13 and restart the "
		    "hub",
		    trouble);
	*ret = &loaded;
	return 0;
}
