/*
 * Users and groups of the container: see account.h. Called once per job,
 * before anything of the job runs. The files come from an image that nobody
 * vouches for: lines that do not parse are passed over.
 */
#include "agent/account.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"

#define DATABASE_MAX (1024 * 1024)
#define FIELDS_MAX   7

struct field {
	const char *s;
	size_t len;
};

/* Reads one line at *p, split at ':'; false at the end of the text. */
static bool next_line(
    const char **p, struct field fields[FIELDS_MAX], size_t *ret_count)
{
	const char *s = *p;
	const char *end = s + strcspn(s, "\n");
	size_t n = 0;

	if (*s == '\0')
		return false;
	while (n < FIELDS_MAX) {
		size_t len = strcspn(s, ":\n");

		fields[n++] = (struct field){s, len};
		if (s + len == end)
			break;
		s += len + 1;
	}
	*ret_count = n;
	*p = *end == '\n' ? end + 1 : end;
	return true;
}

static bool field_is(struct field f, const char *s, size_t len)
{
	return f.len == len && memcmp(f.s, s, len) == 0;
}

/* A decimal id; -1 is no id (chown takes it for "leave"). */
static int parse_id(const char *s, size_t len, uint32_t *ret)
{
	uint64_t v = 0;

	if (len == 0 || len > 10)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = 10 * v + (uint64_t)(s[i] - '0');
	}
	if (v >= UINT32_MAX)
		return -1;
	*ret = (uint32_t)v;
	return 0;
}

struct found {
	struct field name;
	struct account *account;
};

/* The entry named `who`, else the one with that id. */
static bool find_user(
    const char *passwd, const char *who, size_t who_len, struct found *ret)
{
	struct field f[FIELDS_MAX];
	uint32_t want = 0, uid, gid;
	bool by_id = parse_id(who, who_len, &want) == 0;
	size_t n;

	while (next_line(&passwd, f, &n)) {
		if (n < 4 || parse_id(f[2].s, f[2].len, &uid) < 0 ||
		    parse_id(f[3].s, f[3].len, &gid) < 0)
			continue;
		if (!field_is(f[0], who, who_len) && !(by_id && uid == want))
			continue;
		ret->name = f[0];
		ret->account->uid = uid;
		ret->account->gid = gid;
		if (n >= 6 && f[5].len < ACCOUNT_HOME_MAX) {
			memcpy(ret->account->home, f[5].s, f[5].len);
			ret->account->home[f[5].len] = '\0';
		}
		return true;
	}
	return false;
}

static bool find_group(
    const char *group, const char *who, size_t who_len, gid_t *ret)
{
	struct field f[FIELDS_MAX];
	uint32_t gid;
	size_t n;

	while (next_line(&group, f, &n)) {
		if (n >= 3 && field_is(f[0], who, who_len) &&
		    parse_id(f[2].s, f[2].len, &gid) == 0) {
			*ret = gid;
			return true;
		}
	}
	return parse_id(who, who_len, ret) == 0;
}

static bool lists_member(struct field members, struct field name)
{
	const char *s = members.s;
	const char *end = members.s + members.len;
	size_t len;

	while (s < end) {
		for (len = 0; s + len < end && s[len] != ','; len++)
			;
		if (field_is(name, s, len))
			return true;
		s += len + 1;
	}
	return false;
}

static void add_group(struct account *a, gid_t gid)
{
	for (size_t i = 0; i < a->group_count; i++) {
		if (a->groups[i] == gid)
			return;
	}
	if (a->group_count < ACCOUNT_GROUPS_MAX)
		a->groups[a->group_count++] = gid;
}

static void add_memberships(
    struct account *a, const char *group, struct field name)
{
	struct field f[FIELDS_MAX];
	uint32_t gid;
	size_t n;

	while (name.len > 0 && next_line(&group, f, &n)) {
		if (n >= 4 && parse_id(f[2].s, f[2].len, &gid) == 0 &&
		    lists_member(f[3], name))
			add_group(a, gid);
	}
}

int account_resolve(const char *user, const char *passwd, const char *group,
    struct account *ret, struct err *err)
{
	const char *who = user[0] != '\0' ? user : "0";
	size_t len = strcspn(who, ":");
	struct found found = {.account = ret};

	*ret = (struct account){0};
	if (!find_user(passwd, who, len, &found) &&
	    parse_id(who, len, &ret->uid) < 0)
		return err_set(err, ERR_NOT_FOUND, "unknown_user",
		    "user \"%.*s\" is not in the image's /etc/passwd: name a "
		    "user of the image, or a number",
		    len < 100 ? (int)len : 100, who);
	if (who[len] == ':' && who[len + 1] != '\0') {
		const char *name = who + len + 1;

		if (!find_group(group, name, strlen(name), &ret->gid))
			return err_set(err, ERR_NOT_FOUND, "unknown_group",
			    "group \"%.100s\" is not in the image's "
			    "/etc/group: name a group of the image, or a "
			    "number",
			    name);
		add_group(ret, ret->gid); /* named: the engine adds no more */
		return 0;
	}
	add_group(ret, ret->gid);
	add_memberships(ret, group, found.name);
	return 0;
}

/* Appends the file; a missing or unreadable one counts as empty. */
static int read_database(const char *path, struct buf *out, struct err *err)
{
	CLEANUP(fd_close)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n = 0;
	char *room;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	do {
		room = buf_reserve(out, 4096);
		if (room == NULL)
			return err_set(err, ERR_LIMIT, "too_long",
			    "%s of the image is longer than %d bytes", path,
			    DATABASE_MAX);
		n = read(fd, room, 4096);
		if (n > 0)
			buf_commit(out, (size_t)n);
	} while (n > 0);
	return n < 0 ? err_sys(err, errno, "read %s", path) : 0;
}

int account_load(const char *user, struct account *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf passwd = {0};
	CLEANUP(buf_fini) struct buf group = {0};

	buf_init(&passwd, DATABASE_MAX);
	buf_init(&group, DATABASE_MAX);
	TRY(read_database("/etc/passwd", &passwd, err));
	TRY(read_database("/etc/group", &group, err));
	return account_resolve(
	    user, buf_str(&passwd), buf_str(&group), ret, err);
}
