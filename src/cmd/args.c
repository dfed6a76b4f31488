/*
 * Arguments against a command's row. Only the parsing: what the options
 * mean is the command's. Main thread.
 */
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "cmd/cmd.h"

const struct command_option help_option = {
    "help", 'h', NULL, "show this help", NULL};

const struct command_option client_options[] = {
    {"json", 'j', NULL, "print JSON, for programs", NULL},
    {"url", 0, "URL", "the hub (RUNNERHUB_URL)", NULL},
    {"token-file", 0, "FILE", "holds the API key (RUNNERHUB_TOKEN_FILE)", NULL},
    {"ca-file", 0, "FILE", "who vouches for the hub (RUNNERHUB_CA_FILE)", NULL},
    {"client-cert", 0, "FILE", "what we show it (RUNNERHUB_CLIENT_CERT)", NULL},
    {"client-key", 0, "FILE", "the key of that (RUNNERHUB_CLIENT_KEY)", NULL},
    {"config", 0, "FILE", "YAML configuration (RUNNERHUB_CONFIG)", NULL},
    {0},
};

/* The i-th option that the command takes, its own first; NULL at the end. */
static const struct command_option *option_at(const struct command *c, size_t i)
{
	size_t own = 0, client = 0;

	while (c->options != NULL && c->options[own].name != NULL)
		own++;
	if (i < own)
		return &c->options[i];
	i -= own;
	if (c->flags & COMMAND_CLIENT)
		client = ARRAY_LEN(client_options) - 1;
	if (i < client)
		return &client_options[i];
	return i == client ? &help_option : NULL;
}

static const struct command_option *find_long(
    const struct command *c, const char *name, size_t len)
{
	const struct command_option *o;

	for (size_t i = 0; (o = option_at(c, i)) != NULL; i++)
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

static const struct command_option *find_letter(
    const struct command *c, char letter)
{
	const struct command_option *o;

	for (size_t i = 0; (o = option_at(c, i)) != NULL; i++)
		if (o->letter != 0 && o->letter == letter)
			return o;
	return NULL;
}

/* -- did you mean ------------------------------------------------------ */

struct nearest {
	const char *flag;
	unsigned distance;
	char *out;
};

static void consider(struct nearest *n, const char *name)
{
	unsigned d = parse_distance(n->flag, name);

	if (d >= n->distance || d * 3 > strlen(name) + 1 || strlen(name) > 63)
		return;
	n->distance = d;
	memcpy(n->out, name, strlen(name) + 1);
}

static void consider_config(void *arg, const struct config_flag *flag)
{
	consider(arg, flag->name);
}

const char *command_nearest_flag(
    const struct command *command, const char *flag, char out[64])
{
	struct nearest n = {.flag = flag, .distance = 3, .out = out};
	const struct command_option *o;

	out[0] = '\0';
	for (size_t i = 0; (o = option_at(command, i)) != NULL; i++)
		consider(&n, o->name);
	if (command->flags & COMMAND_CONFIG)
		config_flag_each(consider_config, &n);
	return out[0] != '\0' ? out : NULL;
}

static int unknown(const struct command *c, const char *arg, struct err *err)
{
	const char *name = arg + strspn(arg, "-");
	char word[64], near[64];
	size_t n = strcspn(name, "=");

	if (n >= sizeof(word))
		n = sizeof(word) - 1;
	memcpy(word, name, n);
	word[n] = '\0';
	if (arg[1] == '-' && command_nearest_flag(c, word, near) != NULL)
		return err_set(err, ERR_INVALID, "usage",
		    "unknown option --%s; did you mean --%s?", word, near);
	return err_set(err, ERR_INVALID, "usage", "unknown option %.80s", arg);
}

/* -- parsing ----------------------------------------------------------- */

static void add(
    struct args *a, const struct command_option *option, const char *value)
{
	a->values[a->nvalues++] = (struct args_value){option, value};
	if (option == &help_option)
		a->help = true;
}

static int missing(const struct command_option *o, struct err *err)
{
	return err_set(err, ERR_INVALID, "usage",
	    "option --%s needs a value: %s", o->name, o->value);
}

/* "--name", "--name=value", "--name value"; *i moves past the value. */
static int take_long(
    struct args *a, int argc, char **argv, int *i, struct err *err)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	const struct command_option *o = find_long(a->command, name, len);

	if (o == NULL)
		return unknown(a->command, argv[*i], err);
	if (o->value == NULL && name[len] == '=')
		return err_set(err, ERR_INVALID, "usage",
		    "option --%s takes no value", o->name);
	if (o->value == NULL)
		add(a, o, "");
	else if (name[len] == '=')
		add(a, o, name + len + 1);
	else if (*i + 1 < argc)
		add(a, o, argv[++*i]);
	else
		return missing(o, err);
	return 0;
}

/* "-f", "-fj", "-n20", "-n 20" */
static int take_letters(
    struct args *a, int argc, char **argv, int *i, struct err *err)
{
	for (const char *p = argv[*i] + 1; *p != '\0'; p++) {
		const struct command_option *o = find_letter(a->command, *p);

		if (o == NULL)
			return unknown(a->command, argv[*i], err);
		if (o->value == NULL) {
			add(a, o, "");
			continue;
		}
		if (p[1] != '\0')
			add(a, o, p + 1);
		else if (*i + 1 < argc)
			add(a, o, argv[++*i]);
		else
			return missing(o, err);
		return 0;
	}
	return 0;
}

static int check_operands(const struct args *a, struct err *err)
{
	const struct command *c = a->command;

	if (a->help)
		return 0;
	if (a->noperands < (size_t)c->operands_min)
		return err_set(
		    err, ERR_INVALID, "usage", "expected %s", c->operands);
	if (a->noperands > (size_t)c->operands_max)
		return err_set(err, ERR_INVALID, "usage",
		    "unexpected argument \"%.80s\"",
		    a->operands[c->operands_max]);
	return 0;
}

int args_parse(struct args *ret, const struct command *command, int argc,
    char **argv, struct err *err)
{
	bool options = true;

	*ret = (struct args){.command = command};
	if (argc > ARGS_MAX)
		return err_set(
		    err, ERR_INVALID, "usage", "more than 1024 arguments");
	ret->operands = mem_calloc((size_t)argc + 1, sizeof(char *));
	/* every letter of every argument could be a switch */
	for (int i = 1; i < argc; i++)
		ret->nvalues += strlen(argv[i]);
	ret->values = mem_calloc(ret->nvalues + 1, sizeof(*ret->values));
	ret->nvalues = 0;
	for (int i = 1; i < argc; i++) {
		if (!options || argv[i][0] != '-' || argv[i][1] == '\0')
			ret->operands[ret->noperands++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			options = false;
		else if (argv[i][1] == '-')
			TRY(take_long(ret, argc, argv, &i, err));
		else
			TRY(take_letters(ret, argc, argv, &i, err));
	}
	return check_operands(ret, err);
}

void args_fini(struct args *a)
{
	mem_free(a->values);
	mem_free(a->operands);
	*a = (struct args){0};
}

const char *args_nth(const struct args *a, const char *name, size_t n)
{
	for (size_t i = 0; i < a->nvalues; i++)
		if (strcmp(a->values[i].option->name, name) == 0 && n-- == 0)
			return a->values[i].value;
	return NULL;
}

const char *args_get(const struct args *a, const char *name)
{
	const char *last = NULL;

	for (size_t i = 0; i < a->nvalues; i++)
		if (strcmp(a->values[i].option->name, name) == 0)
			last = a->values[i].value;
	return last;
}

bool args_has(const struct args *a, const char *name)
{
	return args_get(a, name) != NULL;
}

const char *args_operand(const struct args *a, size_t n)
{
	return n < a->noperands ? a->operands[n] : NULL;
}
