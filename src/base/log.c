/* The structured log: see log.h. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json_out.h"
#include "base/mem.h"

#define LOG_LINE_MAX (16 * 1024)

static atomic_int min_level = LOG_INFO;
static atomic_int out_format = LOG_LOGFMT;
static const char *const level_names[] = {"debug", "info", "warn", "error"};
/* Set once, before the first thread; the descriptor keeps its number. */
static char *file_path;
static int file_fd = -1;

void log_setup(enum log_level level, enum log_format format)
{
	atomic_store(&min_level, level);
	atomic_store(&out_format, format);
}

void log_set_level(enum log_level level)
{
	atomic_store(&min_level, level);
}

enum log_level log_level(void)
{
	return (enum log_level)atomic_load(&min_level);
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

int log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
		if (strcmp(name, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	return -1;
}

/* -- the file ---------------------------------------------------------- */

static int open_file(const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	return fd >= 0 ? fd : err_sys(err, errno, "open %s", path);
}

int log_to_file(const char *path, struct err *err)
{
	ASSERT(file_fd < 0);
	file_fd = open_file(path, err);
	if (file_fd < 0)
		return -1;
	file_path = mem_strdup(path);
	return 0;
}

int log_reopen(struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	if (file_path == NULL)
		return 0;
	fd = open_file(file_path, err);
	if (fd < 0)
		return -1;
	/* In one step: other threads write meanwhile. */
	if (dup3(fd, file_fd, O_CLOEXEC) < 0)
		return err_sys(err, errno, "open %s again", file_path);
	return 0;
}

/* -- lines ------------------------------------------------------------- */

bool log_is_debug(void)
{
	return atomic_load(&min_level) == LOG_DEBUG;
}

/* A logfmt value is bare when it has no character that would confuse. */
static bool needs_quotes(const char *s)
{
	if (*s == '\0')
		return true;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' ||
		    *s == '\\' || *s == 0x7f)
			return true;
	return false;
}

static void put_key(struct buf *b, bool json, const char *key)
{
	if (json) {
		IGNORE(buf_append_char(b, ',')); /* overflow: seen at the end */
		json_escape(b, key, strlen(key));
		IGNORE(buf_append_char(b, ':'));
	} else {
		IGNORE(buf_printf(b, " %s=", key));
	}
}

static void put_str(struct buf *b, bool json, const char *key, const char *val)
{
	size_t len = strnlen(val, LOG_LINE_MAX / 4);

	put_key(b, json, key);
	if (json || needs_quotes(val))
		json_escape(b, val, len);
	else
		IGNORE(buf_append(b, val, len));
}

static void put_field(struct buf *b, bool json, const struct log_field *f)
{
	if (f->str == NULL)
		return;
	if (f->type == LOG_F_STR) {
		put_str(b, json, f->key, f->str);
		return;
	}
	put_key(b, json, f->key);
	if (f->type == LOG_F_INT)
		IGNORE(buf_printf(b, "%" PRId64, f->num));
	else
		IGNORE(
		    buf_printf(b, "%" PRId64 ".%03d", f->num / CLOCK_NS_PER_MS,
			(int)(f->num % CLOCK_NS_PER_MS / 1000)));
}

/* Outermost field first. */
static void put_chain(struct buf *b, bool json, const struct ctx *ctx)
{
	if (ctx == NULL)
		return;
	put_chain(b, json, ctx->parent);
	if (ctx->key != NULL && ctx->value != NULL)
		put_str(b, json, ctx->key, ctx->value);
}

static void put_head(
    struct buf *b, bool json, enum log_level level, const char *msg)
{
	char when[CLOCK_ISO_LEN];

	clock_iso(clock_wall_ns(), when);
	if (json)
		IGNORE(buf_printf(b, "{\"time\":\"%s\",\"level\":\"%s\"", when,
		    level_names[level]));
	else
		IGNORE(buf_printf(
		    b, "time=%s level=%s", when, level_names[level]));
	put_str(b, json, "msg", msg);
}

void log_line(const struct ctx *ctx, enum log_level level, const char *msg,
    const struct log_field *fields, size_t nfields)
{
	CLEANUP(buf_fini) struct buf b = {0};
	bool json = atomic_load(&out_format) == LOG_JSON;

	if ((int)level < atomic_load(&min_level))
		return;
	buf_init(&b, LOG_LINE_MAX);
	put_head(&b, json, level, msg);
	put_chain(&b, json, ctx);
	if (ctx != NULL && ctx->trace != NULL && *ctx->trace->id != '\0')
		put_str(&b, json, "trace_id", ctx->trace->id);
	for (size_t i = 0; i < nfields; i++)
		put_field(&b, json, &fields[i]);
	if (b.overflow || b.len + 2 > LOG_LINE_MAX) {
		buf_clear(&b);
		put_head(&b, json, level, msg);
		put_str(&b, json, "fields", "too long for a line");
	}
	IGNORE(buf_append_str(&b, json ? "}\n" : "\n"));
	if (file_fd < 0 || write(file_fd, b.data, b.len) < 0)
		IGNORE(write(2, b.data, b.len) < 0); /* nowhere else to go */
}
