/* Bounded parsing of outside text: see parse.h. */
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/defs.h"

/* Digits at *p into *ret; -1 when there is none or it would overflow. */
static int scan_digits(const char **p, int64_t *ret)
{
	int64_t v = 0;

	if (**p < '0' || **p > '9')
		return -1;
	for (; **p >= '0' && **p <= '9'; (*p)++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, **p - '0', &v))
			return -1;
	*ret = v;
	return 0;
}

int parse_int(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	bool neg = *text == '-';
	int64_t v;

	if (neg)
		text++;
	if (scan_digits(&text, &v) < 0 || *text != '\0')
		return -1;
	if (neg)
		v = -v;
	if (v < min || v > max)
		return -1;
	*ret = v;
	return 0;
}

int parse_num(const char *text, double min, double max, double *ret)
{
	char *end;
	double v;

	if (*text == '\0' || strlen(text) > 40 ||
	    text[strspn(text, "-+.0123456789eE")] != '\0')
		return -1;
	errno = 0;
	v = strtod(text, &end);
	if (errno != 0 || *end != '\0' || !isfinite(v) || v < min || v > max)
		return -1;
	*ret = v;
	return 0;
}

int parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = {"true", "1", "yes", "on"};
	static const char *const no[] = {"false", "0", "no", "off"};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcasecmp(text, yes[i]) == 0) {
			*ret = true;
			return 0;
		}
		if (strcasecmp(text, no[i]) == 0) {
			*ret = false;
			return 0;
		}
	}
	return -1;
}

int parse_size(const char *text, int64_t *ret)
{
	static const char units[] = "bkmgt";
	const char *unit;
	int64_t v;

	if (scan_digits(&text, &v) < 0)
		return -1;
	if (*text != '\0') {
		unit = strchr(units, tolower((unsigned char)*text));
		if (unit == NULL)
			return -1;
		if (__builtin_mul_overflow(
			v, INT64_C(1) << 10 * (unit - units), &v))
			return -1;
		text++;
		if (unit != units &&
		    (strcasecmp(text, "b") == 0 || strcasecmp(text, "ib") == 0))
			text = "";
	}
	if (*text != '\0')
		return -1;
	*ret = v;
	return 0;
}

int parse_duration(const char *text, int64_t unit_ms, int64_t *ret)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000},
	    {"d", 86400000}};
	int64_t v;

	if (scan_digits(&text, &v) < 0)
		return -1;
	for (size_t i = 0; *text != '\0' && i < ARRAY_LEN(units); i++)
		if (strcmp(text, units[i].name) == 0) {
			unit_ms = units[i].ms;
			text = "";
		}
	if (*text != '\0' || __builtin_mul_overflow(v, unit_ms, &v))
		return -1;
	*ret = v;
	return 0;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

unsigned parse_distance(const char *a, const char *b)
{
	enum { MAX = 48, CAP = 8 };
	unsigned d[3][MAX + 1] = {{0}};
	size_t la = strlen(a), lb = strlen(b);

	if (la > MAX || lb > MAX)
		return CAP;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *now = d[i % 3], *up = d[(i + 2) % 3];
		const unsigned *up2 = d[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			now[j] = min3(up[j] + 1, now[j - 1] + 1,
			    up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && up2[j - 2] + 1 < now[j])
				now[j] = up2[j - 2] + 1;
		}
	}
	return d[la % 3][lb] < CAP ? d[la % 3][lb] : CAP;
}

int parse_json_depth(const char *text, size_t len, unsigned max)
{
	bool in_string = false;
	unsigned depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '"')
			in_string = !in_string;
		else if (in_string && c == '\\')
			i++; /* also an escaped quote */
		else if (!in_string && (c == '[' || c == '{') && ++depth > max)
			return -1;
		else if (!in_string && (c == ']' || c == '}') && depth > 0)
			depth--;
	}
	return 0;
}
