/* Loads a library and looks its calls up: see library.h. */
#include "base/library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool find_calls(const struct library *l, void *opened, void *into)
{
	for (size_t i = 0; i < l->n; i++) {
		void *call = dlsym(opened, l->calls[i].name);

		if (call == NULL)
			return false;
		memcpy((char *)into + l->calls[i].at, &call, sizeof(call));
	}
	return true;
}

int library_load(
    const struct library *l, void *into, char trouble[LIBRARY_TROUBLE_MAX])
{
	void *opened = dlopen(l->file, RTLD_NOW | RTLD_LOCAL);

	if (opened != NULL && find_calls(l, opened, into))
		return 0;
	snprintf(trouble, LIBRARY_TROUBLE_MAX, "%s", dlerror());
	return -1;
}
