/*
 * How many requests one caller may make in a window of time: writes as
 * http.rateLimit says, reads a hundred times as many; a stream counts once.
 * Callers are principals, or addresses where nobody said who they are. Runners
 * and sessions are not counted, nor is anybody in open mode. Handler threads.
 */
#ifndef API_RATE_LIMIT_H
#define API_RATE_LIMIT_H

#include "api/api_internal.h"

struct rate_limits;
/* NULL when writes_max is 0: no limit. */
struct rate_limits *rate_limits_new(int64_t writes_max, int64_t window_ms);
void rate_limits_free(struct rate_limits *l);

struct rate_state {
	int64_t limit, left;
	int64_t reset_s; /* seconds until the window ends, at least 1 */
};
/* Counts one more of `who` at that moment (mono ns); false: it is too many. */
bool rate_limits_take(struct rate_limits *l, const char *who, bool write,
    int64_t now, struct rate_state *ret);

/*
 * Counts this request, of c->who, or of `subject` where that is no principal,
 * or of its address; adds X-RateLimit-Limit, -Remaining and -Reset (wall
 * seconds). ERR_LIMIT "rate_limited"; *ret_wait_s: when to come again.
 */
int rate_check(struct call *c, const char *subject, int *ret_wait_s,
    struct err *err) MUST_CHECK;

#endif
