/*
 * How many logs there are and how large they are together, without keeping
 * anything per log. The account holds the logs without a writer; those with
 * one are added by spool_totals. After the start the flusher counts the
 * directories one by one (account_scan_step) while logs come and go: a
 * directory in which a writer opened or closed meanwhile is counted again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/spool_internal.h"

static void dir_close(DIR *dir)
{
	if (dir != NULL)
		closedir(dir);
}
DEFINE_CLEANUP(DIR *, dir_close);

/* -- walking ----------------------------------------------------------- */

/* "<id>.idx" in lower case, in the directory where it belongs. */
static bool is_index_name(
    const char *name, unsigned dir, char id[UUID_TEXT_LEN])
{
	char normal[UUID_TEXT_LEN];
	struct err err = ERR_INIT;

	if (strlen(name) != UUID_TEXT_LEN - 1 + 4 ||
	    strcmp(name + UUID_TEXT_LEN - 1, file_suffix[FILE_INDEX]) != 0)
		return false;
	memcpy(id, name, UUID_TEXT_LEN - 1);
	id[UUID_TEXT_LEN - 1] = '\0';
	return shared_id(id, normal, &err) == 0 && strcmp(id, normal) == 0 &&
	       files_dir_of(id) == dir;
}

static bool has_writer(struct spool *s, const char *id)
{
	struct spool_shared *sh;
	bool r;

	mtx_lock(&s->mtx);
	sh = shared_find_locked(s, id);
	r = sh != NULL && sh->has_writer;
	mtx_unlock(&s->mtx);
	return r;
}

int account_look(struct spool *s, const char *id, struct walked *ret)
{
	CLEANUP(fd_close) int fd = -1;
	uint8_t raw[LAYOUT_HEADER_LEN];
	struct layout_header header;
	uint64_t size[FILE_COUNT] = {0}, begin[FILE_COUNT] = {0};
	struct err err = ERR_INIT;
	char path[SPOOL_PATH_BYTES];
	struct stat st;
	size_t got;

	if (files_open(s, id, FILE_INDEX, O_RDONLY, &fd, &err) <= 0 ||
	    files_read(fd, 0, raw, sizeof(raw), &got, &err) < 0 || got == 0)
		return 0;
	*ret = (struct walked){0};
	memcpy(ret->id, id, UUID_TEXT_LEN);
	if (got == sizeof(raw) &&
	    layout_header_get(raw, &header) == LAYOUT_HEADER_OK) {
		ret->ended = header.ended;
		ret->ended_ns = header.ended_ns;
		ring_begin_get(&header, begin);
	}
	for (int i = 0; i < FILE_COUNT; i++) {
		files_path(s, id, (enum spool_file)i, path);
		if (stat(path, &st) == 0)
			size[i] = (uint64_t)st.st_size;
	}
	ret->bytes = ring_bytes(size, begin);
	return 1;
}

int account_walk_dir(struct spool *s, unsigned dir,
    void (*cb)(void *arg, const struct walked *log), void *arg, struct err *err)
{
	CLEANUP(dir_close) DIR *handle = NULL;
	char path[SPOOL_PATH_BYTES], id[UUID_TEXT_LEN];
	struct dirent *entry;
	struct walked log;

	files_dir_path(s, dir, path);
	handle = opendir(path);
	if (handle == NULL && errno == ENOENT)
		return 0;
	if (handle == NULL)
		return err_sys(err, errno, "open directory %s", path);
	while ((entry = readdir(handle)) != NULL)
		if (is_index_name(entry->d_name, dir, id) &&
		    !has_writer(s, id) && account_look(s, id, &log) > 0)
			cb(arg, &log);
	return 0;
}

/* -- the account ------------------------------------------------------- */

static void add(struct account *a, uint64_t bytes, bool ended)
{
	a->logs++;
	a->bytes += bytes;
	if (ended)
		a->ended_bytes += bytes;
}

struct seen { /* in one directory */
	struct account sum;
	char (*unended)[UUID_TEXT_LEN];
	size_t unended_len;
};

static void add_walked(void *arg, const struct walked *log)
{
	struct seen *seen = arg;

	add(&seen->sum, log->bytes, log->ended);
	if (log->ended)
		return;
	seen->unended = mem_realloc(
	    seen->unended, (seen->unended_len + 1) * sizeof(*seen->unended));
	memcpy(seen->unended[seen->unended_len++], log->id, UUID_TEXT_LEN);
}

bool account_take_locked(struct spool *s, const char *id)
{
	unsigned dir = files_dir_of(id);

	mtx_assert_held(&s->mtx);
	s->generation[dir]++;
	return dir < s->scanned_dirs;
}

static void take_off(uint64_t *sum, uint64_t part)
{
	*sum -= part < *sum ? part : *sum;
}

/* Never below zero: somebody may have changed the files behind our back. */
void account_sub_locked(struct spool *s, const struct account_item *item)
{
	mtx_assert_held(&s->mtx);
	if (!item->exists)
		return;
	take_off(&s->account.logs, 1);
	take_off(&s->account.bytes, item->bytes);
	if (item->ended)
		take_off(&s->account.ended_bytes, item->bytes);
}

void account_give_locked(
    struct spool *s, const char *id, const struct account_item *item)
{
	unsigned dir = files_dir_of(id);

	mtx_assert_held(&s->mtx);
	s->generation[dir]++;
	if (dir < s->scanned_dirs && item->exists)
		add(&s->account, item->bytes, item->ended);
}

/* -- the first count --------------------------------------------------- */

static uint32_t generation_of(struct spool *s, unsigned dir)
{
	uint32_t r;

	mtx_lock(&s->mtx);
	r = s->generation[dir];
	mtx_unlock(&s->mtx);
	return r;
}

static void keep_unended_locked(struct spool *s, const struct seen *seen)
{
	size_t len = s->unended_len + seen->unended_len;

	mtx_assert_held(&s->mtx);
	if (seen->unended_len == 0)
		return;
	s->unended = mem_realloc(s->unended, len * sizeof(*s->unended));
	memcpy(s->unended[s->unended_len], seen->unended,
	    seen->unended_len * sizeof(*s->unended));
	s->unended_len = len;
}

bool account_scan_step(struct spool *s)
{
	unsigned dir = s->scanned_dirs; /* only this thread changes it */
	uint32_t generation = generation_of(s, dir);
	struct seen seen = {.unended = NULL};
	struct err err = ERR_INIT;

	if (account_walk_dir(s, dir, add_walked, &seen, &err) < 0)
		log_debug(NULL, "cannot count logs", LOG_ERR(&err));
	mtx_lock(&s->mtx);
	if (s->generation[dir] == generation) {
		s->account.logs += seen.sum.logs;
		s->account.bytes += seen.sum.bytes;
		s->account.ended_bytes += seen.sum.ended_bytes;
		keep_unended_locked(s, &seen);
		s->scanned_dirs++;
		if (s->scanned_dirs == SPOOL_DIRS)
			cond_broadcast(&s->scanned);
	}
	dir = s->scanned_dirs;
	mtx_unlock(&s->mtx);
	mem_free(seen.unended);
	return dir < SPOOL_DIRS;
}

bool spool_each_unended(
    struct spool *s, void (*cb)(void *arg, const char *id), void *arg)
{
	char(*ids)[UUID_TEXT_LEN] = NULL;
	size_t n = 0;
	bool counted;

	mtx_lock(&s->mtx);
	counted = s->scanned_dirs == SPOOL_DIRS;
	if (counted) {
		ids = s->unended;
		n = s->unended_len;
		s->unended = NULL;
		s->unended_len = 0;
	}
	mtx_unlock(&s->mtx);
	for (size_t i = 0; i < n; i++)
		cb(arg, ids[i]);
	mem_free(ids);
	return counted;
}
