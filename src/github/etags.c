/* A small cache of conditional replies: see etags.h. Linear: 128 entries
 * beside a round trip over the network. */
#include "github/etags.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/thread.h"

struct etag {
	char *key, *tag;
	struct buf body;
	unsigned long used;
};
struct etags {
	struct mtx mtx;
	struct etag v[ETAGS_MAX]; /* guarded by mtx, as all below */
	size_t n, bytes;
	unsigned long now;
};

struct etags *etags_new(void)
{
	struct etags *e = mem_zalloc(sizeof(*e));

	mtx_init(&e->mtx, "etags");
	return e;
}

static void remove_at(struct etags *e, size_t i)
{
	e->bytes -= e->v[i].body.len;
	mem_free(e->v[i].key);
	mem_free(e->v[i].tag);
	buf_fini(&e->v[i].body);
	e->v[i] = e->v[--e->n];
}

void etags_free(struct etags *e)
{
	if (e == NULL)
		return;
	while (e->n > 0)
		remove_at(e, e->n - 1);
	mtx_fini(&e->mtx);
	mem_free(e);
}

static struct etag *find_locked(struct etags *e, const char *key)
{
	mtx_assert_held(&e->mtx);
	for (size_t i = 0; i < e->n; i++)
		if (strcmp(e->v[i].key, key) == 0)
			return &e->v[i];
	return NULL;
}

bool etags_get(struct etags *e, const char *key, char *ret_tag, size_t size)
{
	struct etag *found;
	bool fits;

	mtx_lock(&e->mtx);
	found = find_locked(e, key);
	fits = found != NULL && strlen(found->tag) < size;
	if (fits)
		snprintf(ret_tag, size, "%s", found->tag);
	mtx_unlock(&e->mtx);
	return fits;
}

bool etags_body(
    struct etags *e, const char *key, const char *tag, struct buf *out)
{
	struct etag *found;
	bool taken;

	mtx_lock(&e->mtx);
	found = find_locked(e, key);
	taken = found != NULL && strcmp(found->tag, tag) == 0 &&
		buf_append(out, found->body.data, found->body.len) == 0;
	if (taken)
		found->used = ++e->now;
	mtx_unlock(&e->mtx);
	return taken;
}

static void remove_oldest_locked(struct etags *e)
{
	size_t oldest = 0;

	for (size_t i = 1; i < e->n; i++)
		if (e->v[i].used < e->v[oldest].used)
			oldest = i;
	remove_at(e, oldest);
}

void etags_put(
    struct etags *e, const char *key, const char *tag, const struct buf *body)
{
	struct etag *old, *made;

	mtx_lock(&e->mtx);
	old = find_locked(e, key);
	if (old != NULL)
		remove_at(e, (size_t)(old - e->v));
	if (body->len <= ETAG_BODY_MAX) {
		while (
		    e->n == ETAGS_MAX || e->bytes + body->len > ETAGS_BYTES_MAX)
			remove_oldest_locked(e);
		made = &e->v[e->n++];
		*made = (struct etag){.key = mem_strdup(key),
		    .tag = mem_strdup(tag),
		    .used = ++e->now};
		buf_init(&made->body, ETAG_BODY_MAX);
		IGNORE(buf_append(&made->body, body->data, body->len) < 0);
		e->bytes += body->len;
	}
	mtx_unlock(&e->mtx);
}
