/* Where a hub keeps its store and by which key it is opened: for the hub, and
 * for commands that look at the store of a hub that is stopped. */
#ifndef JOBS_STORE_PLACE_H
#define JOBS_STORE_PLACE_H

#include <limits.h>

#include "config/config.h"
#include "store/store.h"

struct store_place {
	char path[PATH_MAX], key_path[PATH_MAX];
	struct store_config config; /* borrows these and keys of the options */
};
void store_place_find(
    struct store_place *ret, const struct options *o, const char *state_dir);

#endif
