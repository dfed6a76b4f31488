/*
 * Writing tar archives into a buffer: ustar headers (POSIX.1-1988), with GNU
 * long-name entries where a path or link target does not fit. Every entry
 * belongs to root and bears no time, so that equal content makes equal bytes.
 *
 *   tar_put_entry(&out, &(struct tar_entry){.name = "agent", ...});
 *   buf_append(&out, content, size); tar_put_padding(&out, size);
 *   tar_put_end(&out);
 */
#ifndef BASE_TAR_H
#define BASE_TAR_H

#include <stdint.h>

#include "base/buf.h"

#define TAR_BLOCK 512

enum tar_type { TAR_FILE = '0', TAR_SYMLINK = '2', TAR_DIRECTORY = '5' };

struct tar_entry {
	const char *name; /* relative; no "/" needed after a directory */
	enum tar_type type;
	unsigned mode;    /* permission bits */
	uint64_t size;    /* of a file's content; 0 for others */
	const char *link; /* target of a symlink, else NULL */
};

/* The header (and a long-name entry before it). Overflow of the buffer is
 * kept in out->overflow, as for all appends. */
void tar_put_entry(struct buf *out, const struct tar_entry *entry);
/* Zeros up to the next block after size bytes of content. */
void tar_put_padding(struct buf *out, uint64_t size);
/* The two zero blocks that end an archive. */
void tar_put_end(struct buf *out);

#endif
