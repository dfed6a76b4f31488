/*
 * A small file of a container, without a process in it: the engine hands out
 * any path as a tar, whose first entry is what was asked for. Any thread.
 */
#include <stdio.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "engine/run.h"

/* ustar (POSIX.1-1988): where the fields of a header stand. */
enum {
	BLOCK = 512,
	SIZE_AT = 124,
	SIZE_LEN = 12,
	TYPE_AT = 156,
	LINK_AT = 157,
	LINK_LEN = 100,
	FILE_MAX = 64 * 1024,
};

static int get_archive(struct engine *e, const struct ctx *ctx, const char *id,
    const char *path, struct http_result *res, struct err *err)
{
	CLEANUP(buf_fini) struct buf target = {.max = ENGINE_TARGET_MAX};
	char doing[128];
	struct engine_request req = {.method = "GET",
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	snprintf(doing, sizeof(doing), "read a file of container %.64s", id);
	buf_printf(&target, "/containers/%s/archive?path=", id);
	http_encode(&target, path);
	if (target.overflow)
		return err_set(err, ERR_LIMIT, "request_too_large",
		    "%s: the path is too long", doing);
	req.target = buf_str(&target);
	return engine_call(e, ctx, &req, res, err);
}

static uint64_t size_of(const char *header)
{
	uint64_t size = 0;

	for (int i = SIZE_AT; i < SIZE_AT + SIZE_LEN; i++)
		if (header[i] >= '0' && header[i] <= '7')
			size = size << 3 | (uint64_t)(header[i] - '0');
	return size;
}

/* A link's target beside the link itself. */
static void resolve(const char *path, const char *link, char *out, size_t size)
{
	const char *slash = strrchr(path, '/');

	if (link[0] == '/' || slash == NULL)
		snprintf(out, size, "%.*s", LINK_LEN, link);
	else
		snprintf(out, size, "%.*s/%.*s", (int)(slash - path), path,
		    LINK_LEN, link);
}

/* 1 read, 0 there is none, 2 a link: where it leads is in next. */
static int read_once(struct engine *e, const struct ctx *ctx, const char *id,
    const char *path, struct buf *out, char *next, size_t size, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(FILE_MAX + 4 * BLOCK);
	const char *header;
	uint64_t len;

	if (get_archive(e, ctx, id, path, &res, err) < 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	header = buf_str(&res.body);
	if (res.body.len < BLOCK)
		return 0;
	if (header[TYPE_AT] == '2') {
		resolve(path, header + LINK_AT, next, size);
		return 2;
	}
	len = size_of(header);
	if ((header[TYPE_AT] != '0' && header[TYPE_AT] != '\0') ||
	    len > res.body.len - BLOCK)
		return 0;
	if (buf_append(out, header + BLOCK, (size_t)len) == 0)
		return 1;
	return err_set(err, ERR_LIMIT, "file_too_large",
	    "%.200s in container %.64s is larger than expected", path, id);
}

int engine_container_read_file(struct engine *e, const struct ctx *ctx,
    const char *id, const char *path, struct buf *out, struct err *err)
{
	char next[1024], unused[8];
	int r = read_once(e, ctx, id, path, out, next, sizeof(next), err);

	if (r == 2)
		r = read_once(
		    e, ctx, id, next, out, unused, sizeof(unused), err);
	return r == 2 ? 0 : r;
}
