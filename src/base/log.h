/*
 * Structured log, one line per event to stderr or a file, as logfmt or JSON:
 *   log_info(ctx, "job started", LOG_STR("image", img), LOG_INT("n", n));
 * Fields of the context chain come first. Any thread; a line is one write.
 * The layers below jobs/, api/ and cmd/ return errors and log at most debug.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
	const char *key;
	enum { LOG_F_STR, LOG_F_INT, LOG_F_MS } type;
	const char *str; /* NULL: the field is left out */
	int64_t num;     /* LOG_F_MS: nanoseconds, shown as ms with µs */
};

#define LOG_STR(k, v) ((struct log_field){(k), LOG_F_STR, (v), 0})
#define LOG_INT(k, v) ((struct log_field){(k), LOG_F_INT, "", (v)})
#define LOG_MS(k, ns) ((struct log_field){(k), LOG_F_MS, "", (ns)})
#define LOG_ERR(e)    ((struct log_field){"error", LOG_F_STR, (e)->msg, 0})

void log_setup(enum log_level level, enum log_format format);
bool log_is_debug(void);
/* From the next line on. Any thread. */
void log_set_level(enum log_level level);
/* "debug", "info", "warn", "error"; parse: 0 or -1. */
const char *log_level_name(enum log_level level);
int log_level_parse(const char *name, enum log_level *ret);
enum log_level log_level(void);

/*
 * Lines go to this file from now on, appended; what cannot be written there
 * (the disk is full) goes to stderr. Before the first thread.
 */
int log_to_file(const char *path, struct err *err) MUST_CHECK;
/* Opens it again by its name, which somebody has moved away; without a file
 * nothing. When that fails lines go on into the old one. Any thread. */
int log_reopen(struct err *err) MUST_CHECK;

void log_line(const struct ctx *ctx, enum log_level level, const char *msg,
    const struct log_field *fields, size_t nfields);

#define log_at(ctx, level, msg, ...)                                           \
	log_line((ctx), (level), (msg),                                        \
	    (const struct log_field[]){{0}, ##__VA_ARGS__} + 1,                \
	    sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) /           \
		    sizeof(struct log_field) -                                 \
		1)
#define log_debug(ctx, msg, ...)                                               \
	do {                                                                   \
		if (log_is_debug())                                            \
			log_at(ctx, LOG_DEBUG, msg, ##__VA_ARGS__);            \
	} while (0)
#define log_info(ctx, msg, ...)  log_at(ctx, LOG_INFO, msg, ##__VA_ARGS__)
#define log_warn(ctx, msg, ...)  log_at(ctx, LOG_WARN, msg, ##__VA_ARGS__)
#define log_error(ctx, msg, ...) log_at(ctx, LOG_ERROR, msg, ##__VA_ARGS__)

#endif
