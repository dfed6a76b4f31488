/* Secrets of components: see secrets.h. */
#include "components/secrets.h"

#include <stdio.h>

#include "base/fs.h"
#include "base/secret.h"
#include "components/faults.h"
#include "store/named_secrets.h"

/* Whoever writes a file by hand ends it with a line's end. */
static void cut_line_end(struct buf *out, size_t begin)
{
	if (out->len > begin && out->data[out->len - 1] == '\n')
		out->len--;
	if (out->len > begin && out->data[out->len - 1] == '\r')
		out->len--;
}

static int get_from_file(
    const char *dir, const char *name, struct buf *out, struct err *err)
{
	char path[4096];
	size_t begin = out->len;

	/* No "/" in a name, and no dot at its begin. */
	if (!named_secret_name_is_valid(name) ||
	    snprintf(path, sizeof(path), "%s/%s", dir, name) >=
		(int)sizeof(path))
		return 0;
	if (fs_read_file(path, out, err) < 0) {
		if (err->kind != ERR_NOT_FOUND)
			return err_wrap(err, "secret %s", name);
		err_clear(err);
		return 0;
	}
	cut_line_end(out, begin);
	return 1;
}

int secrets_get(struct store *s, const struct options *o, const char *name,
    struct buf *out, struct err *err)
{
	int found = store_named_secret_get(s, name, out, err);

	if (found != 0 || o->secrets_dir == NULL)
		return found;
	return get_from_file(o->secrets_dir, name, out, err);
}

int secrets_check(struct store *s, const struct options *o, char *const *names,
    struct err *err)
{
	int found = 1;

	for (; names != NULL && *names != NULL && found > 0; names++) {
		struct buf value = {.max = NAMED_SECRET_VALUE_MAX};

		found = secrets_get(s, o, *names, &value, err);
		if (value.data != NULL)
			secret_wipe(value.data, value.len);
		buf_fini(&value);
		if (found == 0)
			return err_set(err, ERR_NOT_FOUND, FAULT_NO_SECRET,
			    "The secret %.128s is not there%s%.200s", *names,
			    o->secrets_dir != NULL ? ", nor a file of it in "
						   : "",
			    o->secrets_dir != NULL ? o->secrets_dir : "");
	}
	return found < 0 ? -1 : 0;
}
