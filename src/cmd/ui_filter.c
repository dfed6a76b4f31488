/*
 * Job output made safe for a terminal: see ui.h. What a job prints is a
 * stranger's; ECMA-48 sequences other than SGR ("ESC [ ... m", colours and
 * weights) are dropped whole. Pure.
 */
#include "cmd/ui.h"

enum state {
	TEXT,
	ESCAPE,   /* after ESC */
	CSI,      /* after ESC [ */
	CSI_SKIP, /* a CSI sequence too long or strange to be a colour */
	STRING,   /* OSC, DCS, PM, APC, SOS: until BEL or ESC \ */
	STRING_ESCAPE,
	INTERMEDIATE, /* ESC ( B and the like: until the final byte */
	C2,           /* after byte 0xc2: a C1 control in UTF-8 may follow */
};

static void put(struct buf *out, char c)
{
	IGNORE(buf_append_char(out, c));
}

static enum state in_text(unsigned char c, struct buf *out)
{
	if (c == 0x1b)
		return ESCAPE;
	if (c == 0xc2)
		return C2;
	if ((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\r' || c == '\t')
		put(out, (char)c);
	return TEXT;
}

static enum state in_escape(struct ui_filter *f, unsigned char c)
{
	if (c == '[') {
		f->nheld = 0;
		return CSI;
	}
	if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')
		return STRING;
	if (c >= 0x20 && c <= 0x2f)
		return INTERMEDIATE;
	return c == 0x1b ? ESCAPE : TEXT;
}

static enum state in_csi(struct ui_filter *f, unsigned char c, struct buf *out)
{
	if ((c >= '0' && c <= '9') || c == ';' || c == ':') {
		if (f->nheld == sizeof(f->held))
			return CSI_SKIP;
		f->held[f->nheld++] = (char)c;
		return CSI;
	}
	if (c == 'm') {
		IGNORE(buf_append_str(out, "\033["));
		IGNORE(buf_append(out, f->held, f->nheld));
		put(out, 'm');
		return TEXT;
	}
	if (c == 0x1b)
		return ESCAPE;
	return c >= 0x40 && c <= 0x7e ? TEXT : CSI_SKIP;
}

/*
 * The byte after 0xc2: 0x80-0x9f would make a C1 control. A 0xc2 without its
 * second byte is no UTF-8 and must not wait in the output for one that comes
 * after a dropped sequence.
 */
static enum state in_c2(unsigned char c, struct buf *out)
{
	if (c >= 0x80 && c < 0xa0)
		return TEXT;
	if (c < 0xa0 || c > 0xbf) {
		put(out, '?');
		return in_text(c, out);
	}
	put(out, (char)0xc2);
	put(out, (char)c);
	return TEXT;
}

static enum state step(struct ui_filter *f, unsigned char c, struct buf *out)
{
	switch ((enum state)f->state) {
	case TEXT:
		return in_text(c, out);
	case ESCAPE:
		return in_escape(f, c);
	case CSI:
		return in_csi(f, c, out);
	case CSI_SKIP:
		return c >= 0x40 && c <= 0x7e ? TEXT : CSI_SKIP;
	case STRING:
		return c == 0x07 || c == '\n' ? TEXT
		       : c == 0x1b            ? STRING_ESCAPE
					      : STRING;
	case STRING_ESCAPE:
		return c == '\\' ? TEXT : in_escape(f, c);
	case INTERMEDIATE:
		return c >= 0x30 && c <= 0x7e ? TEXT : INTERMEDIATE;
	case C2:
		return in_c2(c, out);
	}
	WRONG("filter state");
}

void ui_filter_feed(
    struct ui_filter *f, const char *data, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++)
		f->state = (int)step(f, (unsigned char)data[i], out);
}
