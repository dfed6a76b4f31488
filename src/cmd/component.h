/* What the `component` commands share. Main thread, unless said. */
#ifndef CMD_COMPONENT_H
#define CMD_COMPONENT_H

#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/ui.h"

extern const struct command command_component_list, command_component_start,
    command_component_status, command_component_logs, command_component_stop,
    command_component_errors, command_component_validate;

/* -- calls (component_call.c) ------------------------------------------ */
/* The path below the first base path of the configuration; mem_free. */
char *component_target(const struct options *o, const char *suffix);
/* "/instances/<id>" and suffix below it, the id percent-encoded; mem_free. */
char *component_instance_target(
    const struct options *o, const char *id, const char *suffix);
/* "hello", "shop/web" and "api:web" as whole references; mem_free. */
char *component_whole_ref(const char *text);
/* Compares without case, as the catalog does. */
bool component_is_ref(const json_t *component, const char *whole_ref);
/* All instances, oldest first; the caller's. */
int component_read_instances(struct client *c, const struct ctx *ctx,
    const struct options *o, json_t **ret, struct err *err) MUST_CHECK;
/* By id, or the newest of a component; the caller's. */
int component_find(struct client *c, const struct ctx *ctx,
    const struct options *o, const char *id_or_ref, json_t **ret,
    struct err *err) MUST_CHECK;
/* "http://host:port" of each port, one per line, each behind indent. The host
 * is the hub's public one, else where we reach the hub, else localhost. */
void component_links(const struct client *c, const json_t *instance,
    const char *indent, struct buf *out);
enum ui_style component_style(const char *status);

/* -- following one (component_watch.c) --------------------------------- */
/*
 * seen(arg) with each state of the instance, the present one first, until it
 * returns false. Outlives restarts of the hub for a minute.
 */
int component_watch(struct client *c, const struct ctx *ctx,
    const struct options *o, const char *id,
    bool (*seen)(void *arg, const json_t *instance), void *arg,
    struct err *err) MUST_CHECK;

/* -- a start, shown (component_progress.c) ----------------------------- */
/* On stderr: steps redrawn in place on a terminal, else a line for each
 * change. Has a thread that keeps the clock of a step going. */
struct progress;
struct progress *progress_open(void);
void progress_show(struct progress *p, const json_t *instance);
/* Leaves the last state shown. NULL is fine. */
void progress_close(struct progress *p);
DEFINE_CLEANUP(struct progress *, progress_close);

#endif
