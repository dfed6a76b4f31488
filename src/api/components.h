/* The component API among the files of api/: routes of its own below a base
 * path of its own, with the answers and errors that a portal expects. */
#ifndef API_COMPONENTS_H
#define API_COMPONENTS_H

#include "api/api_internal.h"
#include "components/components.h"

/* Is the path below the base path? By segments: "/api/runners" is not below
 * "/api/runner". *ret_rest: what follows, "" or "/...". */
bool component_path(
    const struct api *a, const char *path, const char **ret_rest);
struct answer component_dispatch(struct call *c, const char *rest);

/* {"error":{name,message,code},"request":{method,url},"response":{...}} */
struct answer component_error(struct call *c, const struct err *err);
struct answer component_error_as(
    struct call *c, int status, const char *name, const struct err *err);
/* The instance that the path names: 1, or 0 with ERR_NOT_FOUND or another. */
int component_instance(
    struct call *c, struct instance *ret, struct err *err) MUST_CHECK;
/* As a number at its beginning, "12abc" too; else 0. */
int64_t component_number(struct call *c, const char *name);

struct answer component_start(struct call *c);
struct answer component_stop(struct call *c);
struct answer component_instances(struct call *c);
struct answer component_show(struct call *c);
struct answer component_logs(struct call *c);
struct answer component_health(struct call *c);
struct answer component_errors(struct call *c);
struct answer component_errors_all(struct call *c);
struct answer component_catalog(struct call *c);

#endif
