/*
 * The table of logs in use and what the users of one log share: what may be
 * read, the descriptors to read it with, and the newest bytes in memory.
 * Any thread. See spool_internal.h for ownership and locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "spool/spool_internal.h"

int shared_id(const char *id, char ret[UUID_TEXT_LEN], struct err *err)
{
	struct uuid uuid;

	if (id == NULL || uuid_parse(id, &uuid) < 0)
		return err_set(err, ERR_INVALID, "invalid_id",
		    "a log is named by a UUID, \"%.40s\" is none",
		    id != NULL ? id : "");
	uuid_text(uuid, ret);
	return 0;
}

/* The last 12 hex digits are random in every version in use. */
static struct spool_shared **bucket_of(struct spool *s, const char *id)
{
	uint32_t h = 2166136261u;

	for (const char *p = id + 24; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return &s->buckets[h % SHARED_BUCKETS];
}

struct spool_shared *shared_find_locked(struct spool *s, const char *id)
{
	struct spool_shared *sh;

	mtx_assert_held(&s->mtx);
	for (sh = *bucket_of(s, id); sh != NULL; sh = sh->next)
		if (strcmp(sh->id, id) == 0)
			return sh;
	return NULL;
}

struct spool_shared *shared_get(struct spool *s, const char *id)
{
	struct spool_shared *sh, **bucket;

	mtx_lock(&s->mtx);
	sh = shared_find_locked(s, id);
	if (sh == NULL) {
		sh = mem_zalloc(sizeof(*sh));
		sh->magic = SHARED_MAGIC;
		memcpy(sh->id, id, UUID_TEXT_LEN);
		sh->spool = s;
		mtx_init(&sh->mtx, "spool_shared");
		for (int i = 0; i < FILE_COUNT; i++)
			sh->fd[i] = -1;
		bucket = bucket_of(s, id);
		sh->next = *bucket;
		*bucket = sh;
		s->shared_count++;
	}
	sh->refs++;
	mtx_unlock(&s->mtx);
	return sh;
}

/* Out of the table: whoever asks for this id from now on gets another. */
void shared_detach_locked(struct spool *s, struct spool_shared *sh)
{
	struct spool_shared **p;

	mtx_assert_held(&s->mtx);
	if (sh->detached)
		return;
	for (p = bucket_of(s, sh->id); *p != sh; p = &(*p)->next)
		ASSERT(*p != NULL);
	*p = sh->next;
	sh->detached = true;
}

void shared_put(struct spool_shared *sh)
{
	struct spool *s;

	if (sh == NULL)
		return;
	MAGIC_CHECK(sh, SHARED_MAGIC);
	s = sh->spool;
	mtx_lock(&s->mtx);
	ASSERT(sh->refs > 0);
	if (--sh->refs > 0) {
		mtx_unlock(&s->mtx);
		return;
	}
	shared_detach_locked(s, sh);
	s->shared_count--;
	mtx_unlock(&s->mtx);
	ASSERT(sh->watches == NULL);
	for (int i = 0; i < FILE_COUNT; i++) {
		fd_close(sh->fd[i]);
		mem_free(sh->tail[i].data);
	}
	mtx_fini(&sh->mtx);
	sh->magic = 0;
	mem_free(sh);
}

int shared_reserve(struct spool_shared *sh, bool *ret_counted, struct err *err)
{
	struct spool *s = sh->spool;
	bool taken;

	mtx_lock(&s->mtx);
	taken = sh->has_writer || sh->detached;
	if (!taken) {
		sh->has_writer = true;
		*ret_counted = account_take_locked(s, sh->id);
	}
	mtx_unlock(&s->mtx);
	if (taken)
		return err_set(err, ERR_CONFLICT, "log_busy",
		    "log %s already has a writer", sh->id);
	return 0;
}

/*
 * The descriptor to read a file with, opened when first needed. Two readers
 * may open at once: the first to come back wins, the other closes its own.
 * Stays open while the log is in use. 1, 0 does not exist, -1.
 */
static int reading_fd(
    struct spool_shared *sh, enum spool_file file, int *ret_fd, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	int known, r;

	mtx_lock(&sh->mtx);
	known = sh->fd[file];
	mtx_unlock(&sh->mtx);
	if (known < 0) {
		r = files_open(sh->spool, sh->id, file, O_RDONLY, &fd, err);
		if (r <= 0)
			return r;
		mtx_lock(&sh->mtx);
		if (sh->fd[file] < 0) {
			sh->fd[file] = fd;
			fd = -1;
		}
		known = sh->fd[file];
		mtx_unlock(&sh->mtx);
	}
	*ret_fd = known;
	return 1;
}

/* A log that nobody in this process writes: the files say what there is. */
static int look_at_files(
    struct spool_shared *sh, struct log_view *ret, struct err *err)
{
	struct recovered r;
	int fd[FILE_COUNT], found;

	*ret = (struct log_view){0};
	for (int i = 0; i < FILE_COUNT; i++) {
		found = reading_fd(sh, (enum spool_file)i, &fd[i], err);
		if (found <= 0)
			return found;
	}
	if (recover_peek(fd, &r, err) < 0)
		return err_wrap(err, "log %s", sh->id);
	memcpy(ret->size, r.size, sizeof(ret->size));
	ring_begin_get(&r.header, ret->begin);
	ret->exists = true;
	ret->ended = r.header.ended;
	ret->ended_ns = r.header.ended_ns;
	return 0;
}

int shared_view(struct spool_shared *sh, struct log_view *ret, struct err *err)
{
	struct log_view seen;
	bool known;

	mtx_lock(&sh->mtx);
	known = sh->view_known;
	*ret = sh->view;
	mtx_unlock(&sh->mtx);
	if (known)
		return 0;
	TRY(look_at_files(sh, &seen, err));
	mtx_lock(&sh->mtx);
	if (!sh->view_known && seen.exists) {
		sh->view = seen; /* no writer came meanwhile, who knows more */
		sh->view_known = true;
	}
	*ret = sh->view;
	mtx_unlock(&sh->mtx);
	return 0;
}

static bool tail_read(const struct tail *t, uint64_t off, void *out, size_t len)
{
	size_t at = off % TAIL_BYTES;
	size_t first = TAIL_BYTES - at;

	if (t->data == NULL || off < t->start || off + len > t->end)
		return false;
	if (first > len)
		first = len;
	memcpy(out, t->data + at, first);
	memcpy((char *)out + first, t->data, len - first);
	return true;
}

/* After it was read: the hole may have come meanwhile. */
static bool was_forgotten(
    struct spool_shared *sh, enum spool_file file, uint64_t off)
{
	bool r;

	mtx_lock(&sh->mtx);
	r = off < sh->view.begin[file];
	mtx_unlock(&sh->mtx);
	return r;
}

int shared_read(struct spool_shared *sh, enum spool_file file, uint64_t off,
    void *out, size_t len, struct err *err)
{
	bool in_memory;
	size_t got;
	int fd, r;

	if (len == 0)
		return 0;
	mtx_lock(&sh->mtx);
	in_memory = tail_read(&sh->tail[file], off, out, len);
	mtx_unlock(&sh->mtx);
	if (in_memory)
		return 0;
	r = reading_fd(sh, file, &fd, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return err_set(err, ERR_NOT_FOUND, "log_gone",
		    "log %s was removed while it was read", sh->id);
	TRY(files_read(fd, off, out, len, &got, err));
	if (was_forgotten(sh, file, off))
		return err_set(err, ERR_NOT_FOUND, FORGOTTEN,
		    "log %s does not go back that far any more", sh->id);
	if (got < len)
		return err_set(err, ERR_INTERNAL, "log_damaged",
		    "log %s: %s ends before what the index tells", sh->id,
		    file_suffix[file]);
	return 0;
}

void shared_want_tail(struct spool_shared *sh, enum spool_file file)
{
	mtx_lock(&sh->mtx);
	sh->tail_wanted[file] = true;
	mtx_unlock(&sh->mtx);
}

void shared_follow(struct spool_shared *sh)
{
	mtx_lock(&sh->mtx);
	sh->followers++;
	mtx_unlock(&sh->mtx);
}

void shared_unfollow(struct spool_shared *sh)
{
	mtx_lock(&sh->mtx);
	ASSERT(sh->followers > 0);
	if (--sh->followers == 0) {
		for (int i = 0; i < FILE_COUNT; i++) {
			mem_free(sh->tail[i].data);
			sh->tail[i] = (struct tail){0};
			sh->tail_wanted[i] = false;
		}
	}
	mtx_unlock(&sh->mtx);
}
