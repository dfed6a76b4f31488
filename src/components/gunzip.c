/* Reading gzip: see gunzip.h. Called by unpack.c. */
#include "components/gunzip.h"

#include "base/mem.h"

enum {
	PIECE = 64 * 1024,
	WINDOW_GZIP = 15 + 16, /* the largest window, a gzip header */
};

void gunzip_begin(struct gunzip *g,
    int64_t (*read)(void *arg, void *into, size_t max, struct err *err),
    void *arg)
{
	*g = (struct gunzip){.read = read, .arg = arg, .in = mem_alloc(PIECE)};
	ASSERT(inflateInit2(&g->z, WINDOW_GZIP) == Z_OK);
}

void gunzip_end(struct gunzip *g)
{
	inflateEnd(&g->z);
	mem_free(STEAL(g->in));
}

static int bad(const char *why, struct err *err)
{
	return err_set(err, ERR_INVALID, "archive_bad",
	    "the archive is damaged, or no gzip: %s", why);
}

/* 1, or 0 at a proper end. */
static int refill(struct gunzip *g, struct err *err)
{
	int64_t n = g->read(g->arg, g->in, PIECE, err);

	TRY(n);
	if (n == 0 && g->packed > 0 && g->between)
		return 0;
	if (n == 0)
		return bad("it ends in the middle", err);
	g->z.next_in = (Bytef *)g->in;
	g->z.avail_in = (uInt)n;
	g->packed += n;
	return 1;
}

int64_t gunzip_some(
    struct gunzip *g, void *into, size_t max, bool *ret_end, struct err *err)
{
	int r;

	*ret_end = false;
	if (g->z.avail_in == 0) {
		r = refill(g, err);
		*ret_end = r == 0;
		if (r <= 0)
			return r;
	}
	g->between = false;
	g->z.next_out = into;
	g->z.avail_out = (uInt)max;
	r = inflate(&g->z, Z_NO_FLUSH);
	if (r == Z_STREAM_END) { /* another member may follow */
		g->between = true;
		r = inflateReset(&g->z);
	}
	/* Z_BUF_ERROR: it wants more input. */
	if (r != Z_OK && r != Z_BUF_ERROR)
		return bad(g->z.msg != NULL ? g->z.msg : "no details", err);
	max -= g->z.avail_out;
	g->unpacked += (int64_t)max;
	return (int64_t)max;
}
