/* Loads libcrypto, once, in the thread that first needs it: see
 * crypto_load.h. It stays loaded. */
#include "web/crypto_load.h"

#include <pthread.h>

#include "base/library.h"

#define LIBRARY "libcrypto.so.3"

/* Written once, before anyone reads it. */
static struct crypto_calls loaded;
/* Why it could not be loaded; "" when it was. */
static char trouble[LIBRARY_TROUBLE_MAX];

#define CALL(name) {#name, offsetof(struct crypto_calls, name)},
static const struct library_call calls[] = {CRYPTO_CALLS(CALL)};
#undef CALL

static void load_once(void)
{
	static const struct library library = {
	    .file = LIBRARY, .calls = calls, .n = ARRAY_LEN(calls)};

	IGNORE(library_load(&library, &loaded, trouble)); /* it tells */
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
