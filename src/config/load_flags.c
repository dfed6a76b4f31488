/*
 * Flags: "--port=3001", "--port 3001", "--step-debug". They are taken out
 * of argv first and applied last. While loading, one thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/config_internal.h"

/* The option of "name"; for secrets only "name-file". */
static const struct option *find_flag(
    const char *name, size_t len, bool *ret_is_file)
{
	const struct option *opt = option_by_flag(name, len);

	*ret_is_file = false;
	if (opt == NULL && len > 5 && memcmp(name + len - 5, "-file", 5) == 0) {
		opt = option_by_flag(name, len - 5);
		*ret_is_file = true;
		if (opt != NULL && opt->type != OPTION_SECRET)
			opt = NULL;
	}
	return opt;
}

static int refuse_secret(const struct option *opt, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_option",
	    "flag --%s: other users can see flags; set %s or use --%s-file",
	    opt->flag, opt->env[0], opt->flag);
}

/* Takes argv[*i] when it is a flag of ours, and its value: 1, 0 or -1. */
static int take_one(
    struct flag_list *l, int argc, char **argv, int *i, struct err *err)
{
	const char *name = argv[*i], *value;
	struct flag_value f = {0};
	size_t len;

	if (strncmp(name, "--", 2) != 0)
		return 0;
	name += 2;
	len = strcspn(name, "=");
	f.opt = find_flag(name, len, &f.is_file);
	if (f.opt == NULL)
		return 0;
	if (f.opt->type == OPTION_SECRET && !f.is_file)
		return refuse_secret(f.opt, err);
	if (name[len] == '=')
		value = name + len + 1;
	else if (f.opt->type == OPTION_BOOL)
		value = "true";
	else if (*i + 1 < argc)
		value = argv[++*i];
	else
		return err_set(err, ERR_INVALID, "bad_option",
		    "flag --%s: its value is missing", name);
	f.value = value;
	l->values = mem_realloc(l->values, (l->n + 1) * sizeof(f));
	l->values[l->n++] = f;
	return 1;
}

int flag_list_take(struct flag_list *l, int *argc, char **argv, struct err *err)
{
	int kept = 1, rc;

	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			while (i < *argc)
				argv[kept++] = argv[i++];
			break;
		}
		rc = take_one(l, *argc, argv, &i, err);
		if (rc < 0)
			return -1;
		if (rc == 0)
			argv[kept++] = argv[i];
	}
	if (*argc > 0) {
		*argc = kept;
		argv[kept] = NULL;
	}
	return 0;
}

void flag_list_fini(struct flag_list *l)
{
	mem_free(l->values);
	*l = (struct flag_list){0};
}

int config_load_flags(
    struct config *c, const struct flag_list *l, struct err *err)
{
	char where[96];

	for (size_t i = 0; i < l->n; i++) {
		const struct flag_value *f = &l->values[i];

		snprintf(where, sizeof(where), "flag --%s%s", f->opt->flag,
		    f->is_file ? "-file" : "");
		if (f->is_file)
			TRY(config_set_secret_file(
			    c, f->opt, f->value, SOURCE_FLAG, where, err));
		else
			TRY(config_set(
			    c, f->opt, f->value, SOURCE_FLAG, where, err));
	}
	return 0;
}

/* -- for the command line's own table ---------------------------------- */

void config_flag_each(
    void (*cb)(void *arg, const struct config_flag *flag), void *arg)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];
		bool secret = opt->type == OPTION_SECRET;
		struct config_flag f = {.doc = opt->doc, .unused = opt->unused};
		char name[64];

		if (opt->flag == NULL)
			continue;
		snprintf(name, sizeof(name), "%s%s", opt->flag,
		    secret ? "-file" : "");
		f.name = name;
		f.takes_value = opt->type != OPTION_BOOL;
		f.is_path = secret || opt->offset == OPTION_NO_FIELD
				? secret
				: strcmp(opt->key, "config") == 0 ||
				      strcmp(opt->key, "stateDir") == 0;
		f.choices = opt->choices[0] != NULL ? opt->choices : NULL;
		cb(arg, &f);
	}
}
