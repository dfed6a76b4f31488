/* The shapes in which a secret value is likely to be printed; for mask.c. */
#ifndef BASE_MASK_FORMS_H
#define BASE_MASK_FORMS_H

#include <stddef.h>

typedef void mask_form_fn(void *arg, const char *form, size_t len);

/* Calls emit for the value itself and for each of its encodings. Forms may
 * repeat. len <= MASK_PIECE_MAX. */
void mask_forms_each(
    const char *value, size_t len, mask_form_fn *emit, void *arg);

#endif
