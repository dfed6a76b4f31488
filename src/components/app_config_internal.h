/* Between the files that read app-config.yaml. */
#ifndef COMPONENTS_APP_CONFIG_INTERNAL_H
#define COMPONENTS_APP_CONFIG_INTERNAL_H

#include "components/app_config.h"
#include "config/yaml_doc.h"

struct app_file {
	char *path;
	struct yaml_doc *doc;
};
enum { APP_FILES_MAX = 64 };
struct app_reader {
	struct app_config *a;
	struct app_file *files[APP_FILES_MAX]; /* those of $include as well */
	size_t nfiles;
	size_t nconfigs; /* the first so many are app-configs */
};

/* What is said about an item, for messages: "integrations.github[0].token". */
struct app_item {
	const struct app_file *file;
	const struct yaml_item *item; /* NULL: absent, or null */
	int line;                     /* then of what it is missing in */
	char path[128];
};

/* -- app_config.c ------------------------------------------------------ */
/* What the last file that has it says of "a.b.c". */
struct app_item app_look_up(const struct app_reader *r, const char *path);
int app_follow_include(
    struct app_reader *r, struct app_item *at, struct err *err) MUST_CHECK;

/* -- app_config_read.c ------------------------------------------------- */
int app_config_take(
    struct app_reader *r, bool with_base_url, struct err *err) MUST_CHECK;

/* -- app_config_text.c ------------------------------------------------- */
/* Keeps a text for as long as the configuration; takes it. */
const char *app_keep(struct app_config *a, char *text);

/* The text of an item with its variables; NULL when it is absent. */
int app_text(struct app_config *a, const struct app_item *at, const char **ret,
    struct err *err) MUST_CHECK;
/* The same, which must be there and not be empty. */
int app_text_required(struct app_config *a, const struct app_item *at,
    const char **ret, struct err *err) MUST_CHECK;
/* err: "app-config.yaml:3: integrations.github[0].token: ...". */
int app_error(const struct app_item *at, struct err *err, const char *fmt, ...)
    PRINTF(3, 4);
struct app_item app_child(const struct app_item *at, const char *key);
struct app_item app_element(
    const struct app_item *list, const struct yaml_item *item, size_t i);

#endif
