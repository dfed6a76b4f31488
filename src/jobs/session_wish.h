/*
 * What a session was wished to be, as it is kept: the public half in the
 * spec, the rest sealed with the job's secrets under a name that no variable
 * can have. request_session.c writes it, carriers read it.
 */
#ifndef JOBS_SESSION_WISH_H
#define JOBS_SESSION_WISH_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "jobs/spec.h"

/* In the sealed object: {"container":{...},"services":[{...}]}. */
#define SESSION_WISH ":session"

/* Does the spec ask for more than a plain sandbox? */
bool session_wish_is_made(const struct spec *spec);
bool session_wish_has_network(const struct spec *spec);
/* Its container is described (not null, not absent). */
bool session_wish_has_container(const struct spec *spec);
/*
 * Takes the wish out of the unsealed secrets, so that only variables stay,
 * and adds to env what the wished container shall have of them: the engine's
 * inspect shows none.
 */
int session_wish_take_env(
    json_t *secrets, json_t *env, struct err *err) MUST_CHECK;

#endif
