/* What load.c fills and print.c shows; for config/ itself. */
#ifndef CONFIG_CONFIG_INTERNAL_H
#define CONFIG_CONFIG_INTERNAL_H

#include "config/options.h"

enum source {
	SOURCE_DEFAULT,
	SOURCE_FILE,
	SOURCE_DOTENV,
	SOURCE_ENVIRONMENT,
	SOURCE_FLAG
};

/* Where one option's value came from. */
struct slot {
	enum source source;
	char *
	    where; /* "hub.yml:3", "environment variable PORT"; NULL: default */
	char *text; /* options without a field, unless secret: as given */
};

#define CONFIG_WARNINGS_MAX 32

struct config {
	struct options o;
	struct slot *slots; /* one per row of option_table */
	char *warnings[CONFIG_WARNINGS_MAX];
	size_t nwarnings;
};

void config_warn(struct config *c, const char *fmt, ...) PRINTF(2, 3);
/* Sets one option; where is copied. On failure the message begins with it. */
int config_set(struct config *c, const struct option *opt, const char *text,
    enum source source, const char *where, struct err *err) MUST_CHECK;
/* The same with a secret that stands in the file `path`. */
int config_set_secret_file(struct config *c, const struct option *opt,
    const char *path, enum source source, const char *where,
    struct err *err) MUST_CHECK;

/* -- the sources, each in a file of its own ---------------------------- */
int config_load_file(
    struct config *c, const char *path, struct err *err) MUST_CHECK;
/* The same with the file's text at hand; name is for messages. Sets
 * *ret_has_secret when a secret stands in it. */
int config_load_yaml(struct config *c, const char *name, const char *text,
    size_t len, bool *ret_has_secret, struct err *err) MUST_CHECK;

/* Names and values of `.env`; the environment itself needs no copy. */
struct env_pair {
	char *name, *value;
	int line;
};
struct env_list {
	struct env_pair *pairs;
	size_t n;
};
int env_list_read(struct env_list *l, const char *path,
    struct err *err) MUST_CHECK; /* a missing file is an empty list */
void env_list_fini(struct env_list *l);
static inline void env_list_fini_guard(struct env_list *l)
{
	env_list_fini(l);
}
/* The value of the first name of opt that is set and not empty, or NULL. */
const char *env_find(const struct env_list *dotenv, const struct option *opt);
/* All options of one source; dotenv NULL: the process environment. */
int config_load_env(struct config *c, const struct env_list *dotenv,
    struct err *err) MUST_CHECK;

struct flag_value {
	const struct option *opt;
	bool is_file;      /* --token-file */
	const char *value; /* borrowed from argv */
};
struct flag_list {
	struct flag_value *values;
	size_t n;
};
int flag_list_take(
    struct flag_list *l, int *argc, char **argv, struct err *err) MUST_CHECK;
void flag_list_fini(struct flag_list *l);
static inline void flag_list_fini_guard(struct flag_list *l)
{
	flag_list_fini(l);
}
int config_load_flags(
    struct config *c, const struct flag_list *l, struct err *err) MUST_CHECK;

#endif
