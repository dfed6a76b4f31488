/* Query parameters and JSON bodies, bounded and named in errors: see
 * api_internal.h. */
#include <jansson.h>

#include "api/api_internal.h"
#include "base/clock.h"
#include "base/parse.h"
#include "jobs/request.h"

int param_int(struct call *c, const char *name, int64_t min, int64_t max,
    int64_t *ret, struct err *err)
{
	const char *text = http_query(c->x, name);

	if (text == NULL || parse_int(text, min, max, ret) == 0)
		return 0;
	return err_set(err, ERR_INVALID, "invalid_parameter",
	    "Parameter \"%s\": expected an integer from %lld to %lld, got "
	    "\"%.40s\"",
	    name, (long long)min, (long long)max, text);
}

int param_bool(struct call *c, const char *name, bool *ret, struct err *err)
{
	const char *text = http_query(c->x, name);

	if (text == NULL || parse_bool(text, ret) == 0)
		return 0;
	return err_set(err, ERR_INVALID, "invalid_parameter",
	    "Parameter \"%s\": expected true or false, got \"%.40s\"", name,
	    text);
}

int param_time(struct call *c, const char *name, bool end_of_day, int64_t *ret,
    struct err *err)
{
	const char *text = http_query(c->x, name);

	if (text == NULL)
		return 0;
	if (clock_parse_iso(text, ret) < 0)
		return err_set(err, ERR_INVALID, "invalid_parameter",
		    "Parameter \"%s\": expected a date such as 2026-01-31 or "
		    "2026-01-31T12:00:00Z, got \"%.40s\"",
		    name, text);
	if (end_of_day && text[10] == '\0') /* a day is meant whole */
		*ret += INT64_C(86400) * CLOCK_NS_PER_S - 1;
	return 0;
}

json_t *param_body(struct call *c, struct err *err)
{
	size_t len;
	const char *body = http_body(c->x, &len);

	return request_json(body, len, err);
}
