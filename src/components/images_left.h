/*
 * Images of components that are in no catalog any more and do not run: they go
 * when that was so for components.imageGrace, long before the budget would
 * miss their room. Judged only while everything is known: a catalog of which a
 * part cannot be read, or a portal that does not answer, says nothing about
 * what is gone. Internal to components/; for images_tidy, one at a time.
 */
#ifndef COMPONENTS_IMAGES_LEFT_H
#define COMPONENTS_IMAGES_LEFT_H

#include "components/images.h"

struct image_absence {
	char tag[IMAGES_TAG];
	int64_t since; /* mono */
};
/* One look at all images. */
struct images_left {
	struct components *c;
	bool knows;   /* else nothing is judged */
	char **names; /* of components, as tags begin; ends with NULL */
	size_t nnames;
	struct image_absence *absent; /* those met by this look */
	size_t nabsent;
};
/* May ask the portal. */
void images_left_begin(
    struct images_left *l, struct components *c, const struct ctx *ctx);
/* Was its component nowhere for long enough? Each image once. */
bool images_left_is_over(struct images_left *l, const char *tag);
/* When there is reason to look again, mono. */
int64_t images_left_end(struct images_left *l);

#endif
