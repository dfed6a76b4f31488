/*
 * The address of a source: see locate.h. A text is taken apart once, from
 * the left: scheme, host, owner and repository, then the rest by the word
 * that stands behind them (tree, blob, commit, ...). Pure, any thread.
 */
#include "components/locate.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "components/locate_internal.h"
#include "containers/paths.h"

#define TEXT_BYTES_MAX 2048
#define SHOWN_BYTES    140

/* -- what went wrong --------------------------------------------------- */

/* What may be a password or token is left out, messages are kept and shown:
 * all before an "@" of the authority, and the query. */
static void show_text(const char *text, char out[SHOWN_BYTES + 4])
{
	CLEANUP(buf_fini) struct buf kept = {.max = 1 << 20};
	const char *slashes = strstr(text, "//");
	const char *host = slashes != NULL ? slashes + 2 : text;
	size_t n = strcspn(host, "/?#");
	const char *at = memrchr(host, '@', n);

	if (at == NULL && memchr(host, ':', n) != NULL)
		at = strrchr(host, '@'); /* a password may hold a slash */
	if (at != NULL && host - text < 16)
		IGNORE(buf_append(&kept, text, (size_t)(host - text)));
	if (at != NULL)
		IGNORE(buf_append_str(&kept, "..."));
	host = at != NULL ? at : text;
	n = strcspn(host, "?");
	IGNORE(buf_append(&kept, host, n));
	utf8_clean(buf_str(&kept), out, SHOWN_BYTES);
	if (host[n] == '?')
		snprintf(out + strlen(out), 5, "?...");
}

static void show_hosts(const char *const *hosts, struct buf *out)
{
	for (size_t i = 0; hosts[i] != NULL && i < 4; i++)
		IGNORE(buf_printf(out, "%s%.40s", i > 0 ? ", " : "", hosts[i]));
	if (hosts[0] == NULL)
		IGNORE(buf_append_str(out, "none"));
}

int locate_refuse(const struct reading *r, const char *why)
{
	CLEANUP(buf_fini) struct buf hosts = {.max = 256};
	char text[SHOWN_BYTES + 4];

	show_text(r->text, text);
	show_hosts(r->hosts, &hosts);
	return err_set(r->err, ERR_INVALID, "INVALID_SOURCE_LOCATION",
	    "source location \"%s\": %s; taken: "
	    "https://<host>/<owner>/<repo>[/tree/<ref>/<path>], "
	    "git@<host>:<owner>/<repo>.git, file:/<directory>, <host> being "
	    "one of: %s",
	    text, why, buf_str(&hosts));
}

/* -- a directory of this machine --------------------------------------- */

/* The file of an entity stands for its directory. */
static void drop_entity_file(char *path)
{
	static const char *const ends[] = {".yaml", ".yml", ".json"};
	char *slash = strrchr(path, '/');
	size_t n = strlen(path);

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t m = strlen(ends[i]);

		if (n > m && strcasecmp(path + n - m, ends[i]) == 0) {
			*slash = '\0';
			return;
		}
	}
}

/* path: what stands behind "file:" or "dir:". With an authority ("//") it is
 * a URL, where "%20" is a blank; else it is a path as it stands. */
static int read_directory(struct reading *r, const char *path)
{
	CLEANUP(mem_free) char *decoded = NULL;
	struct err why = ERR_INIT;

	if (strncmp(path, "//", 2) == 0) {
		path += 2;
		if (strncasecmp(path, "localhost/", 10) == 0)
			path += 9;
		if (*path != '/')
			return locate_refuse(r,
			    "it names another machine, a directory is one of "
			    "this machine");
		decoded = locate_decode(path, strlen(path));
		if (decoded == NULL)
			return locate_refuse(r, "a %-escape in it is wrong");
		path = decoded;
	}
	if (*path != '/')
		return locate_refuse(
		    r, "the path of a directory must be absolute");
	if (path_normalise(path, &r->l.directory, &why) < 0)
		return locate_refuse(
		    r, "\"..\" is not taken in the path of a directory");
	drop_entity_file(r->l.directory);
	if (r->l.directory[0] == '\0' || r->l.directory[1] == '\0')
		return locate_refuse(
		    r, "the root of this machine cannot be a component");
	r->l.kind = LOCATION_DIRECTORY;
	return 0;
}

/* -- schemes ----------------------------------------------------------- */

/* What stands behind prefix, in any case; NULL: it does not begin so. */
static const char *behind(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncasecmp(text, prefix, n) == 0 ? text + n : NULL;
}

/* "git@host:owner/repo.git": a colon before the first slash. */
static const char *scp_colon(const char *text)
{
	size_t n = strcspn(text, "/");
	const char *at = memchr(text, '@', n);

	return at != NULL ? memchr(at, ':', n - (size_t)(at - text)) : NULL;
}

static int read_any(struct reading *r)
{
	static const struct {
		const char *prefix;
		enum scheme scheme;
	} schemes[] = {{"https://", SCHEME_HTTP}, {"http://", SCHEME_HTTP},
	    {"git+https://", SCHEME_HTTP}, {"git+http://", SCHEME_HTTP},
	    {"ssh://", SCHEME_SSH}, {"git+ssh://", SCHEME_SSH}};
	const char *text = r->text, *rest;

	if ((rest = behind(text, "url:")) != NULL)
		text = rest;
	if ((rest = behind(text, "file:")) != NULL ||
	    (rest = behind(text, "dir:")) != NULL)
		return read_directory(r, rest);
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if ((rest = behind(text, schemes[i].prefix)) != NULL)
			return locate_repository(r, rest, schemes[i].scheme);
	if (strstr(text, "://") != NULL)
		return locate_refuse(r, "this kind of address is not known");
	if (scp_colon(text) != NULL)
		return locate_repository(r, text, SCHEME_SCP);
	if (strchr(text, '/') != NULL)
		return locate_repository(r, text, SCHEME_BARE);
	return locate_refuse(
	    r, *text == '\0' ? "it is empty" : "it names no repository");
}

static int check_text(const struct reading *r, size_t len)
{
	if (len > TEXT_BYTES_MAX)
		return locate_refuse(r, "it is longer than 2048 bytes");
	if (!utf8_valid(r->text, len))
		return locate_refuse(r, "it is not UTF-8");
	if (locate_has_control(r->text))
		return locate_refuse(r, "it has control characters");
	return 0;
}

int location_parse(const char *text, const char *const *hosts,
    struct location *ret, struct err *err)
{
	CLEANUP(mem_free) char *trimmed = NULL;
	struct reading r = {.hosts = hosts, .err = err};
	size_t len;

	text += strspn(text, " \t\r\n");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	r.text = trimmed = mem_strndup(text, len);
	if (check_text(&r, len) < 0 || read_any(&r) < 0) {
		location_fini(&r.l);
		return -1;
	}
	*ret = r.l;
	return 0;
}

void location_fini(struct location *l)
{
	mem_free(l->host);
	mem_free(l->owner);
	mem_free(l->repo);
	mem_free(l->ref);
	mem_free(l->ref_and_path);
	mem_free(l->directory);
	*l = (struct location){0};
}
