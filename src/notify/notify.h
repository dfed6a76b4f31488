/*
 * Webhooks: the hub tells others of events by HTTP. What happens is read from
 * the history of jobs and from notices (store/notices.h), queued in the store
 * for each webhook that wants it, and delivered at least once, by a thread of
 * its own for each: a slow one delays neither another nor the hub. A crash
 * loses nothing and repeats at most the delivery that was under way, with the
 * same id. docs/OPERATIONS.md tells what is sent.
 *
 * Without webhooks there is no thread and no work.
 */
#ifndef NOTIFY_NOTIFY_H
#define NOTIFY_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"
#include "store/store.h"

struct notify;

struct notify_config {
	struct store *store;
	const char *hub_id;
	const char *allow;    /* csv of networks, or NULL */
	const char *jobs[2];  /* the networks of jobs */
	int64_t timeout_ms;   /* of one request */
	int64_t retry_ms;     /* before the second attempt */
	int64_t retry_for_ms; /* a delivery older than this is given up */
	int64_t queue_max;    /* waiting, of one webhook */
};

/* Strings of the configuration are borrowed. Starts what is needed. */
int notify_open(struct notify **ret, const struct notify_config *config,
    struct err *err) MUST_CHECK;
/* Ends what is under way. */
void notify_stop(struct notify *n);
void notify_close(struct notify *n); /* NULL is fine */

/* Something happened: a bus follower's wake. Any thread, never blocks. */
void notify_wake(void *notify);
/* A webhook was added, changed or deleted. Blocks until a deleted one's thread
 * has ended. */
int notify_reload(struct notify *n, struct err *err) MUST_CHECK;

/* "job.*,runner.offline": patterns that match something? */
int notify_events_check(const char *csv, struct err *err) MUST_CHECK;
/* http(s), an authority, no blanks; a literal address that may be connected
 * to. ret_origin: of 256 bytes. */
int notify_url_check(struct notify *n, const char *url, char *ret_origin,
    size_t size, struct err *err) MUST_CHECK;
bool notify_format_is_known(const char *format);
enum { NOTIFY_SECRET_LEN = 65 };
/* A new one, 64 hex digits. */
void notify_secret_make(char ret[NOTIFY_SECRET_LEN]);

/* What one attempt came to. */
struct notify_sent {
	bool delivered;
	bool is_final;  /* not delivered, and trying again is of no use */
	int status;     /* of the answer, 0: none */
	int64_t wait_s; /* that the answer asks for, 0: none */
	int64_t ns;     /* it took */
	char error[240];
};
/* Sends a test now and notes it among the deliveries. Blocks for at most the
 * request's timeout. ERR_NOT_FOUND. */
int notify_test(struct notify *n, struct uuid id, char ret_id[UUID_TEXT_LEN],
    struct notify_sent *ret, struct err *err) MUST_CHECK;

/* How it stands with one. */
struct notify_state {
	const char *circuit; /* "closed", "open", "half-open" */
	int failures;        /* one after another */
	int64_t open_until;  /* wall ns, 0: it is not open */
	char error[240];     /* of the last failure, "" none */
};
void notify_state(struct notify *n, struct uuid id, struct notify_state *ret);

/* Since the start. */
struct notify_stats {
	uint64_t delivered, failed, retried, dropped;
	uint64_t webhooks, open; /* now: all, those whose circuit is not
				    closed */
	int64_t waiting;         /* now, of all */
};
void notify_stats(struct notify *n, struct notify_stats *ret);

#endif
