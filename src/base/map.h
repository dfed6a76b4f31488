/*
 * An intrusive hash map: the node stands inside the caller's struct, the
 * caller owns the memory and the keys. Grows by doubling. Not thread safe.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_node {
	struct map_node *next;
	uint64_t hash;
};

struct map {
	struct map_node **buckets;
	size_t nbuckets, n;
};

void map_fini(struct map *m); /* frees the buckets, not the nodes */
uint64_t map_hash(const void *key, size_t len);
void map_insert(struct map *m, struct map_node *node, uint64_t hash);
/* eq(node, key): is it this key? */
struct map_node *map_find(const struct map *m, uint64_t hash,
    bool (*eq)(const struct map_node *node, const void *key), const void *key);
void map_remove(struct map *m, struct map_node *node);

/* The struct around a member. */
#define CONTAINER_OF(ptr, type, member)                                        \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
