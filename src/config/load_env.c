/*
 * The environment and the `.env` file: two lists of names and values, one
 * way to look an option up in them. While loading, one thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/config_internal.h"
#include "config/dotenv.h"

#define ENV_NAME_MAX 128

/* Names of ours that are no option. */
static const char *const other_names[] = {"RUNNERHUB_FAULT"};

static int add_pair(
    void *arg, const char *name, const char *value, int line, struct err *err)
{
	struct env_list *l = arg;

	(void)err;
	l->pairs = mem_realloc(l->pairs, (l->n + 1) * sizeof(*l->pairs));
	l->pairs[l->n++] = (struct env_pair){
	    .name = mem_strdup(name), .value = mem_strdup(value), .line = line};
	return 0;
}

int env_list_read(struct env_list *l, const char *path, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = DOTENV_BYTES_MAX};
	int rc;

	if (access(path, F_OK) < 0)
		return 0;
	TRY(fs_read_file(path, &text, err));
	rc = dotenv_parse(path, buf_str(&text), text.len, add_pair, l, err);
	if (text.data != NULL)
		secret_wipe(text.data, text.cap);
	return rc;
}

void env_list_fini(struct env_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		secret_wipe(l->pairs[i].value, strlen(l->pairs[i].value));
		mem_free(l->pairs[i].name);
		mem_free(l->pairs[i].value);
	}
	mem_free(l->pairs);
	*l = (struct env_list){0};
}

/* The value of name, NULL when unset or empty: `NAME=` means "not set". The
 * last of several lines wins. */
static const char *look_up(
    const struct env_list *dotenv, const char *name, int *ret_line)
{
	const char *value = NULL;

	*ret_line = 0;
	if (dotenv == NULL)
		value = getenv(name);
	for (size_t i = 0; dotenv != NULL && i < dotenv->n; i++)
		if (strcmp(dotenv->pairs[i].name, name) == 0) {
			value = dotenv->pairs[i].value;
			*ret_line = dotenv->pairs[i].line;
		}
	return value != NULL && *value != '\0' ? value : NULL;
}

const char *env_find(const struct env_list *dotenv, const struct option *opt)
{
	const char *value = NULL;
	int line;

	for (size_t i = 0; value == NULL && opt->env[i] != NULL; i++)
		value = look_up(dotenv, opt->env[i], &line);
	return value;
}

static void describe(const struct env_list *dotenv, const char *name, int line,
    char *out, size_t size)
{
	if (dotenv != NULL)
		snprintf(out, size, ".env:%d", line);
	else
		snprintf(out, size, "environment variable %s", name);
}

/* Sets opt when `name` (or, for a secret, name_FILE) is there: 1, 0 or -1. */
static int load_name(struct config *c, const struct env_list *dotenv,
    const struct option *opt, const char *name, struct err *err)
{
	enum source source =
	    dotenv != NULL ? SOURCE_DOTENV : SOURCE_ENVIRONMENT;
	char file_name[ENV_NAME_MAX], where[ENV_NAME_MAX + 32];
	const char *value, *path = NULL;
	int line, file_line = 0;

	value = look_up(dotenv, name, &line);
	snprintf(file_name, sizeof(file_name), "%s_FILE", name);
	if (opt->type == OPTION_SECRET)
		path = look_up(dotenv, file_name, &file_line);
	if (value != NULL && path != NULL)
		return err_set(err, ERR_INVALID, "bad_option",
		    "%s: %s and %s are both set, set one of them",
		    dotenv != NULL ? ".env" : "environment", name, file_name);
	if (value == NULL && path == NULL)
		return 0;
	describe(dotenv, path != NULL ? file_name : name,
	    path != NULL ? file_line : line, where, sizeof(where));
	if (path != NULL)
		TRY(config_set_secret_file(c, opt, path, source, where, err));
	else
		TRY(config_set(c, opt, value, source, where, err));
	return 1;
}

/* -- near misses ------------------------------------------------------- */

/* All names; "" where an option has fewer than the most. */
static const char *next_env_name(void *arg, size_t i)
{
	enum { PER_OPTION = OPTION_ENV_MAX };
	(void)arg;
	if (i < ARRAY_LEN(other_names))
		return other_names[i];
	i -= ARRAY_LEN(other_names);
	if (i >= option_count * PER_OPTION)
		return NULL;
	const char *name = option_table[i / PER_OPTION].env[i % PER_OPTION];
	return name != NULL ? name : "";
}

static bool is_known(const char *name)
{
	const char *known;
	size_t n;

	for (size_t i = 0; (known = next_env_name(NULL, i)) != NULL; i++) {
		n = strlen(known);
		if (n > 0 && strncmp(known, name, n) == 0 &&
		    (name[n] == '\0' || strcmp(name + n, "_FILE") == 0))
			return true;
	}
	return false;
}

/* Other programs' names are their own business: only what looks like one of
 * RUNNERHUB_* or RUNNER_* mistyped is worth a word. */
static void warn_near_miss(struct config *c, const char *name, int line)
{
	const char *near;

	if (is_known(name))
		return;
	near = option_nearest(name, next_env_name, NULL);
	if (near == NULL || strncmp(near, "RUNNER", 6) != 0)
		return;
	if (line > 0)
		config_warn(c, ".env:%d: %s is not known; did you mean %s?",
		    line, name, near);
	else
		config_warn(c,
		    "environment variable %s is not known; did you mean %s?",
		    name, near);
}

static void warn_near_misses(struct config *c, const struct env_list *dotenv)
{
	char name[ENV_NAME_MAX];
	size_t n;

	for (size_t i = 0; dotenv != NULL && i < dotenv->n; i++)
		warn_near_miss(c, dotenv->pairs[i].name, dotenv->pairs[i].line);
	for (size_t i = 0; dotenv == NULL && environ[i] != NULL; i++) {
		n = strcspn(environ[i], "=");
		if (n == 0 || n >= sizeof(name))
			continue;
		memcpy(name, environ[i], n);
		name[n] = '\0';
		warn_near_miss(c, name, 0);
	}
}

int config_load_env(
    struct config *c, const struct env_list *dotenv, struct err *err)
{
	int rc;

	for (size_t i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];

		rc = 0;
		for (size_t n = 0; rc == 0 && opt->env[n] != NULL; n++)
			rc = load_name(c, dotenv, opt, opt->env[n], err);
		if (rc < 0)
			return -1;
	}
	warn_near_misses(c, dotenv);
	return 0;
}
