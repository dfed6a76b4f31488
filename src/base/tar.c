/* The tar writer: see tar.h. Pure; any thread. */
#include "base/tar.h"

#include <stdio.h>
#include <string.h>

enum { NAME_LEN = 100, LONG_LINK = 'K', LONG_NAME = 'L' };

static const char zeros[TAR_BLOCK];

/* What the buffer cannot take is told by out->overflow. */
static void put(struct buf *out, const void *data, size_t len)
{
	IGNORE(buf_append(out, data, len));
}

/* Eleven octal digits end at 8 GiB; larger sizes are GNU base-256. */
static void put_size(char *field, uint64_t size)
{
	if (size < UINT64_C(1) << 33) {
		snprintf(field, 12, "%011llo", (unsigned long long)size);
		return;
	}
	field[0] = (char)0x80;
	for (int i = 11; i > 3; i--, size >>= 8)
		field[i] = (char)(size & 0xff);
}

static void put_header(struct buf *out, const char *name, char type,
    unsigned mode, uint64_t size, const char *link)
{
	char h[TAR_BLOCK] = {0};
	unsigned sum = 0;

	memcpy(h, name, strnlen(name, NAME_LEN));
	snprintf(h + 100, 8, "%07o", mode & 07777);
	snprintf(h + 108, 8, "%07o", 0);
	snprintf(h + 116, 8, "%07o", 0);
	put_size(h + 124, size);
	snprintf(h + 136, 12, "%011o", 0);
	h[156] = type;
	if (link != NULL)
		memcpy(h + 157, link, strnlen(link, NAME_LEN));
	memcpy(h + 257, "ustar\00000", 8);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	put(out, h, sizeof(h));
}

/* GNU tar's way, which Go's archive/tar reads as well: the text that does
 * not fit is the content of an entry before the real one. */
static void put_long(struct buf *out, char type, const char *text)
{
	size_t size = strlen(text) + 1;

	put_header(out, "././@LongLink", type, 0644, size, NULL);
	put(out, text, size);
	tar_put_padding(out, size);
}

void tar_put_entry(struct buf *out, const struct tar_entry *entry)
{
	if (strlen(entry->name) > NAME_LEN)
		put_long(out, LONG_NAME, entry->name);
	if (entry->link != NULL && strlen(entry->link) > NAME_LEN)
		put_long(out, LONG_LINK, entry->link);
	put_header(out, entry->name, (char)entry->type, entry->mode,
	    entry->type == TAR_FILE ? entry->size : 0, entry->link);
}

void tar_put_padding(struct buf *out, uint64_t size)
{
	put(out, zeros, (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK));
}

void tar_put_end(struct buf *out)
{
	put(out, zeros, sizeof(zeros));
	put(out, zeros, sizeof(zeros));
}
