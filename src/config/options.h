/*
 * The option table: one row per option, from which every source, message
 * and generated text follows. For config/ itself and its tests.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

enum option_type {
	OPTION_STRING,
	OPTION_INT,
	OPTION_NUM,
	OPTION_BOOL,
	OPTION_SIZE,     /* bytes: "256m" */
	OPTION_DURATION, /* ms: "30s"; a bare number is in unit_ms */
	OPTION_CHOICE,
	OPTION_SECRET, /* also <env>_FILE, <key>File, --<flag>-file */
	OPTION_ROUTES, /* YAML only */
	OPTION_POOLS,  /* YAML only */
};

enum option_section {
	SECTION_SERVER,
	SECTION_ACCESS,
	SECTION_WEBHOOKS,
	SECTION_LOG,
	SECTION_ENGINE,
	SECTION_JOBS,
	SECTION_SCHEDULER,
	SECTION_POOL,
	SECTION_NETWORK,
	SECTION_RETENTION,
	SECTION_CLIENT,
	SECTION_RUNNERS,
	SECTION_COMPONENTS,
	SECTION_VAULT,
	SECTION_LATER,
	SECTION_COUNT
};
const char *option_section_title(enum option_section s);

#define OPTION_ENV_MAX    2
#define OPTION_CHOICE_MAX 4
#define OPTION_NO_FIELD   SIZE_MAX /* checked, but nothing reads it yet */

struct option {
	const char *key;                     /* "http.port" */
	const char *env[OPTION_ENV_MAX + 1]; /* the first that is set wins */
	const char *flag;                    /* "port" for --port, NULL: none */
	enum option_section section;
	enum option_type type;
	size_t offset;    /* in struct options, or OPTION_NO_FIELD */
	int64_t min, max; /* INT, SIZE, DURATION (ms); SECRET: length */
	double num_min, num_max;
	int64_t unit_ms;      /* DURATION */
	const char *def;      /* as somebody would write it; NULL: none */
	const char *def_note; /* in words, where def cannot say it */
	const char *choices[OPTION_CHOICE_MAX + 1];
	bool (*check)(const char *text); /* STRING; with `accepts` */
	const char *accepts;
	const char *doc; /* one line */
	bool unused;     /* known name, the feature does not exist yet */
};

extern const struct option option_table[];
extern const size_t option_count;

const struct option *option_by_key(const char *key);
const struct option *option_by_flag(const char *flag, size_t len);
/* "a whole number from 0 to 65535" */
void option_accepts(const struct option *opt, struct buf *out);

/*
 * Checks text and stores it in o (replacing what stood there). The message
 * names key, value (never a secret's) and what is accepted.
 */
int option_set(struct options *o, const struct option *opt, const char *text,
    struct err *err) MUST_CHECK;
/* The value as somebody would write it: "30s", "256m"; "" when there is
 * none; "(set)" for a secret. */
void option_render(
    const struct options *o, const struct option *opt, struct buf *out);
/* Frees and zeroes one field. */
void option_clear(struct options *o, const struct option *opt);

/* A typed view of one field. */
void *option_field(struct options *o, const struct option *opt);
const void *option_field_const(
    const struct options *o, const struct option *opt);

/* The name nearest to `text` among what `next` yields, or NULL when none is
 * near; case does not count. */
const char *option_nearest(
    const char *text, const char *(*next)(void *arg, size_t i), void *arg);

/* Appends text quoted, bounded, without control bytes. */
void option_quote(struct buf *out, const char *text);

#endif
