/*
 * One container of the job: created from its document, looked at, asked.
 * Shared by prepare.c, step.c, health.c and container_step.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "hook/direct_internal.h"

#define DOCUMENT_MAX ((size_t)4 * 1024 * 1024)
#define LOG_TAIL     200

/* -- create ------------------------------------------------------------ */

static int make_body(struct direct *d, const struct direct_container *wanted,
    struct body_made *ret, struct err *err)
{
	struct direct_labels labels = direct_labels(d);
	const struct mount_rules rules = {.policy = &d->settings->policy,
	    .paths = &d->paths,
	    .roots = wanted->roots,
	    .nroots = wanted->nroots,
	    .volume_prefix = d->volume_prefix};
	const struct body body = {.container = wanted->container,
	    .image = wanted->image,
	    .network = wanted->network,
	    .alias = wanted->container->alias,
	    .more_aliases = wanted->aliases,
	    .path = wanted->path,
	    .labels = labels.body,
	    .keep_alive = wanted->keep_alive,
	    .with_ports = wanted->with_ports,
	    .rules = &rules};

	return body_make(&body, ret, err);
}

/* The engine's words for a bind whose source it does not see. */
static int explain(struct direct *d, struct err *err)
{
	if (strstr(err->msg, "bind source path does not exist") != NULL)
		return err_wrap(err,
		    "the engine at %s does not see a directory of the runner "
		    "(see \"Runner and engine must see the same files\" in "
		    "docs/HOOKS.md)",
		    engine_host(d->engine));
	return -1;
}

int direct_create(struct direct *d, const struct ctx *ctx,
    const struct direct_container *wanted, char ret_id[ENGINE_ID_LEN],
    struct err *err)
{
	CLEANUP(body_made_fini) struct body_made made = {.json = NULL};
	char unique[17], name[100];

	TRY(direct_find_paths(d, ctx, err));
	TRY(make_body(d, wanted, &made, err));
	if (made.socket_dropped)
		output_say("The engine's socket is not mounted into the "
			   "container (" POLICY_SETTING "=engine-socket would "
			   "do that).");
	snprintf(name, sizeof(name), "runnerhub-hook-%s-%s",
	    random_hex(unique, 8), wanted->kind);
	if (engine_container_create_from(d->engine, ctx, name, made.platform,
		made.json, strlen(made.json), ret_id, err) != 0)
		return explain(d, err);
	return 0;
}

/* -- look -------------------------------------------------------------- */

int direct_document(struct direct *d, const struct ctx *ctx, const char *id,
    json_t **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = DOCUMENT_MAX};

	TRY(engine_container_document(d->engine, ctx, id, &text, err));
	return document_read(buf_str(&text), text.len, id, ret, err);
}

/* -- hear -------------------------------------------------------------- */

void direct_print_logs(
    struct direct *d, const struct ctx *ctx, const char *id, const char *title)
{
	CLEANUP(output_fini) struct output lines;
	struct err err = ERR_INIT;
	int r;

	output_init(&lines);
	output_group(title);
	r = engine_container_logs(
	    d->engine, ctx, id, LOG_TAIL, output_piece, &lines, &err);
	if (r == 0)
		r = output_flush(&lines, &err);
	if (r != 0)
		output_say("%s", err.msg);
	output_group_end();
}

/* What does not fit is passed over. */
static int collect(
    void *arg, int stream, const char *data, size_t len, struct err *err)
{
	(void)stream;
	(void)err;
	IGNORE(buf_append(arg, data, len)); /* out->overflow tells */
	return 0;
}

int direct_ask(struct direct *d, const struct ctx *ctx, const char *id,
    const char *const *argv, const char *user, struct buf *out,
    int *ret_exit_code, struct err *err)
{
	CLEANUP(engine_stream_free) struct engine_stream *stream = NULL;
	CLEANUP(buf_fini) struct buf early = {.max = 65536};
	const struct engine_exec_spec spec = {.argv = argv, .user = user};
	char exec[ENGINE_ID_LEN];
	int fd;

	TRY(engine_exec_create(d->engine, ctx, id, &spec, exec, err));
	TRY(engine_exec_start(d->engine, ctx, exec, &fd, &early, err));
	stream = engine_stream_new(fd, &early);
	TRY(engine_stream_read(stream, ctx, collect, out, err));
	return engine_exec_result(d->engine, ctx, exec, ret_exit_code, err);
}
