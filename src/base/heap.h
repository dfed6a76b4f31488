/*
 * An intrusive binary heap: the node stands inside the caller's struct.
 * before(a, b): a leaves first. Not thread safe.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

struct heap_node {
	size_t pos;
};

struct heap {
	bool (*before)(const struct heap_node *a, const struct heap_node *b);
	struct heap_node **nodes;
	size_t n, cap;
};

void heap_init(struct heap *h,
    bool (*before)(const struct heap_node *a, const struct heap_node *b));
void heap_fini(struct heap *h); /* not the nodes */
void heap_push(struct heap *h, struct heap_node *node);
struct heap_node *heap_top(const struct heap *h); /* NULL: empty */
void heap_remove(struct heap *h, struct heap_node *node);

#endif
