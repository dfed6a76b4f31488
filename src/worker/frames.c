/*
 * Frames of the listener: see frames.h. The first is read by the main thread,
 * later ones by the thread of listener.c; a reader belongs to one at a time.
 */
#include "worker/frames.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/secret.h"

/* -- memory ------------------------------------------------------------ */

static int region_new(size_t len, uint8_t **ret, struct err *err)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return err_sys(
		    err, errno, "memory for a message of %zu bytes", len);
	/* Best effort: an ordinary user may lock little. */
	IGNORE(mlock2(p, len, MLOCK_ONFAULT));
	IGNORE(madvise(p, len, MADV_DONTDUMP));
	*ret = p;
	return 0;
}

void frame_fini(struct frame *f)
{
	if (f->bytes != NULL) {
		secret_wipe(f->bytes, f->len);
		IGNORE(munmap(f->bytes, f->len));
	}
	*f = (struct frame){0};
}

/* -- the wire ---------------------------------------------------------- */

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

void frame_header(enum frame_type type, uint8_t out[FRAME_HEADER])
{
	uint32_t v = htole32((uint32_t)type);

	memset(out, 0, FRAME_HEADER);
	memcpy(out, &v, sizeof(v));
}

/* The header is complete: makes room for the frame that it announces. */
static int begin_body(struct frame_reader *r, struct err *err)
{
	uint32_t type = get32(r->header), len = get32(r->header + 4);

	if (type < FRAME_JOB || type > FRAME_OS_SHUTDOWN)
		return err_set(err, ERR_INVALID, "bad_frame",
		    "the listener sent a message of type %u; 1 to 4 are known",
		    type);
	if (len > FRAME_BODY_MAX || len % 2 != 0)
		return err_set(err, ERR_INVALID, "bad_frame",
		    "the listener announced a message of %u bytes; an even "
		    "number up to %d is allowed",
		    len, FRAME_BODY_MAX);
	r->frame.len = FRAME_HEADER + (size_t)len;
	TRY(region_new(r->frame.len, &r->frame.bytes, err));
	r->frame.type = (enum frame_type)type;
	memcpy(r->frame.bytes, r->header, FRAME_HEADER);
	return 0;
}

void frame_reader_fini(struct frame_reader *r)
{
	frame_fini(&r->frame);
	*r = (struct frame_reader){0};
}

size_t frame_reader_space(struct frame_reader *r, uint8_t **ret)
{
	if (r->have < FRAME_HEADER) {
		*ret = r->header + r->have;
		return FRAME_HEADER - r->have;
	}
	*ret = r->frame.bytes + r->have;
	return r->frame.len - r->have;
}

int frame_reader_commit(
    struct frame_reader *r, size_t n, struct frame *ret, struct err *err)
{
	r->have += n;
	if (r->have < FRAME_HEADER)
		return 0;
	if (r->frame.bytes == NULL)
		TRY(begin_body(r, err));
	if (r->have < r->frame.len)
		return 0;
	*ret = r->frame;
	*r = (struct frame_reader){0};
	return 1;
}

int frame_reader_read(struct frame_reader *r, int fd, struct frame *ret,
    bool *ret_eof, struct err *err)
{
	uint8_t *into;
	size_t room = frame_reader_space(r, &into);
	ssize_t n = read(fd, into, room);

	*ret_eof = n == 0;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0)
		return err_sys(err, errno, "read from the listener");
	return n == 0 ? 0 : frame_reader_commit(r, (size_t)n, ret, err);
}
