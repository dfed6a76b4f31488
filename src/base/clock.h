/*
 * Time. Monotonic nanoseconds for waits and durations, wall-clock
 * nanoseconds since 1970 UTC only where people or stores see them. Tests
 * replace both with clock_fake_set.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_NS_PER_MS   INT64_C(1000000)
#define CLOCK_NS_PER_S    INT64_C(1000000000)
#define CLOCK_ISO_LEN     25 /* "2026-01-31T12:34:56.789Z" and NUL */
#define CLOCK_NO_DEADLINE INT64_MAX

int64_t clock_mono_ns(void);
int64_t clock_wall_ns(void);

/* Monotonic time `ms` from now; negative or huge ms: CLOCK_NO_DEADLINE. */
int64_t clock_deadline_ms(int64_t ms);

/* Milliseconds until a monotonic deadline, for poll(): 0 when passed, -1
 * for CLOCK_NO_DEADLINE, rounded up, capped to INT_MAX. */
int clock_poll_ms(int64_t deadline_ns);

/* ISO 8601 UTC with milliseconds and Z. Returns out. */
char *clock_iso(int64_t wall_ns, char out[CLOCK_ISO_LEN]);

/* Accepts "2026-01-31", "2026-01-31T12:34:56[.fff][Z|+hh:mm]"; 0 or -1. A
 * time beyond what nanoseconds hold (1678 to 2261) becomes the nearest. */
int clock_parse_iso(const char *text, int64_t *ret_wall_ns);

/* Tests only: both clocks stand at these values until set again; negative
 * mono_ns returns to the real clocks. */
void clock_fake_set(int64_t mono_ns, int64_t wall_ns);

#endif
