/*
 * The pieces of the HTTP server, for its own files only. In reading order:
 *   http_server.c      start, stop, statistics
 *   server_loop.c      the loop thread: posts from other threads, timers
 *   server_listen.c    the sockets that it listens on
 *   server_conn.c      accept, read, close: the life of a connection
 *   server_parse.c     bytes to a request (http_gate, llhttp), refusals
 *   server_queue.c     the worker threads and what they run
 *   server_exchange.c  the request as a handler sees it
 *   server_reply.c     the reply head; http_reply
 *   server_write.c     bytes to the kernel, what follows once they are taken
 *   server_tls.c       the same two ways through a TLS session
 *   server_stream.c    replies that are produced over time
 *
 * Who owns what: a connection belongs to the loop thread, always. An
 * exchange belongs to the loop until it is queued, then to its handler until
 * the reply is posted, then to the loop. A stream is scheduled under the
 * queue's mutex and belongs to whom its state says.
 */
#ifndef NET_SERVER_INTERNAL_H
#define NET_SERVER_INTERNAL_H

#include <llhttp.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/clock.h"
#include "base/thread.h"
#include "net/http_gate.h"
#include "net/http_server.h"
#include "net/tls.h"

#define SERVER_READ_BYTES       (64 * 1024)
#define SERVER_RECORD_BYTES     (16 * 1024)
#define SERVER_STREAM_BYTES_MAX (256 * 1024)
#define SERVER_QUERY_MAX        64
#define SERVER_LINGER_MS        5000
/* Connections over the limit that are still told so. */
#define SERVER_REFUSED_MAX 256
/* All request bodies in memory at once; above it 503. */
#define SERVER_BODIES_BYTES_MAX (256 * 1024 * 1024)

#define EXCHANGE_MAGIC 0x6578636eu
#define STREAM_MAGIC   0x7374726du
#define CONN_MAGIC     0x636f6e6eu

/* What travels between the threads, in one list at a time. */
enum server_item_kind { SERVER_ITEM_EXCHANGE, SERVER_ITEM_STREAM };
struct server_item {
	struct server_item *next;
	enum server_item_kind kind;
};
struct server_list { /* first in, first out */
	struct server_item *head, *tail;
	unsigned len;
};
void server_list_push(struct server_list *l, struct server_item *item);
struct server_item *server_list_pop(struct server_list *l);
void server_list_move(struct server_list *to, struct server_list *from);

/* -- the worker queue: server_queue.c ---------------------------------- */
struct server_queue {
	struct mtx mtx;
	struct cond work; /* an item came, or the end */
	/* all below guarded by mtx */
	struct server_list list;
	unsigned idle; /* workers that wait */
	bool waking;   /* one was signalled and has not run yet */
	bool stopping;
	unsigned streams;     /* alive */
	atomic_uint requests; /* exchanges in list; read by anyone */
	/* fixed after start */
	pthread_t *threads;
	unsigned nthreads;
};
int server_queue_start(
    struct http_server *s, unsigned workers, struct err *err) MUST_CHECK;
/* Runs what is queued, waits for all streams to be closed, joins. */
void server_queue_stop(struct http_server *s);
void server_queue_flush(struct http_server *s); /* after the loop's end */
/* Moves the batch to the workers. */
void server_queue_push_batch(struct http_server *s, struct server_list *batch);
/* The stream's state was set by the caller under the queue's mutex. */
void server_queue_push_locked(struct http_server *s, struct server_item *item);

/* -- timers: intrusive lists, one per class, swept by one uv_timer ----- */
enum server_timer_class {
	TIMER_NONE,
	TIMER_IDLE,
	TIMER_HANDSHAKE,
	TIMER_HEADER,
	TIMER_BODY,
	TIMER_WRITE,
	TIMER_LINGER,
	TIMER_KEEPALIVE, /* of a stream; not in order of time */
	TIMER_CLASSES,
};
struct server_timer {
	struct server_conn *next, *prev;
	int64_t due_ms; /* uv_now */
	enum server_timer_class class;
};

/* -- connections: server_conn.c ---------------------------------------- */
enum server_phase {
	PHASE_IDLE,    /* between requests */
	PHASE_SHAKE,   /* the TLS handshake */
	PHASE_HEAD,    /* a request has begun */
	PHASE_BODY,    /* its head is understood */
	PHASE_BUSY,    /* with a handler */
	PHASE_REPLY,   /* the reply is being written */
	PHASE_STREAM,  /* likewise, produced over time */
	PHASE_LINGER,  /* all said; waiting for the peer to end */
	PHASE_CLOSING, /* uv_close was called */
};
struct server_conn {
	uint32_t magic;
	union { /* the same connection: libuv's kinds of stream */
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	};
	bool is_unix; /* pipe, else tcp */
	bool is_extra;
	bool is_certified;       /* by its TLS session */
	bool shaking;            /* which has seen a first byte */
	struct tls_session *tls; /* NULL: plain */
	struct http_server *s;
	struct server_conn *next, *prev; /* all connections */
	struct server_timer timer;
	struct http_exchange *x; /* the current request, NULL when idle */
	struct buf held;         /* bytes that came while one was handled */
	size_t held_at;          /* of which these are used */
	llhttp_t parser;
	struct http_gate gate;
	enum server_phase phase;
	bool reading;      /* uv_read_start is in effect */
	bool peer_done;    /* the peer sent its end */
	bool with_handler; /* when closed: x is not ours */
	size_t write_left; /* at the last look of the write timer */
	char peer[64];
};
void server_conn_accept(uv_stream_t *listener, int status);
void server_conn_close(struct server_conn *c);
/* Plain bytes of the peer: to the parser, or kept for later. */
void server_conn_take(struct server_conn *c, const char *data, size_t len);
/* The peer has no more to say. */
void server_conn_peer_done(struct server_conn *c);
/* It may make requests now; one too many is told so, and ends. */
void server_conn_begin(struct server_conn *c);
/* The last byte was written: half-close, wait for the peer's end. */
void server_conn_linger(struct server_conn *c);
/* After a reply: the next request, held bytes first. */
void server_conn_next(struct server_conn *c);
void server_conn_arm(struct server_conn *c, enum server_timer_class class);
void server_conn_expired(struct server_conn *c);

/* -- requests ---------------------------------------------------------- */
struct server_param {
	const char *name;
	const char *value;
};
struct server_joined { /* memory of joined header values */
	struct server_joined *next;
	char text[];
};
struct http_exchange {
	uint32_t magic;
	struct server_item item;
	struct http_server *s;
	struct server_conn *conn; /* loop thread; NULL: the peer is gone */
	int64_t began_ns;

	struct buf head; /* raw, after parsing "target\0name\0value\0..." */
	size_t pairs_at; /* offset of the first name */
	size_t pairs_end;
	size_t head_write; /* while parsing: where the next text goes */
	const char *method;
	const char *path; /* decoded, in `decoded` */
	char *decoded;
	const char *target; /* raw, from its path on; in `head` */
	struct server_param *params;
	unsigned nparams;
	struct buf body;
	size_t body_wire; /* bytes read for the body, framing included */
	uint8_t minor;    /* HTTP/1.x */
	bool value_open;  /* a header name waits for its value */
	bool head_done;   /* later header callbacks are trailers */
	bool complete;
	bool keep_alive;
	bool is_head;
	bool expects_continue;
	bool is_unix, is_extra, is_secure, is_certified;
	/* why parsing ended early; 0: it did not */
	int refuse_status;
	const char *refuse_code;
	const char *refuse_why;

	char request_id[65];
	char peer[64];
	const char *route;
	char trace[33];
	void *user;
	struct server_joined *joined;

	int status;
	struct buf extra; /* reply header lines of the handler */
	struct buf out;   /* reply head, with a small body */
	struct buf out_body;
	uint64_t reply_bytes;
	struct http_stream *stream;
};
/* server_exchange.c */
struct http_exchange *server_exchange_new(struct server_conn *c);
void server_exchange_free(struct http_exchange *x);
/* Tells on_done and frees; loop thread (or after it). */
void server_exchange_finish(struct http_exchange *x);
void server_exchange_ensure_id(struct http_exchange *x);
/* What a trusted proxy says of the client; the head is parsed. */
void server_exchange_set_client(struct http_exchange *x);
int server_exchange_set_target(struct http_exchange *x, const char **ret_why);

/* server_parse.c; the connection's phase tells what came of it. Returns how
 * many bytes were used; the rest waits (phase BUSY) or is of no interest. */
size_t server_parse(struct server_conn *c, const char *data, size_t len);
void server_refuse(
    struct server_conn *c, int status, const char *code, const char *why);

/* server_reply.c */
void server_reply_head(
    struct http_exchange *x, const char *content_type, int64_t length);
/* A posted reply, on the loop. */
void server_reply_arrived(struct http_exchange *x);

/* server_write.c */
#define SERVER_WRITE_BUFS_MAX 4
enum server_write_then {
	WRITE_THEN_NOTHING,
	WRITE_THEN_REPLIED,
	WRITE_THEN_STREAM,
};
/*
 * The memory of WRITE_THEN_NOTHING is copied, else it must stay until the
 * continuation or the connection's end. Returns true when all was taken at
 * once (then no continuation is called).
 */
bool server_write(struct server_conn *c, uv_buf_t *bufs, unsigned n,
    enum server_write_then then);
/* What follows when libuv has written what had to wait. */
void server_write_after(struct server_conn *c, enum server_write_then then);
/* Bytes wait in libuv: the write timer, where a reply depends on them. */
void server_write_waits(struct server_conn *c);
/* How many of n buffers are gone with the first `taken` bytes; the next one
 * begins behind them. */
unsigned server_write_advance(uv_buf_t *bufs, unsigned n, size_t taken);
/* The reply is out: access line, next request or the end. */
void server_replied(struct server_conn *c);

/* -- server_tls.c: all of it only where c->tls is set -------------------- */
/* What came in: the handshake goes on, or plain bytes come of it. */
void server_tls_read(struct server_conn *c, const char *data, size_t len);
/* As server_write. */
bool server_tls_write(struct server_conn *c, uv_buf_t *bufs, unsigned n,
    enum server_write_then then);
/* A last word, so that the peer knows that nothing was cut off. */
void server_tls_end(struct server_conn *c);

/* -- streams: server_stream.c ------------------------------------------ */
enum stream_state {
	STREAM_IDLE,   /* waits for a wake */
	STREAM_QUEUED, /* in the queue or running */
	STREAM_LOOP,   /* posted to the loop or being written by it */
};
struct http_stream {
	uint32_t magic;
	struct server_item item;
	struct http_server *s;
	struct http_stream_ops ops;
	void *arg;
	atomic_bool woken; /* since the last produce began */
	/* guarded by the queue's mutex */
	enum stream_state state;
	bool dead;
	/* loop thread */
	struct server_conn *conn;
	bool arrived; /* state LOOP, and the loop has it */
	int64_t left; /* bytes to come; -1: not limited */
	bool chunked;
	char prefix[24];
	/* of whom the state says */
	enum http_produce result;
	struct buf out;
};
void server_stream_run(struct http_stream *st);     /* worker */
void server_stream_arrived(struct http_stream *st); /* loop, posted */
void server_stream_started(struct server_conn *c);  /* head is written */
void server_stream_written(struct server_conn *c);
void server_stream_detach(struct http_stream *st); /* loop: peer gone */
void server_stream_keepalive(struct server_conn *c);

/* -- the server -------------------------------------------------------- */
struct server_counters { /* written by the loop, read by anyone */
	atomic_uint_fast64_t requests, refused, connections_total;
	atomic_uint connections;
};
struct http_server {
	struct http_server_config config; /* defaults filled in */
	char *host, *extra_host, *socket;
	int port, extra_port;
	struct server_queue queue;
	struct server_counters count;

	uv_loop_t loop;
	uv_tcp_t listener;
	uv_tcp_t extra;  /* when config.extra_host is set */
	uv_pipe_t local; /* the unix socket, when config.socket is set */
	uv_async_t async;
	uv_check_t check;
	uv_timer_t tick;
	uv_timer_t drain;
	pthread_t thread;
	char *read_buf; /* SERVER_READ_BYTES, shared by all connections */
	/* SERVER_RECORD_BYTES each, likewise, with TLS only: what was
	 * unsealed, and what is to be sealed */
	char *plain_in, *plain_out;
	struct server_list batch; /* requests of this turn of the loop */
	struct server_conn *conns;
	unsigned nconns;
	atomic_size_t bodies_bytes; /* of all exchanges */
	struct {
		struct server_conn *head, *tail;
	} timers[TIMER_CLASSES];
	bool draining; /* loop thread */

	struct mtx mtx; /* posts and the end */
	struct cond drained_cond;
	struct server_list posts;   /* guarded by mtx */
	bool want_drain, want_quit; /* guarded by mtx */
	bool drained, gone;         /* guarded by mtx */
	int64_t drain_ms;           /* guarded by mtx */
	atomic_uint refs; /* exchanges alive, and one until stop has ended */
};
/* server_listen.c; after a failure, too, server_listen_end is called. */
void server_listen_init(struct http_server *s);
int server_listen_start(struct http_server *s, struct err *err) MUST_CHECK;
void server_listen_end(struct http_server *s);
/* server_loop.c */
int server_loop_start(struct http_server *s, struct err *err) MUST_CHECK;
/* Any thread: hands the item to the loop. */
void server_post(struct http_server *s, struct server_item *item);
void server_loop_drain(struct http_server *s, int64_t drain_ms); /* waits */
void server_loop_quit(struct http_server *s); /* joins the loop thread */
void server_loop_check_drained(struct http_server *s);
void server_loop_tick_start(struct http_server *s);
void server_unref(struct http_server *s);
void server_count(atomic_uint_fast64_t *counter);

#endif
