/*
 * What was loaded, shown: the `runnerhub config` page and the lists of
 * doubts. Secrets appear as "(set)" only. Any thread.
 */
#include <inttypes.h>
#include <string.h>

#include "base/json_out.h"
#include "config/config_internal.h"

static const char *source_name(enum source s)
{
	static const char *const names[] = {
	    [SOURCE_DEFAULT] = "default",
	    [SOURCE_FILE] = "file",
	    [SOURCE_DOTENV] = "dotenv",
	    [SOURCE_ENVIRONMENT] = "environment",
	    [SOURCE_FLAG] = "flag",
	};

	return names[s];
}

/* The value in force, as text; "" when there is none. */
static void value_text(
    const struct config *c, const struct option *opt, struct buf *out)
{
	const struct slot *slot = &c->slots[opt - option_table];

	if (opt->offset != OPTION_NO_FIELD)
		option_render(&c->o, opt, out);
	else if (slot->text != NULL)
		IGNORE(buf_append_str(out, slot->text));
	else if (slot->source != SOURCE_DEFAULT)
		IGNORE(buf_append_str(out, "(set)"));
	else if (opt->def != NULL)
		IGNORE(buf_append_str(out, opt->def));
}

static bool is_set(const struct config *c, const struct option *opt)
{
	return c->slots[opt - option_table].source != SOURCE_DEFAULT;
}

static void print_row(
    const struct config *c, const struct option *opt, struct buf *out)
{
	const struct slot *slot = &c->slots[opt - option_table];
	CLEANUP(buf_fini) struct buf value = {.max = 64 * 1024};

	value_text(c, opt, &value);
	IGNORE(buf_printf(out, "  %-24s %-36s %s%s\n", opt->key,
	    value.len > 0 ? buf_str(&value) : "-",
	    slot->where != NULL ? slot->where : "default",
	    opt->unused ? ", not used yet" : ""));
}

static void print_text(const struct config *c, struct buf *out)
{
	for (int s = 0; s < SECTION_COUNT; s++) {
		IGNORE(buf_printf(out, "%s%s\n", s > 0 ? "\n" : "",
		    option_section_title((enum option_section)s)));
		for (size_t i = 0; i < option_count; i++)
			if ((int)option_table[i].section == s)
				print_row(c, &option_table[i], out);
	}
}

static void json_value(
    struct json *j, const struct config *c, const struct option *opt)
{
	CLEANUP(buf_fini) struct buf value = {.max = 64 * 1024};
	const void *field = opt->offset != OPTION_NO_FIELD
				? option_field_const(&c->o, opt)
				: NULL;

	json_key(j, "value");
	if (field != NULL &&
	    (opt->type == OPTION_INT || opt->type == OPTION_SIZE ||
		opt->type == OPTION_DURATION)) {
		json_int(j, *(const int64_t *)field);
	} else if (field != NULL && opt->type == OPTION_NUM) {
		json_num(j, *(const double *)field);
	} else if (field != NULL && opt->type == OPTION_BOOL) {
		json_bool(j, *(const bool *)field);
	} else {
		value_text(c, opt, &value);
		json_str(j, value.len > 0 ? buf_str(&value) : NULL);
	}
	if (opt->type == OPTION_SIZE || opt->type == OPTION_DURATION)
		json_kstr(j, "unit",
		    opt->type == OPTION_SIZE ? "bytes" : "milliseconds");
}

static void print_json(const struct config *c, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_arr(&j);
	for (size_t i = 0; i < option_count; i++) {
		const struct option *opt = &option_table[i];
		const struct slot *slot = &c->slots[i];

		json_obj(&j);
		json_kstr(&j, "name", opt->key);
		json_kstr(&j, "env", opt->env[0]);
		json_value(&j, c, opt);
		json_kstr(&j, "source", source_name(slot->source));
		json_kstr(&j, "where", slot->where);
		json_kbool(&j, "secret", opt->type == OPTION_SECRET);
		json_kbool(&j, "used", !opt->unused);
		json_end(&j);
	}
	json_end(&j);
	IGNORE(buf_append_char(out, '\n'));
}

void config_print(const struct config *c, bool json, struct buf *out)
{
	if (json)
		print_json(c, out);
	else
		print_text(c, out);
}

void config_unused(const struct config *c,
    void (*cb)(void *arg, const char *key, const char *source), void *arg)
{
	for (size_t i = 0; i < option_count; i++)
		if (option_table[i].unused && is_set(c, &option_table[i]))
			cb(arg, option_table[i].key, c->slots[i].where);
}

void config_warnings(
    const struct config *c, void (*cb)(void *arg, const char *line), void *arg)
{
	for (size_t i = 0; i < c->nwarnings; i++)
		cb(arg, c->warnings[i]);
}
