/*
 * The steps of a session from its proxy's side: see session.h. Output comes
 * as frames; how much of it was handed on is counted, so that a new
 * connection goes on where the last one broke.
 */
#include "client/session.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "client/client_internal.h"

#define KEY_BYTES       16
#define END_BYTES       ((size_t)1 << 20)
#define INPUT_PIECE_MAX ((size_t)256 * 1024)

enum { FRAME_HEAD = 8, FRAME_END = 3 };

int session_step(struct session *s, const struct ctx *ctx, json_t *body,
    int *ret_step, struct err *err)
{
	CLEANUP(mem_free) char *path = session_path(s, "/steps");
	CLEANUP(json_decref) json_t *reply = NULL;
	char key[2 * KEY_BYTES + 1];
	int64_t step;

	if (json_object_get(body, "key") == NULL)
		json_object_set_new(
		    body, "key", json_string(random_hex(key, KEY_BYTES)));
	TRY(again_call(s->client, ctx, "POST", path, body, &reply, err));
	step = reply_int(json_object_get(reply, "data"), "step", -1);
	if (step < 0 || step > INT32_MAX)
		return err_set(err, ERR_INTERNAL, NULL,
		    "the answer of %s names no step: is that a hub?",
		    client_url(s->client));
	*ret_step = (int)step;
	return 0;
}

/* -- output ------------------------------------------------------------ */

struct reading {
	int (*sink)(void *arg, int stream, const char *data, size_t len,
	    struct err *err);
	void *arg;
	uint64_t skip; /* bytes of output handed on so far */
	bool refused;  /* the sink has failed */
	/* of this connection */
	unsigned char head[FRAME_HEAD];
	size_t nhead, left; /* bytes of the head; of the frame's body */
	struct buf end;
	bool over, moved;
};

static int begin_frame(struct reading *r, struct err *err)
{
	const unsigned char *h = r->head;

	r->left = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 |
		  (size_t)h[7];
	if (h[0] < 1 || h[0] > FRAME_END || (h[1] | h[2] | h[3]) != 0)
		return err_set(err, ERR_INTERNAL, "bad_frame",
		    "the hub's answer is no step's output");
	return 0;
}

static int take_body(
    struct reading *r, const char *data, size_t len, struct err *err)
{
	if (r->head[0] == FRAME_END) {
		if (buf_append(&r->end, data, len) != 0)
			return err_set(err, ERR_LIMIT, "reply_too_large",
			    "the end of the step's output is too long");
		return 0;
	}
	if (r->sink(r->arg, r->head[0], data, len, err) != 0) {
		r->refused = true; /* not to be taken for an absent hub */
		return -1;
	}
	r->skip += len;
	return 0;
}

static int take(void *arg, const char *data, size_t len, struct err *err)
{
	struct reading *r = arg;

	r->moved = true;
	while (len > 0) {
		size_t n;

		if (r->nhead < FRAME_HEAD) {
			r->head[r->nhead++] = (unsigned char)*data++;
			len--;
			if (r->nhead < FRAME_HEAD)
				continue;
			TRY(begin_frame(r, err));
		}
		n = len < r->left ? len : r->left;
		if (n > 0)
			TRY(take_body(r, data, n, err));
		r->left -= n;
		data += n;
		len -= n;
		if (r->left > 0)
			continue;
		r->over = r->over || r->head[0] == FRAME_END;
		r->nhead = 0;
	}
	return 0;
}

static int read_once(struct session *s, const struct ctx *ctx, int step,
    struct reading *r, struct err *err)
{
	CLEANUP(mem_free)
	char *path =
	    session_path(s, "/steps/%d/output?skip=%" PRIu64, step, r->skip);

	r->nhead = r->left = 0;
	r->moved = false;
	buf_clear(&r->end);
	TRY(client_stream(s->client, ctx, path, NULL, take, r, err));
	if (r->over)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "connection_lost",
	    "the step's output broke off");
}

static int parse_end(const struct buf *text, json_t **ret, struct err *err)
{
	*ret = json_loadb(buf_str(text), text->len, 0, NULL);
	if (json_is_object(*ret))
		return 0;
	json_decref(*ret);
	*ret = NULL;
	return err_set(err, ERR_INTERNAL, "bad_frame",
	    "the hub does not say how the step ended");
}

int session_output_from(struct session *s, const struct ctx *ctx, int step,
    uint64_t *skip,
    int (*sink)(
	void *arg, int stream, const char *data, size_t len, struct err *err),
    void *arg, json_t **ret_end, struct err *err)
{
	struct reading r = {.sink = sink, .arg = arg, .skip = *skip};
	struct again again = {.told = false};
	int result;

	buf_init(&r.end, END_BYTES);
	for (;;) {
		result = read_once(s, ctx, step, &r, err);
		if (r.moved)
			again_reset(s->client, &again);
		if (result == 0 || r.refused ||
		    again_wait(s->client, ctx, &again, err) != 0)
			break;
	}
	*skip = r.skip;
	if (result == 0)
		result = parse_end(&r.end, ret_end, err);
	buf_fini(&r.end);
	return result;
}

int session_output(struct session *s, const struct ctx *ctx, int step,
    int (*sink)(
	void *arg, int stream, const char *data, size_t len, struct err *err),
    void *arg, json_t **ret_end, struct err *err)
{
	uint64_t skip = 0;

	return session_output_from(
	    s, ctx, step, &skip, sink, arg, ret_end, err);
}

/* -- signals and input ------------------------------------------------- */

int session_signal(struct session *s, const struct ctx *ctx, int step,
    const char *name, struct err *err)
{
	CLEANUP(mem_free) char *path =
	    session_path(s, "/steps/%d/signal", step);
	CLEANUP(json_decref) json_t *body = json_pack("{s:s}", "signal", name);
	CLEANUP(json_decref) json_t *reply = NULL;

	return again_call(s->client, ctx, "POST", path, body, &reply, err);
}

/* One piece; bytes that the step has already are passed over. */
static int input_piece(struct session *s, const struct ctx *ctx,
    const char *path, const char *data, size_t len, json_t **ret,
    struct err *err)
{
	struct again again = {.told = false};

	while (
	    client_post_bytes(s->client, ctx, path, data, len, ret, err) != 0)
		TRY(again_wait(s->client, ctx, &again, err));
	again_reset(s->client, &again);
	return 0;
}

int session_input(struct session *s, const struct ctx *ctx, int step,
    uint64_t offset, const void *data, size_t len, bool end, struct err *err)
{
	const char *p = data;

	do {
		size_t n = len < INPUT_PIECE_MAX ? len : INPUT_PIECE_MAX;
		CLEANUP(json_decref) json_t *reply = NULL;
		CLEANUP(mem_free)
		char *path =
		    session_path(s, "/steps/%d/input?offset=%" PRIu64 "&end=%s",
			step, offset, end && n == len ? "true" : "false");
		int64_t taken;

		TRY(input_piece(s, ctx, path, p, n, &reply, err));
		taken = reply_int(json_object_get(reply, "data"), "offset", -1);
		if (taken < (int64_t)(offset + n))
			return err_set(err, ERR_INTERNAL, NULL,
			    "the hub took the step's input only up to byte "
			    "%" PRId64 " of %" PRIu64,
			    taken, offset + n);
		p += n;
		offset += n;
		len -= n;
	} while (len > 0);
	return 0;
}
