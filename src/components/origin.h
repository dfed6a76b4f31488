/*
 * Where an instance comes from: what of its entity a start needs, taken once
 * when it is admitted. It is kept with the instance, so that a hub that comes
 * back goes on with the same, whatever the catalog says by then. Pure.
 */
#ifndef COMPONENTS_ORIGIN_H
#define COMPONENTS_ORIGIN_H

#include "base/json_out.h"
#include "components/entity.h"

struct origin {
	char *source;      /* a source location; NULL: the entity has none */
	char *config_path; /* NULL: an origin that was not kept */
	/* May it be a directory of this machine? Whoever writes a file that
	 * comes over the network does not choose among those. */
	bool local;
	bool rebuild; /* its image, whatever was built before */
};
void origin_fini(struct origin *o);
static inline void origin_fini_guard(struct origin *o)
{
	origin_fini(o);
}
void origin_of(const struct entity *e, bool local, struct origin *ret);
/* As members of an object that is open; and back, of its text (NULL: none). */
void origin_write(const struct origin *o, struct json *j);
void origin_read(const char *object, struct origin *ret);

#endif
