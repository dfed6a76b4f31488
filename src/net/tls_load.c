/* Loads libssl and libcrypto, once, in the thread that first needs them: see
 * tls_load.h. They stay loaded. */
#include "net/tls_load.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/library.h"

/* Written once, before anyone reads it. */
static struct tls_calls loaded;
/* Why it could not be loaded; "" when it was. */
static char trouble[LIBRARY_TROUBLE_MAX];

#define CALL(name) {#name, offsetof(struct tls_calls, name)},
static const struct library_call ssl_calls[] = {TLS_SSL_CALLS(CALL)};
static const struct library_call crypto_calls[] = {TLS_CRYPTO_CALLS(CALL)};
#undef CALL

static void load_once(void)
{
	static const struct library crypto = {.file = "libcrypto.so.3",
	    .calls = crypto_calls,
	    .n = ARRAY_LEN(crypto_calls)};
	static const struct library ssl = {.file = "libssl.so.3",
	    .calls = ssl_calls,
	    .n = ARRAY_LEN(ssl_calls)};

	if (library_load(&crypto, &loaded, trouble) < 0 ||
	    library_load(&ssl, &loaded, trouble) < 0)
		return; /* trouble tells */
	/* It would clean up when the process exits, under threads that still
	 * hold a connection. */
	if (loaded.OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) != 1)
		snprintf(trouble, sizeof(trouble), "it does not begin");
}

int tls_load(const struct tls_calls **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_once);
	if (*trouble != '\0')
		return err_set(err, ERR_INTERNAL, "tls_no_library",
		    "TLS needs libssl.so.3 (%.200s): install Debian's package "
		    "libssl3 and start again",
		    trouble);
	*ret = &loaded;
	return 0;
}

const char *tls_reason(const struct tls_calls *t)
{
	unsigned long code = t->ERR_peek_error();
	const char *text = ERR_SYSTEM_ERROR(code)
			       ? strerrordesc_np(ERR_GET_REASON(code))
			       : t->ERR_reason_error_string(code);

	return text != NULL ? text : "no reason given";
}

int tls_reason_code(const struct tls_calls *t)
{
	return ERR_GET_REASON(t->ERR_peek_error());
}
