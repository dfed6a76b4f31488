/*
 * ~ How a configuration comes to be: defaults, then the YAML file, `.env`,
 * the environment and the flags, each over what stands there; last the
 * values that follow from others. Called once by each command before any
 * thread exists; the result is immutable.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/checks.h"
#include "config/config_internal.h"

#define SECRET_FILE_MAX (64 * 1024)
#define WARNING_MAX     512

DEFINE_CLEANUP(struct config *, config_free);

void config_warn(struct config *c, const char *fmt, ...)
{
	CLEANUP(buf_fini) struct buf b = {.max = WARNING_MAX};
	va_list ap;

	if (c->nwarnings == CONFIG_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	IGNORE(buf_vprintf(&b, fmt, ap));
	va_end(ap);
	c->warnings[c->nwarnings++] = mem_strdup(buf_str(&b));
}

int config_set(struct config *c, const struct option *opt, const char *text,
    enum source source, const char *where, struct err *err)
{
	struct slot *slot = &c->slots[opt - option_table];

	if (option_set(&c->o, opt, text, err) < 0)
		return err_wrap(err, "%s", where);
	mem_free(slot->text);
	mem_free(slot->where);
	slot->source = source;
	slot->where = mem_strdup(where);
	slot->text =
	    opt->offset == OPTION_NO_FIELD && opt->type != OPTION_SECRET
		? mem_strdup(text)
		: NULL;
	return 0;
}

/* The file's bytes without the newline that editors put at the end. */
static int read_secret(const char *path, struct buf *out, struct err *err)
{
	TRY(fs_read_file(path, out, err));
	if (out->len > 0 && memchr(out->data, '\0', out->len) != NULL)
		return err_set(err, ERR_INVALID, "bad_option",
		    "%s holds a NUL byte", path);
	while (out->len > 0 && strchr("\r\n", out->data[out->len - 1]) != NULL)
		out->data[--out->len] = '\0';
	return 0;
}

int config_set_secret_file(struct config *c, const struct option *opt,
    const char *path, enum source source, const char *where, struct err *err)
{
	CLEANUP(buf_fini) struct buf b = {.max = SECRET_FILE_MAX};
	int rc = read_secret(path, &b, err);

	if (rc < 0)
		err_wrap(err, "%s: %s", where, opt->key);
	else
		rc = config_set(c, opt, buf_str(&b), source, where, err);
	if (b.data != NULL)
		secret_wipe(b.data, b.cap);
	return rc;
}

static void set_defaults(struct config *c)
{
	struct err err = ERR_INIT;

	for (size_t i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];

		if (opt->def == NULL)
			continue;
		if (option_set(&c->o, opt, opt->def, &err) < 0)
			base_panic(__FILE__, __LINE__, __func__, err.msg);
	}
}

/* -- values that follow from others ------------------------------------ */

static char *default_state_dir(void)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		return mem_strdup("/var/lib/runnerhub");
	if (xdg != NULL && *xdg == '/')
		return mem_printf("%s/runnerhub", xdg);
	if (home != NULL && *home == '/')
		return mem_printf("%s/.local/state/runnerhub", home);
	return mem_strdup("runnerhub-state");
}

/* Where a client on this host reaches a hub with these options. */
static char *default_url(const struct options *o)
{
	const char *host = o->listen;

	if (strcmp(host, "0.0.0.0") == 0)
		host = "127.0.0.1";
	else if (strcmp(host, "::") == 0)
		host = "::1";
	return mem_printf(
	    strchr(host, ':') != NULL ? "%s://[%s]:%lld" : "%s://%s:%lld",
	    o->tls_certificate != NULL ? "https" : "http", host,
	    (long long)o->port);
}

static void derive(struct options *o)
{
	size_t len;

	if (strcmp(o->listen, "localhost") == 0) {
		mem_free(o->listen);
		o->listen = mem_strdup("127.0.0.1");
	}
	if (o->state_dir == NULL)
		o->state_dir = default_state_dir();
	o->url_is_own = o->url == NULL;
	if (o->url_is_own)
		o->url = default_url(o);
	len = strlen(o->url);
	while (o->url[len - 1] == '/')
		o->url[--len] = '\0';
}

/* -- the order --------------------------------------------------------- */

/* The YAML file is named by a later source, so it is looked up first. */
static const char *config_file_name(
    const struct flag_list *flags, const struct env_list *dotenv)
{
	const struct option *opt = option_by_key("config");
	const char *name = NULL;

	for (size_t i = 0; i < flags->n; i++)
		if (flags->values[i].opt == opt)
			name = flags->values[i].value;
	if (name == NULL)
		name = env_find(NULL, opt);
	if (name == NULL)
		name = env_find(dotenv, opt);
	return name;
}

int config_load(struct config **ret, int *argc, char **argv, struct err *err)
{
	CLEANUP(config_free) struct config *c = mem_zalloc(sizeof(*c));
	CLEANUP(flag_list_fini) struct flag_list flags = {0};
	CLEANUP(env_list_fini) struct env_list dotenv = {0};
	const char *file;

	c->slots = mem_calloc(option_count, sizeof(*c->slots));
	set_defaults(c);
	if (argc != NULL)
		TRY(flag_list_take(&flags, argc, argv, err));
	TRY(env_list_read(&dotenv, ".env", err));
	file = config_file_name(&flags, &dotenv);
	if (file != NULL)
		TRY(config_load_file(c, file, err));
	TRY(config_load_env(c, &dotenv, err));
	TRY(config_load_env(c, NULL, err));
	TRY(config_load_flags(c, &flags, err));
	derive(&c->o);
	*ret = STEAL(c);
	return 0;
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < option_count; i++) {
		option_clear(&c->o, &option_table[i]);
		mem_free(c->slots[i].where);
		mem_free(c->slots[i].text);
	}
	for (size_t i = 0; i < c->nwarnings; i++)
		mem_free(c->warnings[i]);
	mem_free(c->slots);
	mem_free(c);
}

const struct options *config_options(const struct config *c)
{
	return &c->o;
}
