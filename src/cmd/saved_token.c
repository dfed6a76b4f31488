/* Tokens that a login keeps: see saved_token.h. */
#include "cmd/saved_token.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

enum { FILE_BYTES_MAX = 64 * 1024 };

char *saved_token_path(void)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (xdg != NULL && *xdg == '/')
		return mem_printf("%s/runnerhub/tokens", xdg);
	if (home != NULL && *home == '/')
		return mem_printf("%s/.config/runnerhub/tokens", home);
	return NULL;
}

static void wipe(struct buf *b)
{
	if (b->data != NULL)
		secret_wipe(b->data, b->len);
	buf_fini(b);
}

/* The line of this hub in text, with its end; NULL: none. */
static const char *line_of(const char *text, const char *url, size_t *ret_len)
{
	size_t n = strlen(url);

	while (*text != '\0') {
		*ret_len = strcspn(text, "\n");
		if (*ret_len > n && strncmp(text, url, n) == 0 &&
		    text[n] == ' ')
			return text;
		text += *ret_len + (text[*ret_len] == '\n');
	}
	return NULL;
}

struct secret *saved_token_find(const char *url)
{
	CLEANUP(mem_free) char *path = saved_token_path();
	struct buf text = {.max = FILE_BYTES_MAX};
	struct err ignored = ERR_INIT;
	struct secret *found = NULL;
	const char *line;
	size_t len;

	if (path == NULL || fs_read_file(path, &text, &ignored) < 0) {
		wipe(&text);
		return NULL;
	}
	line = line_of(buf_str(&text), url, &len);
	if (line != NULL)
		found =
		    secret_new(line + strlen(url) + 1, len - strlen(url) - 1);
	wipe(&text);
	return found;
}

/* The directory may be there already, whatever its mode: the file's counts. */
static int make_place(const char *path, struct err *err)
{
	CLEANUP(mem_free) char *dir = mem_strdup(path);

	*strrchr(dir, '/') = '\0';
	return fs_mkdir_p(dir, 0700, err);
}

int saved_token_put(const char *url, const char *token, struct err *err)
{
	CLEANUP(mem_free) char *path = saved_token_path();
	struct buf text = {.max = FILE_BYTES_MAX};
	struct buf next = {.max = FILE_BYTES_MAX};
	struct err ignored = ERR_INIT;
	const char *line;
	size_t len = 0;
	int rc;

	if (path == NULL)
		return err_set(err, ERR_INVALID, NULL,
		    "HOME is not set: there is no place to keep the token");
	TRY(make_place(path, err));
	IGNORE(fs_read_file(path, &text, &ignored)); /* there may be none */
	line = line_of(buf_str(&text), url, &len);
	rc = buf_append(&next, buf_str(&text),
	    line != NULL ? (size_t)(line - buf_str(&text)) : text.len);
	if (line != NULL)
		rc |= buf_append_str(&next, line + len + (line[len] == '\n'));
	if (token != NULL)
		rc |= buf_printf(&next, "%s %s\n", url, token);
	if (rc != 0)
		rc = err_set(err, ERR_LIMIT, NULL, "%s is too long", path);
	else
		rc = fs_replace_file(path, next.data != NULL ? next.data : "",
		    next.len, 0600, err);
	wipe(&text);
	wipe(&next);
	return rc;
}
