/*
 * `component validate`: what the hub would say to the descriptor of a
 * directory, without a hub and before anything is pushed. Main thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "cmd/component.h"
#include "cmd/ui.h"
#include "components/descriptor.h"

#define DESCRIPTOR_FILE ".runner/config.yml"

/* "web/.runner/config.yml": as an editor finds it from here. */
static char *shown_path(const char *directory, const char *file)
{
	size_t n = strlen(directory);

	while (n > 1 && directory[n - 1] == '/')
		n--;
	if (n == 1 && directory[0] == '.')
		return mem_strdup(file);
	return mem_printf("%.*s%s%s", (int)n, directory,
	    directory[n - 1] == '/' ? "" : "/", file);
}

static void print_text(
    const char *path, const struct descriptor *d, const struct problems *p)
{
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 20};

	for (size_t i = 0; i < p->n; i++) {
		const struct problem *one = &p->v[i];

		IGNORE(buf_append_str(&out, path));
		if (one->line > 0)
			IGNORE(
			    buf_printf(&out, ":%d:%d", one->line, one->column));
		IGNORE(buf_printf(&out, ": %s%s\n",
		    one->warning ? "warning: " : "", one->text));
	}
	if (p->errors + p->warnings > p->n)
		IGNORE(buf_printf(&out, "%s: and %zu more\n", path,
		    p->errors + p->warnings - p->n));
	if (p->errors == 0) {
		IGNORE(buf_printf(
		    &out, "%s: good: %s, port", path, d->dockerfile));
		for (size_t i = 0; i < d->nports; i++)
			IGNORE(buf_printf(&out, "%s %d%s", i > 0 ? "," : "",
			    d->ports[i].container,
			    d->ports[i].udp ? "/udp" : ""));
		IGNORE(buf_append_char(&out, '\n'));
	}
	ui_print(&out);
}

static void print_json(const char *path, const struct problems *p)
{
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 20};
	struct json j;

	json_init(&j, &out);
	json_obj(&j);
	json_kstr(&j, "file", path);
	json_kbool(&j, "valid", p->errors == 0);
	json_kint(&j, "errors", (int64_t)p->errors);
	json_kint(&j, "warnings", (int64_t)p->warnings);
	json_karr(&j, "problems");
	for (size_t i = 0; i < p->n; i++) {
		json_obj(&j);
		json_kint(&j, "line", p->v[i].line);
		json_kint(&j, "column", p->v[i].column);
		json_kstr(
		    &j, "severity", p->v[i].warning ? "warning" : "error");
		json_kstr(&j, "text", p->v[i].text);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
	IGNORE(buf_append_char(&out, '\n'));
	ui_print(&out);
}

/* 0 also when problems were found; -1: there was nothing to look at. */
static int look(const char *directory, const char *file, struct descriptor *d,
    struct problems *problems, struct err *err)
{
	CLEANUP(fd_close)
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "open the directory %s", directory);
	if (descriptor_load(fd, file, d, problems, err) < 0)
		return problems->errors > 0 ? 0 : -1;
	/* what is wrong is in problems */
	IGNORE(descriptor_check(d, fd, file, problems, err));
	return 0;
}

static int validate_run(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	CLEANUP(descriptor_fini) struct descriptor d = {0};
	CLEANUP(problems_fini) struct problems problems = {0};
	CLEANUP(mem_free) char *path = NULL;
	struct err err = ERR_INIT;
	const char *directory, *file;
	int rc;

	if (!invocation_begin(&v, &command_component_validate, argc, argv, &rc))
		return rc;
	directory = v.args.noperands > 0 ? args_operand(&v.args, 0) : ".";
	file = args_get(&v.args, "file");
	if (file == NULL)
		file = DESCRIPTOR_FILE;
	if (look(directory, file, &d, &problems, &err) < 0)
		return command_fail(&err);
	path = shown_path(directory, file);
	if (v.json)
		print_json(path, &problems);
	else
		print_text(path, &d, &problems);
	return problems.errors > 0 ? EXIT_FAILED : EXIT_OK;
}

static const struct command_option validate_options[] = {
    {"json", 'j', NULL, "print JSON, for programs", NULL},
    {"file", 'f', "FILE", "its path in DIR, instead of " DESCRIPTOR_FILE, NULL},
    {0},
};

const struct command command_component_validate = {
    .name = "component validate",
    .operands = "[DIR]",
    .operands_max = 1,
    .summary = "check a component's " DESCRIPTOR_FILE,
    .details = "Reads the descriptor of the component in DIR (the working "
	       "directory) as the hub would, and looks for its Dockerfile and "
	       "build context. Prints every problem as file:line:column: text, "
	       "and ends with 1 when there is an error; warnings are keys that "
	       "are not known.",
    .options = validate_options,
    .run = validate_run,
};
