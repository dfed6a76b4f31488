/*
 * Output of steps: see stream.h. Called by the agent's loop. Owns the pipe,
 * the held end of the masker, and the value of an unfinished add-mask line.
 */
#include "agent/stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/command.h"
#include "base/secret.h"

#define READ_CHUNK (64 * 1024)
#define TEXT_MAX   (READ_CHUNK + STREAM_SECRET_MAX + 8 * MASK_PIECE_MAX)

static const char add_mask[] = "::add-mask::";
#define ADD_MASK_LEN (sizeof(add_mask) - 1)

static char chunk[READ_CHUNK];

void stream_open(struct stream *s, struct stream_hub *hub, int fd,
    uint16_t step, uint8_t number)
{
	*s = (struct stream){.fd = fd, .step = step, .number = number};
	mask_stream_init(&s->mask, hub->masks);
	buf_init(&s->value, STREAM_SECRET_MAX);
}

/* What was read but not told, because it may be part of a secret. */
static size_t withheld(const struct stream *s)
{
	return s->mask.held.len + s->value.len;
}

bool stream_has_room(const struct stream *s, const struct stream_hub *hub)
{
	return outbox_output_room(hub->outbox) > withheld(s);
}

void stream_hub_mask(
    struct stream_hub *hub, uint16_t step, const char *value, size_t len)
{
	if (hub->mask_count < COMMAND_MASKS_MAX)
		mask_add(hub->masks, value, len);
	else if (hub->mask_count == COMMAND_MASKS_MAX)
		stream_hub_note(hub, step,
		    "more than %d values to mask: further ones are not masked",
		    COMMAND_MASKS_MAX);
	if (hub->mask_count <= COMMAND_MASKS_MAX)
		hub->mask_count++;
}

void stream_hub_note(
    struct stream_hub *hub, uint16_t step, const char *fmt, ...)
{
	CLEANUP(buf_fini) struct buf masked = {0};
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_init(&masked, 2 * sizeof(text));
	mask_text(hub->masks, text, strlen(text), &masked);
	outbox_put(hub->outbox, WIRE_NOTE, step, buf_str(&masked), masked.len);
}

/* "%25", "%0D", "%0A" stand for bytes that a command line cannot carry. */
static size_t unescape(char *s, size_t len)
{
	static const struct {
		const char *code;
		char byte;
	} codes[] = {{"%25", '%'}, {"%0D", '\r'}, {"%0A", '\n'}};
	size_t out = 0;

	for (size_t i = 0; i < len; out++) {
		s[out] = s[i++];
		for (size_t k = 0; s[out] == '%' && k < ARRAY_LEN(codes); k++) {
			if (len - i >= 2 &&
			    memcmp(s + i, codes[k].code + 1, 2) == 0) {
				s[out] = codes[k].byte;
				i += 2;
				break;
			}
		}
	}
	return out;
}

static void learn_value(
    struct stream *s, struct stream_hub *hub, struct buf *out)
{
	size_t len = s->value.len;

	stream_hub_mask(hub, s->step, buf_str(&s->value), len);
	mask_feed(&s->mask, buf_str(&s->value), len, false, out);
	len = unescape(s->value.data, len);
	stream_hub_mask(hub, s->step, s->value.data, len);
	secret_wipe(s->value.data, s->value.cap);
	buf_fini(&s->value);
}

/* Follows the beginning of a line; returns how many bytes it took. */
static size_t scan_start(struct stream *s, const char *p, size_t len)
{
	size_t i = 0;

	while (s->matched == 0 && i < len && (p[i] == ' ' || p[i] == '\t'))
		i++;
	while (i < len && s->matched < ADD_MASK_LEN &&
	       p[i] == add_mask[s->matched]) {
		s->matched++;
		i++;
	}
	if (s->matched == ADD_MASK_LEN)
		s->scan = SCAN_VALUE;
	else if (i < len)
		s->scan = SCAN_TEXT; /* the byte at i decides: look again */
	return i;
}

static size_t scan_value(struct stream *s, struct stream_hub *hub,
    const char *p, size_t len, struct buf *out)
{
	const char *nl = memchr(p, '\n', len);
	size_t n = nl != NULL ? (size_t)(nl - p) : len;
	size_t room = STREAM_SECRET_MAX - s->value.len;

	if (n > room)
		n = room;
	IGNORE(buf_append(&s->value, p, n)); /* n fits */
	if (s->value.len == STREAM_SECRET_MAX || n < len) {
		if (s->value.len > 0)
			learn_value(s, hub, out);
		s->scan = SCAN_TEXT;
	}
	return n;
}

/* The rest of the line and its end; then the next line starts. */
static size_t scan_text(struct stream *s, const char *p, size_t len)
{
	const char *nl = memchr(p, '\n', len);

	if (nl == NULL)
		return len;
	s->scan = SCAN_LINE_START;
	s->matched = 0;
	return (size_t)(nl - p) + 1;
}

/*
 * Without the marker no line is a command: skips to the start of the line
 * that has it, or of the last line, whose end is not known yet.
 */
static size_t skip_ordinary(struct stream *s, const char *p, size_t len)
{
	const char *mark, *nl;

	if (s->scan == SCAN_LINE_START && s->matched > 0)
		return 0;
	mark = memmem(p, len, add_mask, ADD_MASK_LEN);
	nl = memrchr(p, '\n', mark != NULL ? (size_t)(mark - p) : len);
	if (nl == NULL)
		return 0;
	s->scan = SCAN_LINE_START;
	s->matched = 0;
	return (size_t)(nl - p) + 1;
}

/*
 * Masks p. Ordinary text goes to the masker in runs as long as possible:
 * only a line that begins like a command needs a closer look.
 */
static void take_text(struct stream *s, struct stream_hub *hub, const char *p,
    size_t len, struct buf *out)
{
	size_t run = 0, n;

	while (run < len) {
		if (s->scan == SCAN_VALUE) {
			mask_feed(&s->mask, p, run, false, out);
			n = scan_value(s, hub, p + run, len - run, out);
			p += run + n;
			len -= run + n;
			run = 0;
			continue;
		}
		run += skip_ordinary(s, p + run, len - run);
		if (s->scan == SCAN_LINE_START) {
			run += scan_start(s, p + run, len - run);
		} else {
			run += scan_text(s, p + run, len - run);
		}
	}
	mask_feed(&s->mask, p, run, false, out);
}

static void hand_on(
    struct stream *s, struct stream_hub *hub, const struct buf *text)
{
	ASSERT(!text->overflow);
	outbox_output(
	    hub->outbox, s->step, s->number, buf_str(text), text->len);
}

static size_t read_limit(const struct stream *s, const struct stream_hub *hub)
{
	size_t room = outbox_output_room(hub->outbox) - withheld(s);

	return room < sizeof(chunk) ? room : sizeof(chunk);
}

void stream_read(struct stream *s, struct stream_hub *hub)
{
	CLEANUP(buf_fini) struct buf text = {0};
	ssize_t n = read(s->fd, chunk, read_limit(s, hub));

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		s->owed = 0;
		return;
	}
	if (n <= 0) {
		stream_close(s, hub);
		return;
	}
	s->owed -= (size_t)n < s->owed ? (size_t)n : s->owed;
	buf_init(&text, TEXT_MAX);
	IGNORE(buf_reserve(&text, (size_t)n + withheld(s)) == NULL);
	take_text(s, hub, chunk, (size_t)n, &text);
	hand_on(s, hub, &text);
}

void stream_note_owed(struct stream *s)
{
	int n = 0;

	if (s->fd >= 0 && ioctl(s->fd, FIONREAD, &n) == 0 && n > 0)
		s->owed = (size_t)n;
}

void stream_flush(struct stream *s, struct stream_hub *hub)
{
	CLEANUP(buf_fini) struct buf text = {0};

	buf_init(&text, TEXT_MAX);
	if (s->value.len > 0)
		learn_value(s, hub, &text);
	mask_feed(&s->mask, "", 0, true, &text);
	hand_on(s, hub, &text);
}

void stream_close(struct stream *s, struct stream_hub *hub)
{
	stream_flush(s, hub);
	mask_stream_fini(&s->mask);
	buf_fini(&s->value);
	close(s->fd);
	s->fd = -1;
	s->owed = 0;
}
