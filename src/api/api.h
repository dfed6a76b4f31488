/*
 * The REST API (jobs-api): one table of routes, one file per resource. Sits
 * between the HTTP server and the hub; handlers run on the server's worker
 * threads and answer exactly once.
 */
#ifndef API_API_H
#define API_API_H

#include "base/err.h"
#include "jobs/hub.h"
#include "net/http_server.h"
#include "net/tls.h"

struct api;

/* The registry that its routes serve; before api_start, borrowed. */
struct runners;
void api_set_runners(struct api *a, struct runners *runners);
struct components; /* the same */
void api_set_components(struct api *a, struct components *components);
struct portal; /* whose users may use components; the same, or NULL */
void api_set_portal(struct api *a, struct portal *portal);
struct notify; /* the same */
void api_set_notify(struct api *a, struct notify *notify);
int api_open(struct api **ret, struct hub *hub, struct err *err) MUST_CHECK;
/* Binds and serves. */
int api_start(struct api *a, struct err *err) MUST_CHECK;
int api_port(const struct api *a);
int api_components_port(const struct api *a); /* their own; 0: none */
/* Has the hub's certificate been replaced? Looks at its files, now and then
 * or, with `now`, in any case; one thread. */
void api_renew_tls(struct api *a, bool now);
bool api_has_tls(const struct api *a);
/* The files of these options; valid while they are. */
struct tls_files api_tls_files(const struct options *o);
/* Does it listen for other machines, without TLS and without a proxy that has
 * it? NULL, or where: "0.0.0.0". */
const char *api_plain_listen(const struct options *o);
/* The path of its unix socket, from api_open on; NULL: none. */
const char *api_socket(const struct api *a);
/* Stops serving; running requests get up to drain_ms. */
void api_stop(struct api *a, int64_t drain_ms);
void api_close(struct api *a);

#endif
