/* Time: see clock.h. Any thread. */
#include "base/clock.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static _Atomic int64_t fake_mono_ns = -1;
static _Atomic int64_t fake_wall_ns;

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * CLOCK_NS_PER_S + ts.tv_nsec;
}

int64_t clock_mono_ns(void)
{
	int64_t fake = atomic_load(&fake_mono_ns);

	return fake >= 0 ? fake : read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
	if (atomic_load(&fake_mono_ns) >= 0)
		return atomic_load(&fake_wall_ns);
	return read_clock(CLOCK_REALTIME);
}

void clock_fake_set(int64_t mono_ns, int64_t wall_ns)
{
	atomic_store(&fake_wall_ns, wall_ns);
	atomic_store(&fake_mono_ns, mono_ns);
}

int64_t clock_deadline_ms(int64_t ms)
{
	int64_t now = clock_mono_ns();

	if (ms < 0 || ms > (CLOCK_NO_DEADLINE - now) / CLOCK_NS_PER_MS)
		return CLOCK_NO_DEADLINE;
	return now + ms * CLOCK_NS_PER_MS;
}

int clock_poll_ms(int64_t deadline_ns)
{
	int64_t left;

	if (deadline_ns == CLOCK_NO_DEADLINE)
		return -1;
	left = deadline_ns - clock_mono_ns();
	if (left <= 0)
		return 0;
	left = (left + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
	return left > INT_MAX ? INT_MAX : (int)left;
}

char *clock_iso(int64_t wall_ns, char out[CLOCK_ISO_LEN])
{
	int64_t s = wall_ns / CLOCK_NS_PER_S;
	int64_t rest = wall_ns % CLOCK_NS_PER_S;
	struct tm tm;
	time_t t;

	if (rest < 0) {
		rest += CLOCK_NS_PER_S;
		s--;
	}
	t = (time_t)s;
	gmtime_r(&t, &tm);
	snprintf(out, CLOCK_ISO_LEN, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned)(tm.tm_year + 1900) % 10000,
	    (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100,
	    (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
	    (unsigned)tm.tm_sec % 100,
	    (unsigned)(rest / CLOCK_NS_PER_MS) % 1000);
	return out;
}

/* Reads exactly n digits at *p, advancing it. */
/* 1678-01-01 and 2261-12-31: with a day to spare on each side. */
#define CLOCK_PARSE_MIN_S INT64_C(-9214560000)
#define CLOCK_PARSE_MAX_S INT64_C(9214560000)

static int digits(const char **p, int n, int *ret)
{
	int v = 0;

	while (n-- > 0) {
		if (**p < '0' || **p > '9')
			return -1;
		v = v * 10 + (*(*p)++ - '0');
	}
	*ret = v;
	return 0;
}

/* "Z", "+hh:mm" or nothing, to the end of the text. */
static int parse_zone(const char *p, int *ret_minutes)
{
	int sign, h, m;

	*ret_minutes = 0;
	if (*p == '\0' || (strcmp(p, "Z") == 0))
		return 0;
	if (*p != '+' && *p != '-')
		return -1;
	sign = *p++ == '-' ? -1 : 1;
	if (digits(&p, 2, &h) < 0 || *p++ != ':' || digits(&p, 2, &m) < 0 ||
	    *p != '\0' || h > 23 || m > 59)
		return -1;
	*ret_minutes = sign * (h * 60 + m);
	return 0;
}

/* Nanoseconds of a time that they can hold, else of the nearest one. */
static int64_t seconds_to_ns(int64_t seconds)
{
	if (seconds < CLOCK_PARSE_MIN_S)
		seconds = CLOCK_PARSE_MIN_S;
	if (seconds > CLOCK_PARSE_MAX_S)
		seconds = CLOCK_PARSE_MAX_S;
	return seconds * CLOCK_NS_PER_S;
}

int clock_parse_iso(const char *p, int64_t *ret)
{
	struct tm tm = {0};
	int64_t frac = 0, unit = CLOCK_NS_PER_S;
	int zone = 0, day, leap;

	if (digits(&p, 4, &tm.tm_year) < 0 || *p++ != '-' ||
	    digits(&p, 2, &tm.tm_mon) < 0 || *p++ != '-' ||
	    digits(&p, 2, &tm.tm_mday) < 0)
		return -1;
	if (*p == 'T' || *p == ' ') {
		p++;
		if (digits(&p, 2, &tm.tm_hour) < 0 || *p++ != ':' ||
		    digits(&p, 2, &tm.tm_min) < 0 || *p++ != ':' ||
		    digits(&p, 2, &tm.tm_sec) < 0)
			return -1;
		if (*p == '.') {
			for (p++; *p >= '0' && *p <= '9' && unit > 1; p++) {
				unit /= 10;
				frac += (*p - '0') * unit;
			}
		}
		if (parse_zone(p, &zone) < 0)
			return -1;
	} else if (*p != '\0') {
		return -1;
	}
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	day = tm.tm_mday;
	leap = tm.tm_sec == 60; /* may be the last second of its day */
	tm.tm_sec -= leap;
	*ret = seconds_to_ns((int64_t)timegm(&tm) + leap - (int64_t)zone * 60) +
	       frac;
	return tm.tm_mday == day ? 0 : -1; /* timegm moved 31 February */
}
