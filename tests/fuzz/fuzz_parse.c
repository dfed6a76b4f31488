/*
 * base/parse.h on any bytes: what is accepted lies within the bounds that
 * were asked for, and saying it again in plain words gives the same value.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "base/parse.h"

#define TEXT_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_int(const char *text, int64_t min, int64_t max)
{
	char again[32];
	int64_t value = 0, second = 0;

	if (parse_int(text, min, max, &value) < 0)
		return;
	ASSERT(value >= min && value <= max);
	snprintf(again, sizeof again, "%" PRId64, value);
	ASSERT(parse_int(again, min, max, &second) == 0 && second == value);
}

static void check_units(const char *text)
{
	char again[32];
	int64_t value = 0, second = 0;

	if (parse_size(text, &value) == 0) {
		ASSERT(value >= 0);
		snprintf(again, sizeof again, "%" PRId64, value);
		ASSERT(parse_size(again, &second) == 0 && second == value);
	}
	if (parse_duration(text, 1000, &value) == 0) {
		ASSERT(value >= 0);
		snprintf(again, sizeof again, "%" PRId64 "ms", value);
		ASSERT(
		    parse_duration(again, 1, &second) == 0 && second == value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TEXT_MAX];
	double number = 0;
	bool truth = false;

	if (size >= sizeof text)
		size = sizeof text - 1;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_int(text, INT64_MIN, INT64_MAX);
	check_int(text, 0, 65535);
	check_int(text, -7, 7);
	check_units(text);
	if (parse_num(text, -10.0, 10.0, &number) == 0)
		ASSERT(number >= -10.0 && number <= 10.0);
	IGNORE(parse_bool(text, &truth)); /* must only not misbehave */
	/* Nobody means a word of more than 48 bytes: that is far from all. */
	ASSERT(parse_distance(text, text) == (strlen(text) > 48 ? 8 : 0));
	ASSERT(
	    parse_distance(text, "timeout") == parse_distance("timeout", text));
	return 0;
}
