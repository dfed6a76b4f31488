/*
 * The catalog's files at GitHub: the copies that questions are answered from,
 * and the thread that fetches them, which lives once there is one. It walks
 * the catalog as well, to find what the files name that it fetched, and to
 * drop what nothing names any more.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "components/catalog_internal.h"

enum {
	REMOTE_MAX = 1000,
	FETCH_MS = 60000,
	AGAIN_MS = 30000, /* after a failure, unless refreshed sooner */
};
#define BYTES_ALL_MAX ((size_t)64 * 1024 * 1024)

/* -- copies ------------------------------------------------------------ */

void remote_copy_fini(struct remote_copy *copy)
{
	source_file_fini(&copy->file);
	mem_free(copy->problem);
	*copy = (struct remote_copy){0};
}

static void copy_file(const struct source_file *from, struct source_file *ret)
{
	*ret = (struct source_file){.host = mem_strdup(from->host),
	    .repo = mem_strdup(from->repo),
	    .ref = mem_strdup(from->ref),
	    .path = mem_strdup(from->path),
	    .text = {.max = from->text.max}};
	memcpy(ret->sha, from->sha, sizeof(ret->sha));
	IGNORE(buf_append(&ret->text, from->text.data, from->text.len) < 0);
}

static bool is_url(const struct map_node *node, const void *key)
{
	return strcmp(CONTAINER_OF(node, const struct remote_file, node)->url,
		   key) == 0;
}

static struct remote_file *find_locked(struct catalog *c, const char *url)
{
	struct map_node *node =
	    map_find(&c->remote, map_hash(url, strlen(url)), is_url, url);

	mtx_assert_held(&c->mtx);
	return node != NULL ? CONTAINER_OF(node, struct remote_file, node)
			    : NULL;
}

static void free_file(struct remote_file *f)
{
	mem_free(f->url);
	location_fini(&f->at);
	mem_free(f->problem);
	source_file_fini(&f->copy);
	mem_free(f);
}

/* What the disk has of it. */
struct stored {
	struct source_file file;
	int64_t read_at;
	bool there;
};

static struct remote_file *add_locked(struct catalog *c, const char *url,
    struct location *at, struct stored *stored)
{
	struct remote_file *f = mem_zalloc(sizeof(*f));

	f->url = mem_strdup(url);
	f->at = *at;
	*at = (struct location){0};
	map_insert(&c->remote, &f->node, map_hash(url, strlen(url)));
	c->has_news = true;
	if (stored->there &&
	    c->remote_bytes + stored->file.text.len <= BYTES_ALL_MAX) {
		c->remote_bytes += stored->file.text.len;
		f->copy = stored->file;
		f->has_copy = true;
		f->read_at = stored->read_at;
		stored->file = (struct source_file){0};
	}
	return f;
}

static void *remote_main(void *arg);

/* Once there is something to fetch. */
static int wake_locked(struct catalog *c, struct err *err)
{
	cond_broadcast(&c->changed);
	if (c->runs || c->stopping)
		return 0;
	TRY(thread_start(&c->thread, "catalog", remote_main, c, err));
	c->runs = true;
	return 0;
}

int remote_look(struct catalog *c, const char *url, struct location *at,
    struct remote_copy *ret, struct err *err)
{
	struct stored stored = {.there = false};
	struct remote_file *f;
	int r = 0;

	mtx_lock(&c->mtx);
	f = find_locked(c, url);
	if (f == NULL && c->remote.n < REMOTE_MAX) {
		mtx_unlock(&c->mtx); /* for the disk */
		stored.there =
		    copies_load(c, url, &stored.file, &stored.read_at);
		mtx_lock(&c->mtx);
		f = find_locked(c, url);
	}
	if (f == NULL && c->remote.n < REMOTE_MAX) {
		f = add_locked(c, url, at, &stored);
		r = wake_locked(c, err);
	}
	if (f != NULL) {
		f->walk = c->walk;
		*ret = (struct remote_copy){.awaited = !f->tried,
		    .unavailable = f->unavailable,
		    .read_at = f->read_at,
		    .problem = mem_strdup_or_null(f->problem)};
		if (f->has_copy)
			copy_file(&f->copy, &ret->file);
	}
	mtx_unlock(&c->mtx);
	source_file_fini(&stored.file);
	if (f != NULL)
		return r;
	return err_set(err, ERR_LIMIT, "catalog_too_large",
	    "the catalog has more than %d files at GitHub", REMOTE_MAX);
}

/* -- fetching ---------------------------------------------------------- */

/* As a value, so that it is looked at without the lock. */
struct task {
	struct remote_file *file; /* only this thread frees it */
	char sha[GITHUB_SHA_MAX]; /* of the copy that we have; "": none */
};

static bool take_due(struct catalog *c, struct task *ret)
{
	int64_t now = clock_mono_ns();
	struct remote_file *found = NULL;

	mtx_lock(&c->mtx);
	for (size_t i = 0; i < c->remote.nbuckets && found == NULL; i++)
		for (struct map_node *n = c->remote.buckets[i];
		     n != NULL && found == NULL; n = n->next) {
			struct remote_file *f =
			    CONTAINER_OF(n, struct remote_file, node);

			if (f->due <= now)
				found = f;
		}
	*ret = (struct task){.file = found};
	if (found != NULL && found->has_copy)
		memcpy(ret->sha, found->copy.sha, sizeof(ret->sha));
	mtx_unlock(&c->mtx);
	return found != NULL;
}

static int64_t next_due_locked(const struct catalog *c)
{
	int64_t due = CLOCK_NO_DEADLINE;

	for (size_t i = 0; i < c->remote.nbuckets; i++)
		for (struct map_node *n = c->remote.buckets[i]; n != NULL;
		     n = n->next) {
			const struct remote_file *f =
			    CONTAINER_OF(n, struct remote_file, node);

			due = f->due < due ? f->due : due;
		}
	return due;
}

static void drop_copy_locked(struct catalog *c, struct remote_file *f)
{
	c->remote_bytes -= f->copy.text.len;
	source_file_fini(&f->copy);
	f->has_copy = false;
}

static void set_problem_locked(
    struct catalog *c, struct remote_file *f, const struct err *err)
{
	mem_free(f->problem);
	f->problem = mem_strdup(err->msg);
	f->unavailable =
	    err->kind == ERR_UNAVAILABLE || err->kind == ERR_TIMEOUT;
	f->tried = true;
	f->due = clock_deadline_ms(
	    c->refresh_ms < AGAIN_MS ? c->refresh_ms : AGAIN_MS);
	/* That it is not there is an answer; anything else is not. */
	if (err->kind == ERR_NOT_FOUND && f->has_copy)
		drop_copy_locked(c, f);
}

/* Takes what came. */
static void keep_locked(
    struct catalog *c, struct remote_file *f, struct source_file *came)
{
	mem_free(STEAL(f->problem));
	f->tried = true;
	f->unavailable = false;
	f->due = clock_deadline_ms(c->refresh_ms);
	f->read_at = clock_wall_ns();
	if (came->unchanged)
		return;
	if (f->has_copy)
		drop_copy_locked(c, f);
	c->remote_bytes += came->text.len;
	f->copy = *came;
	f->has_copy = true;
	*came = (struct source_file){0};
}

/* Others of a host that does not answer need not be tried just now. */
static void postpone_locked(
    struct catalog *c, const char *host, const struct err *err)
{
	int64_t now = clock_mono_ns();

	for (size_t i = 0; i < c->remote.nbuckets; i++)
		for (struct map_node *n = c->remote.buckets[i]; n != NULL;
		     n = n->next) {
			struct remote_file *f =
			    CONTAINER_OF(n, struct remote_file, node);

			if (f->due <= now && strcmp(f->at.host, host) == 0)
				set_problem_locked(c, f, err);
		}
}

/* The log has it once, until it can be read again (err NULL); those that are
 * put off for it are not told. */
static void tell(
    struct catalog *c, struct remote_file *f, const struct err *err)
{
	bool fails = err != NULL;

	if (fails && !f->told)
		log_warn(&c->ctx, "a file of the catalog cannot be read",
		    LOG_STR("file", f->url), LOG_ERR(err));
	else if (!fails && f->told)
		log_info(&c->ctx, "a file of the catalog can be read again",
		    LOG_STR("file", f->url));
	f->told = fails;
}

/* The disk follows; only this thread changes copies. */
static void store(
    struct catalog *c, const struct remote_file *f, bool came, bool changed)
{
	if (came && changed)
		copies_save(c, f->url, &f->copy);
	else if (came)
		copies_touch(c, f->url);
	else if (!f->has_copy)
		copies_drop(c, f->url);
}

static void fetch(
    struct catalog *c, const struct ctx *ctx, const struct task *t)
{
	CLEANUP(source_file_fini) struct source_file came = {0};
	struct ctx limited = ctx_with_timeout(ctx, FETCH_MS);
	struct remote_file *f = t->file;
	struct err err = ERR_INIT;
	bool changed;
	int r = source_file_read(c->sources, &limited, &f->at,
	    CATALOG_FILE_NAME, *t->sha != '\0' ? t->sha : NULL,
	    ENTITIES_BYTES_MAX + 1, &came, &err);

	if (r < 0 && err.kind == ERR_CANCELED)
		return;
	mtx_lock(&c->mtx);
	if (r == 0 && c->remote_bytes + came.text.len > BYTES_ALL_MAX)
		r = err_set(&err, ERR_LIMIT, "catalog_too_large",
		    "the catalog's files at GitHub have more than %zu bytes",
		    BYTES_ALL_MAX);
	changed = !came.unchanged;
	if (r == 0)
		keep_locked(c, f, &came);
	else
		set_problem_locked(c, f, &err);
	if (r < 0 && f->unavailable)
		postpone_locked(c, f->at.host, &err);
	mtx_unlock(&c->mtx);
	store(c, f, r == 0, changed);
	tell(c, f, r < 0 ? &err : NULL);
}

/* -- the thread -------------------------------------------------------- */

static bool is_stopping(struct catalog *c)
{
	bool stopping;

	mtx_lock(&c->mtx);
	stopping = c->stopping;
	mtx_unlock(&c->mtx);
	return stopping;
}

/* Meets every file that is still named; true: there are new ones. */
static bool walk_anew(struct catalog *c, bool *ret_whole)
{
	CLEANUP(catalog_view_fini) struct catalog_view view = {0};
	bool has_news;

	mtx_lock(&c->mtx);
	c->walk++;
	mtx_unlock(&c->mtx);
	catalog_walk(c, &view);
	*ret_whole = view.missing == 0;
	mtx_lock(&c->mtx);
	has_news = c->has_news;
	c->has_news = false;
	mtx_unlock(&c->mtx);
	return has_news;
}

static void sweep(struct catalog *c)
{
	mtx_lock(&c->mtx);
	for (size_t i = 0; i < c->remote.nbuckets; i++)
		for (struct map_node *n = c->remote.buckets[i], *next;
		     n != NULL; n = next) {
			struct remote_file *f =
			    CONTAINER_OF(n, struct remote_file, node);

			next = n->next;
			if (f->walk == c->walk)
				continue;
			map_remove(&c->remote, n);
			copies_drop(c, f->url);
			c->remote_bytes -= f->copy.text.len;
			free_file(f);
		}
	mtx_unlock(&c->mtx);
}

static bool is_named(struct catalog *c, const char *name)
{
	bool found = false;

	mtx_lock(&c->mtx);
	for (size_t i = 0; i < c->remote.nbuckets && !found; i++)
		for (struct map_node *n = c->remote.buckets[i];
		     n != NULL && !found; n = n->next)
			found = copies_is_name_of(name,
			    CONTAINER_OF(n, struct remote_file, node)->url);
	mtx_unlock(&c->mtx);
	return found;
}

/* All that is due, and what comes up meanwhile. */
static void refresh(struct catalog *c, const struct ctx *ctx)
{
	bool whole = false;
	struct task t;

	do {
		while (!is_stopping(c) && take_due(c, &t))
			fetch(c, ctx, &t);
	} while (!is_stopping(c) && walk_anew(c, &whole));
	if (is_stopping(c))
		return;
	sweep(c);
	if (!c->swept && whole) /* what an earlier hub knew */
		copies_sweep(c, is_named);
	c->swept |= whole;
}

static void *remote_main(void *arg)
{
	struct catalog *c = arg;
	struct ctx ctx = ctx_with_cancel(&c->ctx, &c->cancel);

	for (;;) {
		bool stopping;

		refresh(c, &ctx);
		mtx_lock(&c->mtx);
		while (
		    !c->stopping && !c->has_news &&
		    cond_wait_until(&c->changed, &c->mtx, next_due_locked(c)))
			;
		stopping = c->stopping;
		c->has_news = false;
		mtx_unlock(&c->mtx);
		if (stopping)
			return NULL;
	}
}

void remote_fini(struct catalog *c)
{
	bool runs;

	mtx_lock(&c->mtx);
	c->stopping = true;
	runs = c->runs;
	cond_broadcast(&c->changed);
	mtx_unlock(&c->mtx);
	if (c->cancel.fd >= 0)
		cancel_now(&c->cancel);
	if (runs)
		thread_join(c->thread);
	for (size_t i = 0; i < c->remote.nbuckets; i++)
		for (struct map_node *n = c->remote.buckets[i], *next;
		     n != NULL; n = next) {
			next = n->next;
			free_file(CONTAINER_OF(n, struct remote_file, node));
		}
	map_fini(&c->remote);
}
