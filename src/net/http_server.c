/*
 * The HTTP server's front door: defaults, start, stop, statistics. Called by
 * whoever serves; everything else happens on the loop and worker threads
 * (see server_internal.h for the map).
 */
#include "net/http_server.h"

#include "base/mem.h"
#include "net/server_internal.h"

static void set_defaults(struct http_server_config *c)
{
	c->workers = c->workers > 0 ? c->workers : 8;
	c->header_bytes_max =
	    c->header_bytes_max > 0 ? c->header_bytes_max : (size_t)16 * 1024;
	c->body_bytes_max = c->body_bytes_max > 0 ? c->body_bytes_max
						  : (size_t)10 * 1024 * 1024;
	c->connections_max =
	    c->connections_max > 0 ? c->connections_max : 10000;
	c->queue_max = c->queue_max > 0 ? c->queue_max : 4096;
	c->header_timeout_ms =
	    c->header_timeout_ms > 0 ? c->header_timeout_ms : 10000;
	c->body_timeout_ms =
	    c->body_timeout_ms > 0 ? c->body_timeout_ms : 30000;
	c->idle_timeout_ms =
	    c->idle_timeout_ms > 0 ? c->idle_timeout_ms : 75000;
	c->write_timeout_ms =
	    c->write_timeout_ms > 0 ? c->write_timeout_ms : 60000;
}

static void server_free(struct http_server *s)
{
	cond_fini(&s->queue.work);
	mtx_fini(&s->queue.mtx);
	cond_fini(&s->drained_cond);
	mtx_fini(&s->mtx);
	mem_free(s->read_buf);
	mem_free(s->plain_in);
	mem_free(s->plain_out);
	mem_free(s->host);
	mem_free(s->extra_host);
	mem_free(s->socket);
	mem_free(s);
}

/* An exchange that is answered after the stop still needs the server. */
void server_unref(struct http_server *s)
{
	if (atomic_fetch_sub(&s->refs, 1) == 1)
		server_free(s);
}

int http_server_start(struct http_server **ret,
    const struct http_server_config *config, struct err *err)
{
	struct http_server *s = mem_zalloc(sizeof(*s));

	ASSERT(config->handler != NULL);
	s->config = *config;
	s->host = mem_strdup(config->host != NULL ? config->host : "127.0.0.1");
	s->config.host = s->host;
	s->extra_host = mem_strdup_or_null(config->extra_host);
	s->config.extra_host = s->extra_host;
	s->socket = mem_strdup_or_null(config->socket);
	s->config.socket = s->socket;
	set_defaults(&s->config);
	atomic_store(&s->refs, 1);
	mtx_init(&s->mtx, "http_server");
	mtx_init(&s->queue.mtx, "http_queue");
	cond_init(&s->queue.work);
	cond_init(&s->drained_cond);
	s->read_buf = mem_alloc(SERVER_READ_BYTES);
	if (s->config.tls != NULL) {
		s->plain_in = mem_alloc(SERVER_RECORD_BYTES);
		s->plain_out = mem_alloc(SERVER_RECORD_BYTES);
	}
	*ret = s; /* before the first handler can run */
	if (server_queue_start(s, s->config.workers, err) == 0 &&
	    server_loop_start(s, err) == 0)
		return 0;
	server_queue_stop(s);
	server_unref(s);
	*ret = NULL;
	return -1;
}

int http_server_port(const struct http_server *s)
{
	return s->port;
}

int http_server_extra_port(const struct http_server *s)
{
	return s->extra_port;
}

void http_server_stop(struct http_server *s, int64_t drain_ms)
{
	if (s == NULL)
		return;
	server_loop_drain(s, drain_ms); /* no connection is left */
	server_queue_stop(s);           /* no handler runs, no stream lives */
	server_loop_quit(s);
	server_queue_flush(s);
	server_unref(s);
}

void http_server_stats(struct http_server *s, struct http_server_stats *ret)
{
	*ret = (struct http_server_stats){
	    .requests = atomic_load(&s->count.requests),
	    .refused = atomic_load(&s->count.refused),
	    .connections_total = atomic_load(&s->count.connections_total),
	    .connections = atomic_load(&s->count.connections),
	    .queue = atomic_load(&s->queue.requests)};
	mtx_lock(&s->queue.mtx);
	ret->streams = s->queue.streams;
	mtx_unlock(&s->queue.mtx);
}
