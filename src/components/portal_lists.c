/* Lists of the portal's catalog by identity: see portal_lists.h. Handler
 * threads. */
#include "components/portal_lists.h"

#include <sodium.h>
#include <string.h>

#include "base/mem.h"

enum { KEY = 32 };

struct kept {
	unsigned char key[KEY]; /* of the token */
	bool used, asking;
	uint64_t last;            /* when it was asked for, in calls */
	uint64_t flights;         /* answers so far */
	int64_t until;            /* mono */
	struct portal_list *list; /* or NULL */
	struct err failed;        /* the last answer, when list is NULL */
};

struct portal_lists {
	struct mtx mtx;
	struct cond answered;
	/* guarded by mtx, and refs of all lists */
	uint64_t calls;
	size_t entities;
	struct kept v[PORTAL_LISTS];
};

struct portal_lists *portal_lists_new(void)
{
	struct portal_lists *lists = mem_zalloc(sizeof(*lists));

	mtx_init(&lists->mtx, "portal_lists");
	cond_init(&lists->answered);
	return lists;
}

static void put_locked(struct portal_list *list)
{
	if (list == NULL || --list->refs > 0)
		return;
	entity_list_fini(&list->entities);
	mem_free(list);
}

static void drop_locked(struct portal_lists *lists, struct kept *k)
{
	if (k->list != NULL)
		lists->entities -= k->list->entities.n;
	put_locked(k->list);
	k->list = NULL;
}

void portal_lists_free(struct portal_lists *lists)
{
	if (lists == NULL)
		return;
	for (size_t i = 0; i < PORTAL_LISTS; i++)
		drop_locked(lists, &lists->v[i]);
	cond_fini(&lists->answered);
	mtx_fini(&lists->mtx);
	mem_free(lists);
}

void portal_list_put(struct components *c, struct portal_list *list)
{
	mtx_lock(&c->portal_lists->mtx);
	put_locked(list);
	mtx_unlock(&c->portal_lists->mtx);
}

/* -- whose it is ------------------------------------------------------- */

static void key_of(const struct component_caller *by, unsigned char out[KEY])
{
	const char *token = by->portal_token != NULL ? by->portal_token : "";

	crypto_generichash(
	    out, KEY, (const unsigned char *)token, strlen(token), NULL, 0);
}

/* The one of this key, or the one asked for longest ago, emptied; NULL: all
 * wait for their answers. */
static struct kept *find_locked(
    struct portal_lists *lists, const unsigned char key[KEY])
{
	struct kept *oldest = NULL;

	for (size_t i = 0; i < PORTAL_LISTS; i++) {
		struct kept *k = &lists->v[i];

		if (k->used && sodium_memcmp(k->key, key, KEY) == 0)
			return k;
		if (!k->asking && (oldest == NULL || k->last < oldest->last))
			oldest = k;
	}
	if (oldest == NULL)
		return NULL;
	drop_locked(lists, oldest);
	*oldest = (struct kept){.used = true, .flights = oldest->flights};
	memcpy(oldest->key, key, KEY);
	return oldest;
}

static bool is_fresh(const struct kept *k)
{
	return k->list != NULL && clock_mono_ns() < k->until;
}

/* -- asking ------------------------------------------------------------ */

/* Those that nobody needs any more go, then the oldest. */
static void keep_bound_locked(
    struct portal_lists *lists, const struct kept *but)
{
	while (lists->entities > PORTAL_LISTS_ENTITIES) {
		struct kept *oldest = NULL;

		for (size_t i = 0; i < PORTAL_LISTS; i++) {
			struct kept *k = &lists->v[i];

			if (k != but && k->list != NULL &&
			    (oldest == NULL || k->last < oldest->last))
				oldest = k;
		}
		if (oldest == NULL)
			return;
		drop_locked(lists, oldest);
	}
}

/* Without the lock while the portal is asked. */
static void ask_locked(
    struct components *c, struct kept *k, const struct component_caller *by)
{
	struct portal_lists *lists = c->portal_lists;
	struct portal_list *came = mem_zalloc(sizeof(*came));
	struct err err = ERR_INIT;
	int r;

	k->asking = true;
	mtx_unlock(&lists->mtx);
	r = portal_catalog_list(c, by, &came->entities, &err);
	mtx_lock(&lists->mtx);
	k->asking = false;
	k->flights++;
	drop_locked(lists, k);
	k->failed = err;
	if (r == 0) {
		came->refs = 1;
		k->list = came;
		k->until = clock_deadline_ms(PORTAL_LIST_MS);
		lists->entities += came->entities.n;
		keep_bound_locked(lists, k);
	} else {
		mem_free(came);
	}
	cond_broadcast(&lists->answered);
}

/* The answer that comes next, whoever asked for it: the portal's deadline
 * bounds that. False: the place has become somebody else's. */
static bool await_locked(
    struct portal_lists *lists, struct kept *k, const unsigned char key[KEY])
{
	uint64_t flight = k->flights;

	while (k->flights == flight)
		cond_wait(&lists->answered, &lists->mtx);
	return memcmp(k->key, key, KEY) == 0;
}

struct portal_list *portal_list_get(
    struct components *c, const struct component_caller *by, struct err *err)
{
	struct portal_lists *lists = c->portal_lists;
	struct portal_list *list = NULL;
	unsigned char key[KEY];
	struct kept *k;

	key_of(by, key);
	mtx_lock(&lists->mtx);
	while ((k = find_locked(lists, key)) == NULL)
		cond_wait(&lists->answered, &lists->mtx);
	k->last = ++lists->calls;
	if (k->asking) {
		bool same;

		if (portal_catalog_wait_begin(c, err) < 0) {
			mtx_unlock(&lists->mtx);
			return NULL;
		}
		same = await_locked(lists, k, key);
		portal_catalog_wait_end(c);
		if (!same) {
			mtx_unlock(&lists->mtx);
			return portal_list_get(c, by, err);
		}
	} else if (!is_fresh(k)) {
		ask_locked(c, k, by);
	}
	list = k->list;
	if (list != NULL)
		list->refs++;
	else
		*err = k->failed;
	mtx_unlock(&lists->mtx);
	return list;
}
