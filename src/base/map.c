/* The intrusive hash map: see map.h. */
#include "base/map.h"

#include "base/defs.h"
#include "base/mem.h"

enum { FIRST_BUCKETS = 64 };

void map_fini(struct map *m)
{
	mem_free(m->buckets);
	*m = (struct map){0};
}

/* FNV-1a: keys are ids and names that have passed validation. */
uint64_t map_hash(const void *key, size_t len)
{
	const unsigned char *p = key;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

static void grow(struct map *m)
{
	size_t n = m->nbuckets > 0 ? m->nbuckets * 2 : FIRST_BUCKETS;
	struct map_node **to = mem_calloc(n, sizeof(*to));
	struct map_node *node, *next;

	for (size_t i = 0; i < m->nbuckets; i++)
		for (node = m->buckets[i]; node != NULL; node = next) {
			next = node->next;
			node->next = to[node->hash & (n - 1)];
			to[node->hash & (n - 1)] = node;
		}
	mem_free(m->buckets);
	m->buckets = to;
	m->nbuckets = n;
}

void map_insert(struct map *m, struct map_node *node, uint64_t hash)
{
	struct map_node **at;

	if (m->n >= m->nbuckets)
		grow(m);
	at = &m->buckets[hash & (m->nbuckets - 1)];
	node->hash = hash;
	node->next = *at;
	*at = node;
	m->n++;
}

struct map_node *map_find(const struct map *m, uint64_t hash,
    bool (*eq)(const struct map_node *node, const void *key), const void *key)
{
	struct map_node *node;

	if (m->nbuckets == 0)
		return NULL;
	node = m->buckets[hash & (m->nbuckets - 1)];
	while (node != NULL && (node->hash != hash || !eq(node, key)))
		node = node->next;
	return node;
}

void map_remove(struct map *m, struct map_node *node)
{
	struct map_node **at = &m->buckets[node->hash & (m->nbuckets - 1)];

	while (*at != node) {
		ASSERT(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	m->n--;
}
