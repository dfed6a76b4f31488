/*
 * What a Dockerfile is built from: see dockerfile.h. Called by the flow's
 * thread before a build, and by `component validate`.
 */
#include "components/dockerfile.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "components/dockerfile_internal.h"
#include "components/faults.h"

enum { NAME_LEN_MAX = 1024, STAGES_MAX = 1024 };

struct check {
	const struct dockerfile_rules *rules;
	const char *file;
	struct dockerfile_lines lines;
	struct dockerfile_variables args; /* those of FROM lines */
	char **stages;                    /* their names, lower case, or "" */
	size_t nstages;
	/* of the instruction at hand */
	int line;
	char word[16]; /* "FROM" */
};

/* -- what is told ------------------------------------------------------ */

static int refuse(
    const struct check *c, struct err *err, const char *what, const char *why)
{
	return err_set(err, ERR_INVALID, FAULT_CONFIGURATION,
	    "%.200s:%d: %s %.200s: %.400s", c->file, c->line, c->word, what,
	    why);
}

static int ask(const struct check *c, const char *ref, struct err *err)
{
	struct err why = ERR_INIT;

	if (c->rules->image == NULL ||
	    c->rules->image(c->rules->arg, ref, &why) == 0)
		return 0;
	if (why.kind == ERR_INVALID)
		return refuse(c, err, ref, why.msg);
	*err = why;
	return -1;
}

/* -- stages ------------------------------------------------------------ */

static void add_stage(struct check *c, const char *name)
{
	char *lower = mem_strdup(name);

	for (char *p = lower; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	c->stages =
	    mem_realloc(c->stages, (c->nstages + 1) * sizeof(*c->stages));
	c->stages[c->nstages++] = lower;
}

/* Of the first n: within a stage its own name is that of an image. */
static bool is_stage(const struct check *c, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c->stages[i][0] != '\0' &&
		    strcasecmp(c->stages[i], name) == 0)
			return true;
	return false;
}

static bool is_number(const char *name)
{
	return name[0] != '\0' && name[strspn(name, "0123456789")] == '\0';
}

/* -- instructions ------------------------------------------------------ */

/* To the first word that is no flag; for each flag, flag() is asked. */
static int pass_flags(struct check *c, const char **at,
    int (*flag)(struct check *c, const char *text, struct err *err),
    struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = DOCKERFILE_BYTES_MAX + 1};

	while (dockerfile_flag(at, &text))
		if (flag != NULL)
			TRY(flag(c, buf_str(&text), err));
	return 0;
}

static int put_in(const struct check *c, const char *word, size_t len,
    struct buf *out, struct err *err)
{
	char shown[100];

	if (dockerfile_expand(word, len, c->lines.escape, &c->args, out) == 0)
		return 0;
	snprintf(
	    shown, sizeof(shown), "%.*s", (int)(len < 80 ? len : 80), word);
	return refuse(c, err, shown,
	    "what image that is cannot be told; write its name, $NAME, "
	    "${NAME} or ${NAME:-default}");
}

/* FROM [--platform=...] image [AS name] */
static int read_from(struct check *c, const char *at, struct err *err)
{
	CLEANUP(buf_fini) struct buf ref = {.max = NAME_LEN_MAX};
	CLEANUP(buf_fini) struct buf name = {.max = NAME_LEN_MAX};
	const char *word;
	size_t len;

	TRY(pass_flags(c, &at, NULL, err));
	len = dockerfile_word(&at, c->lines.escape, &word);
	TRY(put_in(c, word, len, &ref, err));
	if (c->nstages == STAGES_MAX)
		return refuse(c, err, "", "there are too many stages");
	if (!is_stage(c, buf_str(&ref), c->nstages) && ref.len > 0 &&
	    strcmp(buf_str(&ref), "scratch") != 0)
		TRY(ask(c, buf_str(&ref), err));
	len = dockerfile_word(&at, c->lines.escape, &word);
	if (len == 2 && strncasecmp(word, "AS", 2) == 0) {
		len = dockerfile_word(&at, c->lines.escape, &word);
		IGNORE(buf_append(&name, word, len)); /* too long: no name */
	}
	add_stage(c, buf_str(&name));
	return 0;
}

static const char *given(const struct check *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->rules->nargs; i++)
		if (strlen(c->rules->args[i].name) == len &&
		    memcmp(c->rules->args[i].name, name, len) == 0)
			return c->rules->args[i].value;
	return NULL;
}

/* ARG NAME[=default] ...; those above the first FROM count in FROM lines. */
static int read_arg(struct check *c, const char *at, struct err *err)
{
	const char *word, *equals, *value;
	size_t len, name;

	while (c->nstages == 0 &&
	       (len = dockerfile_word(&at, c->lines.escape, &word)) > 0) {
		CLEANUP(buf_fini) struct buf text = {.max = NAME_LEN_MAX};

		equals = memchr(word, '=', len);
		name = equals != NULL ? (size_t)(equals - word) : len;
		value = given(c, word, name);
		if (value == NULL && equals != NULL) {
			TRY(put_in(c, equals + 1, len - name - 1, &text, err));
			value = buf_str(&text);
		}
		if (value == NULL &&
		    *dockerfile_variables_get(&c->args, word, name) != '\0')
			return refuse(c, err, "",
			    "a variable that has a value is declared again "
			    "without one, which builders take differently");
		if (value != NULL)
			dockerfile_variables_set(&c->args, word, name, value);
	}
	return 0;
}

/* -- what only BuildKit knows ------------------------------------------ */

static int needs_buildkit(
    const struct check *c, const char *what, struct err *err)
{
	return refuse(c, err, what,
	    "needs BuildKit, and this hub builds with the engine's classic "
	    "builder; write it without");
}

static bool is_flag(const char *text, const char *name)
{
	size_t n = strlen(name);

	return strncmp(text, name, n) == 0 &&
	       (text[n] == '\0' || text[n] == '=');
}

/* Of COPY --from and RUN --mount=...,from= */
static int judge_from(
    struct check *c, const char *name, size_t len, struct err *err)
{
	CLEANUP(buf_fini) struct buf ref = {.max = NAME_LEN_MAX};

	TRY(put_in(c, name, len, &ref, err));
	if (ref.len == 0 || is_number(buf_str(&ref)) ||
	    is_stage(c, buf_str(&ref), c->nstages - (c->nstages > 0)))
		return 0;
	return ask(c, buf_str(&ref), err);
}

static int judge_mount(struct check *c, const char *fields, struct err *err)
{
	static const char from[] = "from=";
	size_t len;

	for (;; fields += len + 1) {
		fields += strspn(fields, " \"'");
		len = strcspn(fields, ",");
		if (strncasecmp(fields, from, strlen(from)) == 0)
			TRY(judge_from(c, fields + strlen(from),
			    strcspn(fields, ",\"' ") - strlen(from), err));
		if (fields[len] == '\0')
			return 0;
	}
}

static int judge_flag(struct check *c, const char *text, struct err *err)
{
	static const char *const known_to_buildkit[] = {"--mount", "--network",
	    "--security", "--link", "--chmod", "--parents", "--exclude",
	    "--checksum", "--keep-git-dir", "--unpack"};
	const char *value = strchr(text, '=');

	for (size_t i = 0; i < ARRAY_LEN(known_to_buildkit); i++)
		if (!c->rules->buildkit && is_flag(text, known_to_buildkit[i]))
			return needs_buildkit(c, known_to_buildkit[i], err);
	if (value == NULL)
		return 0;
	if (is_flag(text, "--mount"))
		return judge_mount(c, value + 1, err);
	if (is_flag(text, "--from"))
		return judge_from(c, value + 1, strlen(value + 1), err);
	return 0;
}

/* "<<EOF", "<<-'EOF'": with a line EOF below. */
static int judge_here_document(
    const struct check *c, const char *at, struct err *err)
{
	const char *word, *p = at;
	size_t len;
	bool tabs;

	while (!c->rules->buildkit && (p = strstr(p, "<<")) != NULL) {
		p += 2;
		tabs = *p != '-';
		word = p + (tabs ? 0 : 1);
		if (*word == '"' || *word == '\'')
			word++;
		len = 0;
		while (isalnum((unsigned char)word[len]) || word[len] == '_')
			len++;
		if (len > 0 && dockerfile_lines_has(&c->lines, word, len, tabs))
			return needs_buildkit(c, "<<", err);
	}
	return 0;
}

/* -- the whole --------------------------------------------------------- */

/* Its name; *at moves behind it. */
static void read_name(struct check *c, const char **at)
{
	const char *word;
	size_t len = dockerfile_word(at, c->lines.escape, &word);

	if (len >= sizeof(c->word))
		len = sizeof(c->word) - 1;
	for (size_t i = 0; i < len; i++)
		c->word[i] = (char)toupper((unsigned char)word[i]);
	c->word[len] = '\0';
}

static int read_instruction(struct check *c, const char *at, struct err *err)
{
	read_name(c, &at);
	if (strcmp(c->word, "ONBUILD") == 0) /* of another one, never twice */
		read_name(c, &at);
	if (strcmp(c->word, "FROM") == 0)
		return read_from(c, at, err);
	if (strcmp(c->word, "ARG") == 0)
		return read_arg(c, at, err);
	if (strcmp(c->word, "RUN") != 0 && strcmp(c->word, "COPY") != 0 &&
	    strcmp(c->word, "ADD") != 0)
		return 0;
	TRY(pass_flags(c, &at, judge_flag, err));
	return judge_here_document(c, at, err);
}

/* *lenient: how to take ends of lines about which builders differ; stays true
 * when there are such. */
static int check_as(const char *text, size_t len, const char *file,
    const struct dockerfile_rules *rules, bool *lenient, struct err *err)
{
	CLEANUP(buf_fini) struct buf line = {.max = DOCKERFILE_BYTES_MAX + 1};
	struct check c = {.rules = rules, .file = file};
	int r = 0;

	dockerfile_lines_init(&c.lines, text, len);
	c.lines.lenient = *lenient;
	while (r == 0 && dockerfile_lines_next(&c.lines, &line, &c.line))
		r = read_instruction(&c, buf_str(&line), err);
	*lenient = c.lines.doubtful;
	for (size_t i = 0; i < c.nstages; i++)
		mem_free(c.stages[i]);
	mem_free(c.stages);
	dockerfile_variables_fini(&c.args);
	return r;
}

int dockerfile_check(const char *text, size_t len, const char *file,
    const struct dockerfile_rules *rules, struct err *err)
{
	bool lenient = false;

	/* Builders read on behind it. */
	if (memchr(text, '\0', len) != NULL)
		return err_set(err, ERR_INVALID, FAULT_CONFIGURATION,
		    "%.200s: it has a NUL byte, so it is no Dockerfile", file);
	TRY(check_as(text, len, file, rules, &lenient, err));
	return lenient ? check_as(text, len, file, rules, &lenient, err) : 0;
}
