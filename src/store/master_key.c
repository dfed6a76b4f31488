/* The operator's key: see master_key.h. */
#include "store/master_key.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

#define TEXT_MIN    16
#define KEY_CONTEXT "runnerhub secrets at rest, key 1"

int master_key_derive(
    struct seal_key *ret, const char *what, const char *text, struct err *err)
{
	size_t len = strlen(text);

	if (len < TEXT_MIN)
		return err_set(err, ERR_INVALID, "key_too_short",
		    "%s has %zu bytes, at least %d are needed", what, len,
		    TEXT_MIN);
	*ret = (struct seal_key){0};
	seal_hash(ret->bytes, KEY_CONTEXT, text, len);
	return 0;
}

void master_key_random(struct seal_key *ret)
{
	*ret = (struct seal_key){0};
	random_bytes(ret->bytes, sizeof(ret->bytes));
}

/* -- the file ---------------------------------------------------------- */

static int read_bytes(struct seal_key *ret, const char *path, struct err *err)
{
	struct buf b;
	int rc;

	buf_init(&b, SEAL_KEY_BYTES);
	rc = fs_read_file(path, &b, err);
	if (rc == 0 && b.len != SEAL_KEY_BYTES)
		rc = err_set(err, ERR_INVALID, "key_file_damaged",
		    "the key file %s has %zu bytes instead of %d: restore it "
		    "from a backup",
		    path, b.len, SEAL_KEY_BYTES);
	*ret = (struct seal_key){0};
	if (rc == 0)
		memcpy(ret->bytes, b.data, SEAL_KEY_BYTES);
	if (b.data != NULL)
		secret_wipe(b.data, b.len);
	buf_fini(&b);
	return rc;
}

int master_key_read(struct seal_key *ret, const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : err_sys(err, errno,
					     "look at the key file %s", path);
	if ((st.st_mode & 077) != 0)
		return err_set(err, ERR_FORBIDDEN, "key_file_open",
		    "the key file %s is open to others (mode %03o): chmod 600 "
		    "%s",
		    path, (unsigned)(st.st_mode & 0777), path);
	TRY(read_bytes(ret, path, err));
	return 1;
}

/* So that the new name survives a power cut: open(2), "fsync". */
static int sync_directory(const char *path, struct err *err)
{
	CLEANUP(mem_free) char *copy = mem_strdup(path);
	CLEANUP(fd_close) int fd =
	    open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_sys(err, errno, "sync the directory of %s", path);
	return 0;
}

int master_key_write(
    const struct seal_key *key, const char *path, struct err *err)
{
	TRY(fs_replace_file(path, key->bytes, sizeof(key->bytes), 0600, err));
	return sync_directory(path, err);
}

/* -- all that may be meant --------------------------------------------- */

bool master_key_is_used(const struct store_config *c, enum master_source source)
{
	if (c->encryption_key != NULL)
		return source == MASTER_TEXT;
	return source == MASTER_FILE || source == MASTER_NEW_FILE;
}

const char *master_key_name(const struct store_config *c,
    enum master_source source, char *buf, size_t size)
{
	switch (source) {
	case MASTER_TEXT:
		return "ENCRYPTION_KEY";
	case MASTER_OLD_TEXT:
		return "ENCRYPTION_KEY_OLD";
	case MASTER_FILE:
	case MASTER_NEW_FILE:
	case MASTER_SOURCES:
		break;
	}
	snprintf(buf, size, "the key file %s%s", c->key_path,
	    source == MASTER_NEW_FILE ? ".new" : "");
	return buf;
}

static int find_text(struct master_keys *k, enum master_source source,
    const char *what, const char *text, struct err *err)
{
	if (text == NULL)
		return 0;
	TRY(master_key_derive(&k->of[source].key, what, text, err));
	k->of[source].there = true;
	return 0;
}

static int find_file(struct master_keys *k, const struct store_config *c,
    enum master_source source, const char *path, struct err *err)
{
	int rc = master_key_read(&k->of[source].key, path, err);

	if (rc < 0 && master_key_is_used(c, source))
		return -1;
	if (rc < 0)
		err_clear(err);
	k->of[source].there = rc == 1;
	return 0;
}

int master_keys_find(
    struct master_keys *ret, const struct store_config *c, struct err *err)
{
	*ret = (struct master_keys){0};
	TRY(find_text(
	    ret, MASTER_TEXT, "ENCRYPTION_KEY", c->encryption_key, err));
	TRY(find_text(ret, MASTER_OLD_TEXT, "ENCRYPTION_KEY_OLD",
	    c->encryption_key_old, err));
	if (c->key_path == NULL)
		return 0;
	if ((size_t)snprintf(ret->new_path, sizeof(ret->new_path), "%s.new",
		c->key_path) >= sizeof(ret->new_path))
		return err_set(
		    err, ERR_INVALID, NULL, "%s: name too long", c->key_path);
	TRY(find_file(ret, c, MASTER_FILE, c->key_path, err));
	return find_file(ret, c, MASTER_NEW_FILE, ret->new_path, err);
}

void master_keys_wipe(struct master_keys *k)
{
	secret_wipe(k, sizeof(*k));
}
