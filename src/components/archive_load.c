/* Loads libarchive, once, in the thread that first unpacks something: see
 * archive_load.h. */
#include "components/archive_load.h"

#include <pthread.h>

#include "base/library.h"

#define LIBRARY "libarchive.so.13"

/* Written once, before anyone reads it. */
static struct archive_calls loaded;
/* Why it could not be loaded; "" when it was. */
static char trouble[LIBRARY_TROUBLE_MAX];

#define CALL(name) {"archive_" #name, offsetof(struct archive_calls, name)},
static const struct library_call calls[] = {ARCHIVE_CALLS(CALL)};
#undef CALL

static void load_once(void)
{
	static const struct library library = {
	    .file = LIBRARY, .calls = calls, .n = ARRAY_LEN(calls)};

	IGNORE(library_load(&library, &loaded, trouble)); /* it tells */
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
