/* Replies kept for a moment: see kept.h. Linear: few entries beside a round
 * trip over the network. */
#include "portal/kept.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

struct entry {
	char *key;
	struct buf body;
	int64_t until_ns;
};
struct kept {
	struct mtx mtx;
	struct entry v[KEPT_MAX]; /* guarded by mtx, as all below */
	size_t n, bytes;
};

struct kept *kept_new(void)
{
	struct kept *k = mem_zalloc(sizeof(*k));

	mtx_init(&k->mtx, "kept");
	return k;
}

static void remove_at(struct kept *k, size_t i)
{
	k->bytes -= k->v[i].body.len;
	mem_free(k->v[i].key);
	buf_fini(&k->v[i].body);
	k->v[i] = k->v[--k->n];
}

void kept_free(struct kept *k)
{
	if (k == NULL)
		return;
	while (k->n > 0)
		remove_at(k, k->n - 1);
	mtx_fini(&k->mtx);
	mem_free(k);
}

static struct entry *find_locked(struct kept *k, const char *key)
{
	mtx_assert_held(&k->mtx);
	for (size_t i = 0; i < k->n; i++)
		if (strcmp(k->v[i].key, key) == 0)
			return &k->v[i];
	return NULL;
}

bool kept_get(struct kept *k, const char *key, struct buf *out)
{
	struct entry *found;
	bool taken;

	mtx_lock(&k->mtx);
	found = find_locked(k, key);
	taken = found != NULL && found->until_ns > clock_mono_ns() &&
		buf_append(out, found->body.data, found->body.len) == 0;
	mtx_unlock(&k->mtx);
	return taken;
}

static void remove_first_to_end_locked(struct kept *k)
{
	size_t first = 0;

	for (size_t i = 1; i < k->n; i++)
		if (k->v[i].until_ns < k->v[first].until_ns)
			first = i;
	remove_at(k, first);
}

void kept_put(
    struct kept *k, const char *key, const struct buf *body, int64_t until_ns)
{
	struct entry *old, *made;

	mtx_lock(&k->mtx);
	old = find_locked(k, key);
	if (old != NULL)
		remove_at(k, (size_t)(old - k->v));
	if (body->len <= KEPT_ONE_MAX) {
		while (
		    k->n == KEPT_MAX || k->bytes + body->len > KEPT_BYTES_MAX)
			remove_first_to_end_locked(k);
		made = &k->v[k->n++];
		*made = (struct entry){
		    .key = mem_strdup(key), .until_ns = until_ns};
		buf_init(&made->body, KEPT_ONE_MAX);
		IGNORE(buf_append(&made->body, body->data, body->len) < 0);
		k->bytes += body->len;
	}
	mtx_unlock(&k->mtx);
}
