/*
 * Bodies that may hold a password or a secret: no error quotes them, and their
 * texts are wiped. Handler threads.
 */
#ifndef API_SECRET_BODY_H
#define API_SECRET_BODY_H

#include <jansson.h>

#include "api/api_internal.h"

/* An object, to be forgotten; NULL: ERR_INVALID, without its words. */
json_t *secret_body_read(struct call *c, struct err *err);
/* Wipes every text of it. */
void secret_body_forget(json_t *body);
DEFINE_CLEANUP(json_t *, secret_body_forget);

#endif
