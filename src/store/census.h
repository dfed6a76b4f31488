/* How many there are in each state, for overviews. Any thread. */
#ifndef STORE_CENSUS_H
#define STORE_CENSUS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct store;

#define CENSUS_STATES_MAX 16
struct census {
	size_t n;
	struct {
		char state[24];
		int64_t count;
	} states[CENSUS_STATES_MAX]; /* in the order of their names */
};
int store_count_runners(
    struct store *s, struct census *ret, struct err *err) MUST_CHECK;
/* Of components: those of the time that the store keeps. */
int store_count_instances(
    struct store *s, struct census *ret, struct err *err) MUST_CHECK;

#endif
