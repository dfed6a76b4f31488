/* Lines for the runner: see output.h. Main thread only. */
#include "hook/output.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

static int write_out(const void *data, size_t len, struct err *err)
{
	return fs_write_all(STDOUT_FILENO, data, len, err);
}

/* A line that nobody reads is no reason to stop: the exit code tells. */
static void say(const char *prefix, bool escape, const char *fmt, va_list ap)
{
	CLEANUP(buf_fini) struct buf text = {.max = 65536};
	CLEANUP(buf_fini) struct buf line = {.max = 4 * 65536};
	struct err ignored = ERR_INIT;
	const char *c;

	IGNORE(buf_vprintf(&text, fmt, ap)); /* cut at its bound */
	buf_append_str(&line, prefix);
	for (c = buf_str(&text); *c != '\0'; c++) {
		if (escape && *c == '%')
			buf_append_str(&line, "%25");
		else if (*c == '\n' || *c == '\r')
			buf_append_str(&line, escape ? "%0A" : " ");
		else
			buf_append_char(&line, *c);
	}
	buf_append_char(&line, '\n');
	IGNORE(write_out(line.data, line.len, &ignored));
}

void output_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", false, fmt, ap);
	va_end(ap);
}

void output_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("::error::", true, fmt, ap);
	va_end(ap);
}

void output_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("::warning::", true, fmt, ap);
	va_end(ap);
}

void output_group(const char *title)
{
	output_say("##[group]%s", title);
}

void output_group_end(void)
{
	output_say("##[endgroup]");
}

/* -- a step's streams -------------------------------------------------- */

void output_init(struct output *o)
{
	for (size_t i = 0; i < ARRAY_LEN(o->part); i++)
		buf_init(&o->part[i], OUTPUT_LINE_MAX);
}

void output_fini(struct output *o)
{
	for (size_t i = 0; i < ARRAY_LEN(o->part); i++)
		buf_fini(&o->part[i]);
}

static int flush_part(struct buf *part, struct err *err)
{
	int r = 0;

	if (part->len > 0)
		r = write_out(part->data, part->len, err);
	buf_clear(part);
	return r;
}

/* Length up to and with the last newline; 0: none. */
static size_t whole_lines(const char *data, size_t len)
{
	const char *end = memrchr(data, '\n', len);

	return end != NULL ? (size_t)(end - data) + 1 : 0;
}

int output_piece(
    void *arg, int stream, const char *data, size_t len, struct err *err)
{
	struct output *o = arg;
	struct buf *part = &o->part[stream == 2];
	size_t whole = whole_lines(data, len);

	if (whole > 0) {
		TRY(flush_part(part, err));
		TRY(write_out(data, whole, err));
	}
	data += whole;
	len -= whole;
	if (part->len + len > part->max) {
		TRY(flush_part(part, err));
		TRY(write_out("\n", 1, err));
	}
	while (len > part->max) {
		TRY(write_out(data, part->max, err));
		TRY(write_out("\n", 1, err));
		data += part->max;
		len -= part->max;
	}
	IGNORE(buf_append(part, data, len)); /* it fits */
	return 0;
}

int output_flush(struct output *o, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(o->part); i++) {
		if (o->part[i].len == 0)
			continue;
		TRY(flush_part(&o->part[i], err));
		TRY(write_out("\n", 1, err));
	}
	return 0;
}
