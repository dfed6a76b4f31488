/*
 * The address allocator: see addrpool.h. One bit for each address and a
 * position that goes round: `take` looks from there on, so a freed address
 * waits for a whole round. Called by the sandbox layer on any thread; owns
 * the bits.
 */
#include "sandbox/addrpool.h"

#include "base/mem.h"
#include "base/thread.h"

#define WORD_BITS 64u

struct addrpool {
	uint32_t first, count;
	size_t nwords;
	struct mtx mtx;
	uint64_t *used; /* guarded by mtx; bits past `count` are set */
	uint32_t next;  /* guarded by mtx; where the next search begins */
	uint32_t taken; /* guarded by mtx */
};

static uint64_t bit_of(uint32_t i)
{
	return UINT64_C(1) << (i % WORD_BITS);
}

int addrpool_new(
    struct addrpool **ret, uint32_t first, uint32_t count, struct err *err)
{
	struct addrpool *p;

	if (count == 0 || count > ADDRPOOL_MAX ||
	    first > UINT32_MAX - (count - 1))
		return err_set(err, ERR_INVALID, NULL,
		    "%u is no possible number of addresses from %u.%u.%u.%u on",
		    count, first >> 24, first >> 16 & 255, first >> 8 & 255,
		    first & 255);
	p = mem_zalloc(sizeof(*p));
	p->first = first;
	p->count = count;
	p->nwords = (count + WORD_BITS - 1) / WORD_BITS;
	p->used = mem_calloc(p->nwords, sizeof(*p->used));
	if (count % WORD_BITS != 0)
		p->used[p->nwords - 1] = UINT64_MAX << (count % WORD_BITS);
	mtx_init(&p->mtx, "addrpool");
	*ret = p;
	return 0;
}

void addrpool_free(struct addrpool *p)
{
	if (p == NULL)
		return;
	mtx_fini(&p->mtx);
	mem_free(p->used);
	mem_free(p);
}

/* The first free one at or after p->next, going round; one is free. */
static uint32_t find_free_locked(const struct addrpool *p)
{
	size_t w = p->next / WORD_BITS;
	/* Free ones of this word, less those before the position; they are
	 * looked at again after the whole round. */
	uint64_t unused = ~p->used[w] & (UINT64_MAX << (p->next % WORD_BITS));

	while (unused == 0) {
		w = w + 1 < p->nwords ? w + 1 : 0;
		unused = ~p->used[w];
	}
	return (uint32_t)(w * WORD_BITS) + (uint32_t)__builtin_ctzll(unused);
}

int addrpool_take(struct addrpool *p, uint32_t *ret, struct err *err)
{
	bool full;
	uint32_t i;

	mtx_lock(&p->mtx);
	full = p->taken == p->count;
	if (!full) {
		i = find_free_locked(p);
		p->used[i / WORD_BITS] |= bit_of(i);
		p->next = i + 1 < p->count ? i + 1 : 0;
		p->taken++;
		*ret = p->first + i;
	}
	mtx_unlock(&p->mtx);
	if (full)
		return err_set(err, ERR_LIMIT, "no_free_address",
		    "all %u addresses of the sandboxes' network are in use",
		    p->count);
	return 0;
}

bool addrpool_reserve(struct addrpool *p, uint32_t address)
{
	uint32_t i = address - p->first; /* below first: huge */
	bool was_free;

	if (i >= p->count)
		return false;
	mtx_lock(&p->mtx);
	was_free = (p->used[i / WORD_BITS] & bit_of(i)) == 0;
	if (was_free) {
		p->used[i / WORD_BITS] |= bit_of(i);
		p->taken++;
	}
	mtx_unlock(&p->mtx);
	return was_free;
}

void addrpool_give(struct addrpool *p, uint32_t address)
{
	uint32_t i = address - p->first;

	if (i >= p->count)
		return;
	mtx_lock(&p->mtx);
	if ((p->used[i / WORD_BITS] & bit_of(i)) != 0) {
		p->used[i / WORD_BITS] &= ~bit_of(i);
		p->taken--;
	}
	mtx_unlock(&p->mtx);
}

uint32_t addrpool_used(struct addrpool *p)
{
	uint32_t taken;

	mtx_lock(&p->mtx);
	taken = p->taken;
	mtx_unlock(&p->mtx);
	return taken;
}
