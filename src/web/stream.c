/*
 * A reply as a stream that is pulled: libcurl gives bytes when we let it, and
 * is paused while the buffer is full. See web.h; one thread.
 */
#include <string.h>

#include "base/mem.h"
#include "web/transfer.h"

enum {
	BUFFER = 1 << 20,
	PIECE = 256 * 1024, /* what curl gives at once, at most */
	STALL_S = 30,
	STALL_BYTES = 100, /* a second */
};

struct web_stream {
	const struct ctx *ctx;
	struct transfer t;
	const struct web_request *request; /* while it is opened */
	struct buf *words;                 /* as well */
	int status;
	bool begun; /* the head is complete */
	bool paused, over;
	CURLcode code;    /* once over */
	struct buf bytes; /* not yet read */
	size_t taken;     /* of them */
};

/* -- as curl calls us -------------------------------------------------- */

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct web_stream *s = arg;

	if (s->request != NULL)
		transfer_header(s->request, data, size * n);
	if (size * n == 2 && data[0] == '\r') {
		s->status = transfer_status(&s->t);
		s->begun = s->status >= 200;
	}
	return size * n;
}

static size_t on_bytes(char *data, size_t size, size_t n, void *arg)
{
	struct web_stream *s = arg;

	if (s->status != 200)
		return buf_append(s->words, data, size * n) == 0 ? size * n : 0;
	if (buf_append(&s->bytes, data, size * n) == 0)
		return size * n;
	s->bytes.overflow = false;
	s->paused = true;
	return CURL_WRITEFUNC_PAUSE;
}

/* -- moving it --------------------------------------------------------- */

static int ended(const struct web_stream *s, struct err *err)
{
	if (s->code == CURLE_OK || (s->status != 200 && s->begun))
		return 0;
	if (s->code == CURLE_OPERATION_TIMEDOUT && s->begun)
		return web_error(s->t.peer, err, ERR_UNAVAILABLE, "down",
		    "the download from %s stands still: try again",
		    s->t.peer->url);
	return transfer_fail(&s->t, s->code, err);
}

/* A step; waits for one where nothing can be done at once. */
static int step(struct web_stream *s, struct err *err)
{
	int running = 0;

	TRY(ctx_check(s->ctx, err));
	if (s->paused) {
		s->paused = false;
		web_curl.easy_pause(s->t.c, CURLPAUSE_CONT);
	}
	if (web_curl.multi_perform(s->t.m, &running) == CURLM_OK &&
	    running > 0) {
		if (s->bytes.len == 0 && !s->paused)
			transfer_wait(&s->t, s->ctx);
		return 0;
	}
	s->over = true;
	s->code = transfer_result(&s->t);
	return ended(s, err);
}

/* -- opening ----------------------------------------------------------- */

static void set_up(struct web_stream *s)
{
	CURL *c = s->t.c;

	web_curl.easy_setopt(c, CURLOPT_BUFFERSIZE, (long)PIECE);
	web_curl.easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
	web_curl.easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
	web_curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
	web_curl.easy_setopt(c, CURLOPT_WRITEDATA, s);
	web_curl.easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	web_curl.easy_setopt(c, CURLOPT_HEADERDATA, s);
}

int web_stream_open(const struct web_peer *peer, const struct ctx *ctx,
    const struct web_request *request, int *ret_status, struct buf *words,
    struct web_stream **ret, struct err *err)
{
	CLEANUP(web_stream_close)
	struct web_stream *s = mem_zalloc(sizeof(*s));

	s->ctx = ctx;
	s->request = request;
	s->words = words;
	buf_init(&s->bytes, BUFFER);
	TRY(transfer_begin(&s->t, peer, ctx, request, err));
	set_up(s);
	while (!s->begun && !s->over)
		TRY(step(s, err));
	/* The words of a refusal. */
	while (s->status != 200 && !s->over)
		TRY(step(s, err));
	s->request = NULL;
	s->words = NULL;
	*ret_status = s->status;
	*ret = STEAL(s);
	return 0;
}

void web_stream_close(struct web_stream *s)
{
	if (s == NULL)
		return;
	transfer_end(&s->t);
	buf_fini(&s->bytes);
	mem_free(s);
}

int64_t web_stream_size(const struct web_stream *s)
{
	curl_off_t n = -1;

	web_curl.easy_getinfo(s->t.c, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &n);
	return n;
}

int64_t web_stream_read(
    struct web_stream *s, void *into, size_t max, struct err *err)
{
	size_t left;

	if (s->taken == s->bytes.len) {
		buf_clear(&s->bytes);
		s->taken = 0;
	}
	while (s->bytes.len == 0 && !s->over)
		TRY(step(s, err));
	left = s->bytes.len - s->taken;
	if (left < max)
		max = left;
	if (max > 0) /* nothing ever came: there is no buffer */
		memcpy(into, s->bytes.data + s->taken, max);
	s->taken += max;
	return (int64_t)max;
}
