/* Loads libcrypto, once, in the thread that first needs it: see
 * crypto_load.h. It stays loaded. */
#include "web/crypto_load.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "libcrypto.so.3"

/* Written once, before anyone reads it. */
static struct crypto_calls loaded;
/* Why it could not be loaded; "" when it was. */
static char trouble[200];

static bool find_calls(void *library)
{
#define FIND(name) {#name, offsetof(struct crypto_calls, name)},
	static const struct {
		const char *name;
		size_t at;
	} calls[] = {CRYPTO_CALLS(FIND)};
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

int crypto_load(const struct crypto_calls **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_once);
	if (*trouble != '\0')
		return err_set(err, ERR_INTERNAL, "jwt_no_library",
		    "the hub needs " LIBRARY " for signed tokens (%.200s): "
		    "install Debian's package libssl3 and restart the hub",
		    trouble);
	*ret = &loaded;
	return 0;
}
