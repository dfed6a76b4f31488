/* The intrusive binary heap: see heap.h. */
#include "base/heap.h"

#include "base/defs.h"
#include "base/mem.h"

void heap_init(struct heap *h,
    bool (*before)(const struct heap_node *a, const struct heap_node *b))
{
	*h = (struct heap){.before = before};
}

void heap_fini(struct heap *h)
{
	mem_free(h->nodes);
	*h = (struct heap){.before = h->before};
}

static void place(struct heap *h, struct heap_node *node, size_t pos)
{
	h->nodes[pos] = node;
	node->pos = pos;
}

static void rise(struct heap *h, struct heap_node *node, size_t pos)
{
	while (pos > 0 && h->before(node, h->nodes[(pos - 1) / 2])) {
		place(h, h->nodes[(pos - 1) / 2], pos);
		pos = (pos - 1) / 2;
	}
	place(h, node, pos);
}

static void sink(struct heap *h, struct heap_node *node, size_t pos)
{
	size_t child;

	while ((child = 2 * pos + 1) < h->n) {
		if (child + 1 < h->n &&
		    h->before(h->nodes[child + 1], h->nodes[child]))
			child++;
		if (!h->before(h->nodes[child], node))
			break;
		place(h, h->nodes[child], pos);
		pos = child;
	}
	place(h, node, pos);
}

void heap_push(struct heap *h, struct heap_node *node)
{
	if (h->n == h->cap) {
		h->cap = h->cap > 0 ? h->cap * 2 : 8;
		h->nodes = mem_realloc(h->nodes, h->cap * sizeof(*h->nodes));
	}
	h->n++;
	rise(h, node, h->n - 1);
}

struct heap_node *heap_top(const struct heap *h)
{
	return h->n > 0 ? h->nodes[0] : NULL;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
	struct heap_node *last;
	size_t pos = node->pos;

	ASSERT(pos < h->n && h->nodes[pos] == node);
	last = h->nodes[--h->n];
	if (last == node)
		return;
	if (h->before(last, node))
		rise(h, last, pos);
	else
		sink(h, last, pos);
}
