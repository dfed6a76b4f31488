/*
 * A repository's address behind its scheme: host, owner, repository, and
 * what follows them. Called by locate.c. Pure, any thread.
 */
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "components/locate_internal.h"

#define SEGMENTS_MAX   64
#define NAME_BYTES_MAX 100
#define REF_BYTES_MAX  250

/* -- pieces of text ---------------------------------------------------- */

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) % 16 : -1;
}

bool locate_has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

char *locate_decode(const char *text, size_t len)
{
	CLEANUP(mem_free) char *out = mem_strndup(text, len);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (text[i] != '%') {
			out[n++] = text[i];
			continue;
		}
		high = len - i > 2 ? hex(text[i + 1]) : -1;
		low = len - i > 2 ? hex(text[i + 2]) : -1;
		if (high < 0 || low < 0 || high + low == 0)
			return NULL;
		out[n++] = (char)(high * 16 + low);
		i += 2;
	}
	out[n] = '\0';
	return utf8_valid(out, n) && !locate_has_control(out) ? STEAL(out)
							      : NULL;
}

/* -- host -------------------------------------------------------------- */

/* The port that a scheme has anyway is no part of a host's name; that of ssh
 * says nothing about the site. */
static size_t without_port(const char *host, size_t len, enum scheme scheme)
{
	const char *colon = memrchr(host, ':', len);
	const char *bracket = memrchr(host, ']', len); /* of an IPv6 address */
	size_t n = colon != NULL ? (size_t)(colon - host) : len;

	if (colon == NULL || (bracket != NULL && bracket > colon))
		return len;
	if (scheme == SCHEME_SSH || (len - n == 4 && !memcmp(colon, ":443", 4)))
		return n;
	return len - n == 3 && !memcmp(colon, ":80", 3) ? n : len;
}

static const char *find_host(
    const struct reading *r, const char *host, size_t len)
{
	for (size_t i = 0; r->hosts[i] != NULL; i++)
		if (strlen(r->hosts[i]) == len &&
		    strncasecmp(r->hosts[i], host, len) == 0)
			return r->hosts[i];
	return NULL;
}

/* The integration's host that is meant: itself, or one of its other names. */
static const char *known_host(
    const struct reading *r, const char *host, size_t len)
{
	static const char *const other[] = {"www.", "ssh."};
	const char *known = find_host(r, host, len);

	for (size_t i = 0; known == NULL && i < ARRAY_LEN(other); i++)
		if (len > 4 && strncasecmp(host, other[i], 4) == 0)
			known = find_host(r, host + 4, len - 4);
	return known;
}

static int take_host(
    struct reading *r, const char *host, size_t len, enum scheme scheme)
{
	const char *known =
	    known_host(r, host, without_port(host, len, scheme));

	if (len == 0)
		return locate_refuse(r, "it names no host");
	if (known == NULL)
		known = known_host(r, host, len);
	if (known == NULL)
		return locate_refuse(
		    r, scheme == SCHEME_BARE
			   ? "it begins with neither a scheme nor a known host"
			   : "its host is none of the GitHub integrations");
	r->l.host = mem_strdup(known);
	for (char *p = r->l.host; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return 0;
}

/* -- the path behind the host ------------------------------------------ */

struct path {
	char *v[SEGMENTS_MAX]; /* decoded */
	size_t n;
	bool is_directory; /* a slash ends it */
};

static void path_fini(struct path *p)
{
	for (size_t i = 0; i < p->n; i++)
		mem_free(p->v[i]);
}

static void path_fini_guard(struct path *p)
{
	path_fini(p);
}

static bool is_dots(const char *s)
{
	return strcmp(s, ".") == 0 || strcmp(s, "..") == 0;
}

/* Doubled and ending slashes mean nothing. */
static int split_path(
    struct reading *r, const char *text, size_t len, struct path *p)
{
	p->is_directory = len > 0 && text[len - 1] == '/';
	for (size_t at = 0; at < len;) {
		const char *slash = memchr(text + at, '/', len - at);
		size_t n =
		    slash != NULL ? (size_t)(slash - text) - at : len - at;

		if (n > 0 && p->n == SEGMENTS_MAX)
			return locate_refuse(r, "its path is too deep");
		if (n > 0) {
			p->v[p->n] = locate_decode(text + at, n);
			if (p->v[p->n] == NULL)
				return locate_refuse(
				    r, "a %-escape in it is wrong");
			p->n++;
		}
		at += n + 1;
	}
	return 0;
}

/* A decoded segment may hold slashes ("feature%2Fx"), so what was joined is
 * looked at again. NULL: "." or ".." is among it, or nothing is. */
static char *join(const struct path *p, size_t from)
{
	CLEANUP(buf_fini) struct buf out = {.max = 4096};

	for (size_t i = from; i < p->n; i++) {
		for (const char *at = p->v[i]; *at != '\0';) {
			size_t n = strcspn(at, "/");
			char first[3] = "";

			memcpy(first, at, n < 3 ? n : 0);
			if (is_dots(first))
				return NULL;
			if (n > 0)
				IGNORE(buf_printf(&out, "%s%.*s",
				    out.len > 0 ? "/" : "", (int)n, at));
			at += n + strspn(at + n, "/");
		}
	}
	return out.len > 0 ? buf_steal(&out, NULL) : NULL;
}

/* -- owner, repository, ref -------------------------------------------- */

static bool is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
			     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && s[n] == '\0' && n <= NAME_BYTES_MAX && !is_dots(s);
}

/* git-check-ref-format(1), as far as one name goes. */
static bool is_ref(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= REF_BYTES_MAX && s[0] != '-' && s[0] != '/' &&
	       s[0] != '.' && s[n - 1] != '/' && s[n - 1] != '.' &&
	       strpbrk(s, " ~^:?*[\\") == NULL && strstr(s, "..") == NULL &&
	       strstr(s, "//") == NULL && strstr(s, "@{") == NULL;
}

static int take_ref(struct reading *r, char *ref)
{
	CLEANUP(mem_free) char *owned = ref;

	if (owned == NULL || !is_ref(owned))
		return locate_refuse(r,
		    "what stands there as branch, tag or commit cannot be "
		    "the name of one");
	if (r->l.ref_and_path != NULL ||
	    (r->l.ref != NULL && strcmp(r->l.ref, owned) != 0))
		return locate_refuse(r, "it names two branches or commits");
	mem_free(r->l.ref);
	r->l.ref = STEAL(owned);
	return 0;
}

static int take_name(struct reading *r, const struct path *p)
{
	size_t n;

	if (p->n < 2)
		return locate_refuse(
		    r, "it names no repository, only a part of its address");
	n = strlen(p->v[1]);
	if (n >= 4 && strcasecmp(p->v[1] + n - 4, ".git") == 0)
		p->v[1][n - 4] = '\0';
	if (!is_name(p->v[0]) || !is_name(p->v[1]))
		return locate_refuse(r,
		    "owner and repository are letters, digits, \"-\", \"_\" "
		    "and \".\"");
	r->l.owner = mem_strdup(p->v[0]);
	r->l.repo = mem_strdup(p->v[1]);
	return 0;
}

static bool is_sha(const char *s)
{
	size_t n = strspn(s, "0123456789abcdefABCDEF");

	return s[n] == '\0' && n >= 7 && n <= 64;
}

static int take_ref_and_path(
    struct reading *r, const struct path *p, size_t from, bool is_file)
{
	if (p->n == from)
		return 0; /* ".../tree/" */
	r->l.ref_and_path = join(p, from);
	if (r->l.ref_and_path == NULL)
		return locate_refuse(
		    r, "\".\" and \"..\" are not taken in its path");
	r->l.is_file = is_file && !p->is_directory && p->n > from + 1;
	return 0;
}

/* Behind owner and repository: /tree/..., /commit/..., ... */
static int take_view(struct reading *r, const struct path *p)
{
	static const struct {
		const char *word;
		bool is_file;
	} views[] = {{"tree", false}, {"blob", true}, {"raw", true},
	    {"edit", true}, {"blame", true}, {"commits", false}};
	const char *word = p->v[2];

	for (size_t i = 0; i < ARRAY_LEN(views); i++)
		if (strcmp(word, views[i].word) == 0)
			return take_ref_and_path(r, p, 3, views[i].is_file);
	if (strcmp(word, "commit") == 0 && p->n == 4 && is_sha(p->v[3]))
		return take_ref(r, mem_strdup(p->v[3]));
	if (strcmp(word, "commit") == 0)
		return locate_refuse(
		    r, "behind commit/ stands the id of a commit and no more");
	if (strcmp(word, "releases") == 0 && p->n > 4 &&
	    strcmp(p->v[3], "tag") == 0)
		return take_ref(r, join(p, 4));
	return locate_refuse(r,
	    "behind the repository only tree, blob, raw, edit, commit and "
	    "releases/tag are taken");
}

/* "?ref=x&plain=1#y". A fragment is a place on the page where a file or a
 * directory is shown, else a ref. */
static int take_tail(struct reading *r, const char *tail)
{
	const char *hash = tail + strcspn(tail, "#");
	const char *at = *tail == '?' ? tail + 1 : hash;

	while (at < hash) {
		size_t n = strcspn(at, "&#");

		if (n > 4 && strncmp(at, "ref=", 4) == 0)
			TRY(take_ref(r, locate_decode(at + 4, n - 4)));
		at += n + (at[n] == '&');
	}
	if (hash[0] == '\0' || hash[1] == '\0' || r->l.ref_and_path != NULL)
		return 0;
	return take_ref(r, locate_decode(hash + 1, strlen(hash + 1)));
}

/* raw.githubusercontent.com/owner/repo/<ref...>/<path...> */
static bool is_raw_host(const char *host, size_t len)
{
	static const char raw[] = "raw.githubusercontent.com";

	return len == strlen(raw) && strncasecmp(host, raw, len) == 0;
}

static int take_path(
    struct reading *r, const char *text, enum scheme scheme, bool raw)
{
	CLEANUP(path_fini) struct path p = {.n = 0};
	size_t len = strcspn(text, "?#");

	r->l.kind = LOCATION_GITHUB;
	TRY(split_path(r, text, len, &p));
	TRY(take_name(r, &p));
	if (raw)
		TRY(take_ref_and_path(r, &p, 2, true));
	else if (p.n > 2 && (scheme == SCHEME_SSH || scheme == SCHEME_SCP))
		return locate_refuse(
		    r, "an ssh address ends with its repository");
	else if (p.n > 2)
		TRY(take_view(r, &p));
	return take_tail(r, text + len);
}

/* Who is meant to log in: ssh needs a name, and the web has no use for one.
 * A password never belongs into a catalog. */
static int skip_user(
    struct reading *r, const char **rest, size_t *len, enum scheme scheme)
{
	const char *at = memrchr(*rest, '@', *len);

	if (at == NULL)
		return 0;
	if (scheme == SCHEME_HTTP || scheme == SCHEME_BARE ||
	    memchr(*rest, ':', (size_t)(at - *rest)) != NULL)
		return locate_refuse(r,
		    "it has a user or password: leave them out, the hub's "
		    "integration has the token");
	*len -= (size_t)(at + 1 - *rest);
	*rest = at + 1;
	return 0;
}

int locate_repository(struct reading *r, const char *rest, enum scheme scheme)
{
	size_t len = strcspn(rest, scheme == SCHEME_SCP ? "/" : "/?#");
	bool raw;

	TRY(skip_user(r, &rest, &len, scheme));
	if (scheme == SCHEME_SCP)
		len = strcspn(rest, ":/");
	raw = is_raw_host(rest, len);
	if (raw)
		TRY(take_host(r, "github.com", 10, scheme));
	else
		TRY(take_host(r, rest, len, scheme));
	return take_path(r, rest + len + (scheme == SCHEME_SCP), scheme, raw);
}
