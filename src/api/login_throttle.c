/*
 * Bounds what guessing passwords may cost and gain: see auth.h. Counts are
 * kept for a name and for an address each, in a table of fixed size; who
 * collides shares a count, which only makes it stricter. Handler threads.
 */
#include <ctype.h>
#include <string.h>

#include "api/auth.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/forwarded.h"

enum {
	AT_ONCE = 2,  /* 64 MiB each */
	SLOTS = 4096, /* of each table */
	WINDOW_S = 900,
	/* Wrong ones in a window, then one more each part of it. Many for a
	 * name: else anybody could lock anybody out. */
	FROM_ADDRESS_MAX = 10,
	FOR_NAME_MAX = 100,
};

struct slot {
	double wrong; /* leaks away over the window */
	int64_t at;   /* mono: when that was */
};
struct login_throttle {
	struct mtx mtx;
	/* guarded by mtx */
	int busy;
	struct slot names[SLOTS], addresses[SLOTS];
};

struct login_throttle *login_throttle_new(void)
{
	struct login_throttle *t = mem_zalloc(sizeof(*t));

	mtx_init(&t->mtx, "logins");
	return t;
}

void login_throttle_free(struct login_throttle *t)
{
	mtx_fini(&t->mtx);
	mem_free(t);
}

/* FNV-1a: a collision is no harm. Case does not count; an address without
 * its port. */
static struct slot *slot_of(struct slot *table, const char *text, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint32_t)tolower((unsigned char)text[i])) * 16777619u;
	return &table[h % SLOTS];
}

/* Seconds until one more may be tried; 0: now. */
static int wait_of(struct slot *s, int max, int64_t now)
{
	double gone = (double)(now - s->at) / 1e9 * max / WINDOW_S;

	s->wrong = s->wrong > gone ? s->wrong - gone : 0;
	s->at = now;
	if (s->wrong <= max - 1)
		return 0;
	return 1 + (int)((s->wrong - (max - 1)) * WINDOW_S / max);
}

int login_throttle_enter(struct login_throttle *t, const char *name,
    const char *address, int *ret_wait_s, struct err *err)
{
	int64_t now = clock_mono_ns();
	int a, b;
	bool busy;

	mtx_lock(&t->mtx);
	a = wait_of(slot_of(t->names, name, strlen(name)), FOR_NAME_MAX, now);
	b = wait_of(slot_of(t->addresses, address, forwarded_host_len(address)),
	    FROM_ADDRESS_MAX, now);
	busy = t->busy >= AT_ONCE;
	*ret_wait_s = a > b ? a : b;
	if (!busy && *ret_wait_s == 0)
		t->busy++;
	mtx_unlock(&t->mtx);
	if (*ret_wait_s > 0)
		return err_set(err, ERR_LIMIT, "too_many_logins",
		    "Too many wrong passwords for this name or from this "
		    "address: try again in %d s",
		    *ret_wait_s);
	if (!busy)
		return 0;
	*ret_wait_s = 1;
	return err_set(err, ERR_LIMIT, "too_many_logins",
	    "Too many people log in at this moment: try again in a second");
}

void login_throttle_leave(
    struct login_throttle *t, const char *name, const char *address, bool right)
{
	mtx_lock(&t->mtx);
	t->busy--;
	if (!right) {
		slot_of(t->names, name, strlen(name))->wrong += 1;
		slot_of(t->addresses, address, forwarded_host_len(address))
		    ->wrong += 1;
	}
	mtx_unlock(&t->mtx);
}
