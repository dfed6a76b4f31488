/* Handles with open connections: see pool.h. Any thread. */
#include "web/pool.h"

#include "base/clock.h"
#include "base/thread.h"

struct idle {
	CURLM *m;
	int64_t since; /* mono */
};

static struct mtx mtx;
/* guarded by mtx; the one that came last stands last */
static struct idle idle[POOL_HANDLES];
static size_t n;

void web_pool_init(void)
{
	mtx_init(&mtx, "web_pool");
}

/* Takes those out that waited too long: into ret, for closing without the
 * lock. */
static size_t take_old_locked(CURLM *ret[POOL_HANDLES])
{
	int64_t now = clock_mono_ns();
	size_t old = 0;

	while (old < n && now - idle[old].since > POOL_IDLE_S * CLOCK_NS_PER_S)
		old++;
	for (size_t i = 0; i < old; i++)
		ret[i] = idle[i].m;
	for (size_t i = old; i < n; i++)
		idle[i - old] = idle[i];
	n -= old;
	return old;
}

static void close_all(CURLM *const all[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		web_curl.multi_cleanup(all[i]);
}

CURLM *web_pool_take(void)
{
	CURLM *old[POOL_HANDLES], *m = NULL;
	size_t nold;

	mtx_lock(&mtx);
	nold = take_old_locked(old);
	if (n > 0)
		m = idle[--n].m;
	mtx_unlock(&mtx);
	close_all(old, nold);
	if (m != NULL)
		return m;
	m = web_curl.multi_init();
	ASSERT(m != NULL);
	web_curl.multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)POOL_CONNECTIONS);
	return m;
}

void web_pool_put(CURLM *m)
{
	CURLM *old[POOL_HANDLES];
	size_t nold;
	bool room;

	mtx_lock(&mtx);
	nold = take_old_locked(old);
	room = n < POOL_HANDLES;
	if (room)
		idle[n++] = (struct idle){m, clock_mono_ns()};
	mtx_unlock(&mtx);
	close_all(old, nold);
	if (!room)
		web_curl.multi_cleanup(m);
}
