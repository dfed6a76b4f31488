/*
 * Counts of callers: see rate_limit.h. A table of fixed size, a few places for
 * each hash; a new caller takes the place whose window is the oldest. So memory
 * is bounded whatever comes, and who is pushed out only begins anew.
 */
#include "api/rate_limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/forwarded.h"

enum { SETS = 2048, WAYS = 8, READS_PER_WRITE = 100 };

struct window {
	uint64_t hash; /* of who; 0: free */
	int64_t began; /* mono ns */
	int64_t writes, reads;
};
struct rate_limits {
	int64_t writes_max, window_ns;
	struct mtx mtx;
	struct window table[SETS][WAYS]; /* guarded by mtx */
};

struct rate_limits *rate_limits_new(int64_t writes_max, int64_t window_ms)
{
	struct rate_limits *l;

	if (writes_max == 0)
		return NULL;
	l = mem_zalloc(sizeof(*l));
	l->writes_max = writes_max;
	l->window_ns = window_ms * CLOCK_NS_PER_MS;
	mtx_init(&l->mtx, "rate limits");
	return l;
}

void rate_limits_free(struct rate_limits *l)
{
	if (l == NULL)
		return;
	mtx_fini(&l->mtx);
	mem_free(l);
}

static struct window *find(struct rate_limits *l, uint64_t hash, int64_t now)
{
	struct window *set = l->table[hash % SETS], *oldest = set;

	mtx_assert_held(&l->mtx);
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].hash == hash) {
			oldest = &set[i];
			break;
		}
		if (set[i].began < oldest->began)
			oldest = &set[i];
	}
	if (oldest->hash != hash || now - oldest->began >= l->window_ns)
		*oldest = (struct window){.hash = hash, .began = now};
	return oldest;
}

bool rate_limits_take(struct rate_limits *l, const char *who, bool write,
    int64_t now, struct rate_state *ret)
{
	uint64_t hash = map_hash(who, strlen(who)) | 1;
	int64_t *count;
	struct window *w;
	bool may;

	ret->limit = write ? l->writes_max : l->writes_max * READS_PER_WRITE;
	mtx_lock(&l->mtx);
	w = find(l, hash, now);
	count = write ? &w->writes : &w->reads;
	may = *count < ret->limit;
	if (may)
		++*count;
	ret->left = ret->limit - *count;
	ret->reset_s = (w->began + l->window_ns - now + CLOCK_NS_PER_S - 1) /
		       CLOCK_NS_PER_S;
	mtx_unlock(&l->mtx);
	if (ret->reset_s < 1)
		ret->reset_s = 1;
	return may;
}

/* -- of requests ------------------------------------------------------- */

static void name_address(struct call *c, char *out, size_t size)
{
	const char *peer = http_peer(c->x);

	snprintf(
	    out, size, "address %.*s", (int)forwarded_host_len(peer), peer);
}

/* False: whoever asks is not counted. */
static bool name_caller(
    struct call *c, const char *subject, char *out, size_t size)
{
	switch (c->who.kind) {
	case PRINCIPAL_LOCAL:
	case PRINCIPAL_RUNNER:
	case PRINCIPAL_SESSION:
		return false;
	case PRINCIPAL_NOBODY:
	case PRINCIPAL_ENROLMENT:
		break;
	case PRINCIPAL_KEY:
	case PRINCIPAL_USER:
	case PRINCIPAL_PROGRAM:
		snprintf(out, size, "%d %s", (int)c->who.kind, c->who.id_text);
		return true;
	}
	if (subject != NULL)
		snprintf(out, size, "subject %s", subject);
	else
		name_address(c, out, size);
	return true;
}

static void put_header(struct call *c, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	http_reply_header(c->x, name, text);
}

int rate_check(
    struct call *c, const char *subject, int *ret_wait_s, struct err *err)
{
	const char *method = http_method(c->x);
	bool write = strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
	struct rate_state state;
	char who[320];
	bool may;

	if (c->api->rates == NULL || api_is_open(c->api) ||
	    !name_caller(c, subject, who, sizeof(who)))
		return 0;
	may = rate_limits_take(
	    c->api->rates, who, write, clock_mono_ns(), &state);
	put_header(c, "X-RateLimit-Limit", state.limit);
	put_header(c, "X-RateLimit-Remaining", state.left);
	put_header(c, "X-RateLimit-Reset",
	    clock_wall_ns() / CLOCK_NS_PER_S + state.reset_s);
	if (may)
		return 0;
	*ret_wait_s = (int)state.reset_s;
	return err_set(err, ERR_LIMIT, "rate_limited",
	    "Too many %s: %" PRId64
	    " are allowed in a window (API_RATE_LIMIT); "
	    "try again in %d s",
	    write ? "changes" : "requests", state.limit, *ret_wait_s);
}
