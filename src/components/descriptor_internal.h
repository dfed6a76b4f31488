/*
 * The schema of .runner/config.yml as rows, and what reads them. A row stands
 * for one key; the readers below are shared by rows of the same kind.
 */
#ifndef COMPONENTS_DESCRIPTOR_INTERNAL_H
#define COMPONENTS_DESCRIPTOR_INTERNAL_H

#include "components/descriptor.h"
#include "config/yaml_doc.h"

#define DESCRIPTOR_PATH_MAX  192
#define DESCRIPTOR_PORTS_MAX 64
#define DESCRIPTOR_LIST_MAX  256
#define DESCRIPTOR_TEXT_MAX  (32 * 1024)

/* Milliseconds. */
#define SECOND 1000.0
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define AT(field) offsetof(struct descriptor, field)

struct reading {
	struct descriptor *d;
	struct problems *problems;
};

struct key {
	const char *name;
	void (*read)(struct reading *r, const struct key *k,
	    const struct yaml_item *item, const char *path);
	const char *expected; /* what is accepted, for messages */
	size_t offset;        /* into struct descriptor */
	double min, max;      /* milliseconds, bytes or numbers */
	bool required;
};

/* Reads a map by its rows (the last has no name); null values are as good as
 * absent. Unknown keys are warnings that name the nearest known one. */
void descriptor_read_map(struct reading *r, const struct key *keys,
    const struct yaml_item *map, const char *path);
/* The known key that was probably meant, or NULL. */
const char *descriptor_nearest_key(const struct key *keys, const char *name);

struct place descriptor_place(const struct yaml_item *item);
/* "<path>: <what stands there> is not accepted, expected <k->expected>" */
void descriptor_wrong(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path);

/* -- readers: each writes at k->offset, or adds a problem -------------- */
void read_duration(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path); /* int64_t, ms */
void read_bytes(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path); /* int64_t */
void read_count(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path); /* int64_t */
void read_number(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path); /* double */
/* The same to a variable; false: a problem was added. */
bool value_count(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path, int64_t *ret);
/* Relative, within the repository, normalised; min 1: not its root. */
void read_path(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path); /* char * */
/* A name of max bytes: letters, digits, "_", "." and "-". */
void read_name(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path); /* char * */
void read_ports(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path);
/* Names with values: environment, build arguments. */
void read_pairs(struct reading *r, const struct yaml_item *item,
    const char *path, struct descriptor_pair **ret, size_t *ret_n);
void read_command(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path);
void read_secrets(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path);
/* descriptor_health.c: the map, and after the whole file what follows from
 * the others. */
void descriptor_read_health(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path);
void descriptor_fill_health(struct reading *r, const struct yaml_item *runner);

#endif
