/*
 * What requests leave in the audit log (store/audit.h). A route that has a
 * name for it (struct route: audit) is noted by the dispatcher; handlers may
 * add to the note. Handler threads, before the answer; audit_done: the loop's.
 */
#ifndef API_AUDIT_H
#define API_AUDIT_H

#include "api/api_internal.h"

/* Who asks, as rows name them; returns out. */
const char *audit_actor_of(const struct call *c, char *out, size_t size);
/* The request does this, by c->who, to c->id. */
void audit_begin(struct call *c, const char *action);
/* Who, where it is no principal ("user:default/jane"); to what. */
void audit_actor(struct call *c, const char *actor);
void audit_object(struct call *c, const char *object);
/* {key: value} beside it; the last one counts. */
void audit_detail(struct call *c, const char *key, const char *value);
/* Once per request; takes what was noted. */
void audit_done(struct api *a, const struct http_done *d);

#endif
