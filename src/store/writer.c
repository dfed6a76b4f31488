/*
 * ~ The writer thread: every change to the database passes here. It takes
 * whatever waits (bounded), runs all of it in one transaction, commits with
 * one fsync and only then answers each; while the disk syncs, the next batch
 * collects. A write that fails does not touch its neighbours: the batch is
 * rolled back and run again with a savepoint around each write. (The first
 * run goes without, since a savepoint copies every page that it touches.)
 *
 * Owns the writing connection and the queue.
 */
#include <stdio.h>

#include "base/fault.h"
#include "store/audit_chain.h"
#include "store/store_internal.h"

#define BATCH_MAX       512
#define BATCH_BYTES_MAX (8u * 1024 * 1024)
#define QUEUE_BYTES_MAX (64u * 1024 * 1024)

struct batch {
	struct write *head;
	size_t n;
};

/* -- the queue --------------------------------------------------------- */

static void enqueue_locked(struct queue *q, struct write *w)
{
	mtx_assert_held(&q->mtx);
	ASSERT(!q->stop);
	w->next = NULL;
	*q->tail = w;
	q->tail = &w->next;
	q->n++;
	q->size_bytes += w->size_bytes;
	if (q->n == 1)
		cond_signal(&q->more);
}

int writer_submit(struct store *s, struct write *w, struct err *err)
{
	struct queue *q = &s->queue;
	size_t n;

	mtx_lock(&q->mtx);
	n = q->n;
	if (n < s->queue_max && q->size_bytes < QUEUE_BYTES_MAX) {
		enqueue_locked(q, w);
		mtx_unlock(&q->mtx);
		return 0;
	}
	mtx_unlock(&q->mtx);
	return err_set(err, ERR_UNAVAILABLE, "store_busy",
	    "%zu writes wait for the disk already: try again later", n);
}

void writer_add(struct store *s, struct write *w)
{
	mtx_lock(&s->queue.mtx);
	enqueue_locked(&s->queue, w);
	mtx_unlock(&s->queue.mtx);
}

/* Takes from the front until the batch is full. */
static void take_locked(struct queue *q, struct batch *ret)
{
	struct write **end = &q->head;
	size_t size_bytes = 0;

	ret->head = q->head;
	ret->n = 0;
	while (*end != NULL && ret->n < BATCH_MAX &&
	       size_bytes < BATCH_BYTES_MAX) {
		size_bytes += (*end)->size_bytes;
		ret->n++;
		end = &(*end)->next;
	}
	q->head = *end;
	*end = NULL;
	if (q->head == NULL)
		q->tail = &q->head;
	q->n -= ret->n;
	q->size_bytes -= size_bytes;
}

/* Waits for work; false when stopping and all is done. */
static bool next_batch(struct queue *q, struct batch *ret)
{
	mtx_lock(&q->mtx);
	while (q->head == NULL && !q->stop)
		cond_wait(&q->more, &q->mtx);
	take_locked(q, ret);
	mtx_unlock(&q->mtx);
	return ret->n > 0;
}

/* -- one batch --------------------------------------------------------- */

static bool is_refusal(const struct err *err)
{
	return err->kind == ERR_CONFLICT || err->kind == ERR_NOT_FOUND ||
	       err->kind == ERR_INVALID;
}

/* What would have been told of a run that is undone. */
static void drop_tidings(struct write *w)
{
	w->has_event = false;
	notice_free(w->notice);
	w->notice = NULL;
}

/* 0 also when the write was refused: that concerns only its caller. */
static int run_write(struct tx *tx, struct write *w)
{
	err_clear(&w->err);
	drop_tidings(w);
	if (w->run(tx, w, &w->err) == 0 || is_refusal(&w->err))
		return 0;
	return -1;
}

static int savepoint(struct db *db, const char *sql, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, sql, &st, err));
	return db_run(st, err);
}

/* -1 when the whole transaction is lost; a failed write keeps its err. */
static int run_write_apart(struct tx *tx, struct write *w, struct err *err)
{
	static const char begin[] = "SAVEPOINT piece";
	static const char undo[] = "ROLLBACK TO SAVEPOINT piece";
	static const char end[] = "RELEASE SAVEPOINT piece";
	struct counters before = tx->counters;
	struct audit_head audit = tx->audit;

	TRY(savepoint(tx->db, begin, err));
	if (run_write(tx, w) == 0)
		return savepoint(tx->db, end, err);
	if (!db_in_transaction(tx->db)) {
		*err = w->err; /* a full disk undoes everything at once */
		return -1;
	}
	drop_tidings(w);
	tx->counters = before;
	tx->audit = audit;
	TRY(savepoint(tx->db, undo, err));
	return savepoint(tx->db, end, err);
}

/* Runs all; sets *ret_retry when one failed and the others might not. */
static int run_writes(struct tx *tx, const struct batch *b, bool apart,
    bool *ret_retry, struct err *err)
{
	for (struct write *w = b->head; w != NULL; w = w->next) {
		if (apart) {
			TRY(run_write_apart(tx, w, err));
		} else if (run_write(tx, w) < 0) {
			*ret_retry = true;
			*err = w->err;
			return -1;
		}
	}
	return 0;
}

/* Once per batch, however many rows it adds. */
static int save_audit(struct store *s, const struct tx *tx, struct err *err)
{
	if (tx->audit.seq == s->queue.audit.seq)
		return 0;
	return audit_place_save(s, s->db, AUDIT_HEAD, &tx->audit, err);
}

static int commit_batch(struct store *s, const struct batch *b, bool apart,
    bool *ret_retry, struct err *err)
{
	struct tx tx = {.store = s, .db = s->db};
	struct queue *q = &s->queue;

	tx.counters = q->counters; /* changed by this thread alone */
	tx.audit = q->audit;
	TRY(db_begin(s->db, err));
	if (run_writes(&tx, b, apart, ret_retry, err) < 0 ||
	    counters_save(s->db, &q->counters, &tx.counters, err) < 0 ||
	    save_audit(s, &tx, err) < 0) {
		db_rollback(s->db);
		return -1;
	}
	FAULT("store_before_commit");
	TRY(db_commit(s->db, err));
	FAULT("store_after_commit");
	mtx_lock(&q->mtx);
	q->counters = tx.counters;
	q->audit = tx.audit;
	q->commits++;
	q->writes += b->n;
	mtx_unlock(&q->mtx);
	return 0;
}

static void fail_batch(
    struct store *s, const struct batch *b, const struct err *err)
{
	for (struct write *w = b->head; w != NULL; w = w->next) {
		w->err = *err;
		drop_tidings(w);
	}
	mtx_lock(&s->queue.mtx);
	s->queue.failures++;
	mtx_unlock(&s->queue.mtx);
}

static void tell_notice(const struct store *s, struct write *w)
{
	if (w->notice != NULL && s->on_notice != NULL)
		s->on_notice(s->on_notice_arg, w->notice);
	notice_free(w->notice);
	w->notice = NULL;
}

static void answer(struct store *s, const struct batch *b)
{
	struct write *next;

	for (struct write *w = b->head; w != NULL; w = next) {
		next = w->next; /* finish may free w */
		if (w->has_event && s->on_event != NULL)
			s->on_event(s->on_event_arg, &w->event);
		tell_notice(s, w);
		w->finish(w);
	}
}

static void run_batch(struct store *s, const struct batch *b)
{
	struct err err = ERR_INIT;
	bool retry = false;
	int rc = commit_batch(s, b, false, &retry, &err);

	if (rc < 0 && retry)
		rc = commit_batch(s, b, true, &retry, &err);
	if (rc < 0)
		fail_batch(s, b, &err);
	answer(s, b);
}

static void *writer_main(void *arg)
{
	struct store *s = arg;
	struct batch b;

	MAGIC_CHECK(s, STORE_MAGIC);
	while (next_batch(&s->queue, &b))
		run_batch(s, &b);
	return NULL;
}

/* -- for the callers --------------------------------------------------- */

/* A write whose caller waits on its own condition: no herd is woken. */
struct waiting {
	struct mtx mtx;
	struct cond done;
	bool is_done; /* guarded by mtx */
};

static void wake(struct write *w)
{
	struct waiting *wait = w->waiting;

	mtx_lock(&wait->mtx);
	wait->is_done = true;
	cond_signal(&wait->done);
	mtx_unlock(&wait->mtx);
}

int writer_run(struct store *s, struct write *w, struct err *err)
{
	struct waiting wait = {.is_done = false};

	mtx_init(&wait.mtx, "store waiter");
	cond_init(&wait.done);
	w->waiting = &wait;
	w->finish = wake;
	writer_add(s, w);
	mtx_lock(&wait.mtx);
	while (!wait.is_done)
		cond_wait(&wait.done, &wait.mtx);
	mtx_unlock(&wait.mtx);
	cond_fini(&wait.done);
	mtx_fini(&wait.mtx);
	if (w->err.kind == ERR_NONE)
		return 0;
	*err = w->err;
	return -1;
}

int writer_start(struct store *s, struct err *err)
{
	return thread_start(&s->thread, "store", writer_main, s, err);
}

void writer_stop(struct store *s)
{
	struct queue *q = &s->queue;

	mtx_lock(&q->mtx);
	q->stop = true;
	cond_signal(&q->more);
	mtx_unlock(&q->mtx);
	thread_join(s->thread);
}

void writer_counters(struct store *s, struct counters *ret)
{
	mtx_lock(&s->queue.mtx);
	*ret = s->queue.counters;
	mtx_unlock(&s->queue.mtx);
}
