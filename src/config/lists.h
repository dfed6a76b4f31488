/* The two list-valued options, `routes` and `pool`, from YAML. */
#ifndef CONFIG_LISTS_H
#define CONFIG_LISTS_H

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"

struct yaml_item;

/* Replace what o holds. file: for messages, "hub.yml". */
int routes_set(struct options *o, const char *file,
    const struct yaml_item *list, struct err *err) MUST_CHECK;
int pools_set(struct options *o, const char *file, const struct yaml_item *list,
    struct err *err) MUST_CHECK;
void routes_free(struct options *o);
void pools_free(struct options *o);
/* One line: "gpu+linux -> img; ..." and "img x 2 08:00-18:00 mon-fri; ..." */
void routes_render(const struct options *o, struct buf *out);
void pools_render(const struct options *o, struct buf *out);

#endif
