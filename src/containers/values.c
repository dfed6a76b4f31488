/* Sizes, durations and ports: see values.h. */
#include "containers/values.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/defs.h"
#include "base/parse.h"

/* -- numbers with units ------------------------------------------------ */

/* The decimal number that text begins with; text then stands after it. */
static int scan_number(const char **text, double *ret)
{
	char number[32];
	size_t len = strspn(*text, "0123456789.");

	if (len == 0 || len >= sizeof(number))
		return -1;
	memcpy(number, *text, len);
	number[len] = '\0';
	*text += len;
	return parse_num(number, 0, 9e18, ret);
}

static int whole(double v, int64_t *ret)
{
	if (v >= 9e18)
		return -1;
	*ret = (int64_t)v;
	return 0;
}

int value_bytes(const char *text, int64_t *ret)
{
	static const char units[] = "bkmgtp";
	const char *unit;
	double v;

	if (scan_number(&text, &v) != 0)
		return -1;
	if (*text == '\0')
		return whole(v, ret);
	unit = strchr(units, tolower((unsigned char)*text++));
	if (unit == NULL || unit[0] == '\0')
		return -1;
	for (; unit > units; unit--)
		v *= 1024;
	if (*text != '\0' && strcasecmp(text, "b") != 0 &&
	    strcasecmp(text, "ib") != 0)
		return -1;
	return whole(v, ret);
}

static int scan_unit(const char **text, double *ret_ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"ns", 1}, {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"ms", 1e6},
	    {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(*text, units[i].name, len) == 0) {
			*text += len;
			*ret_ns = units[i].ns;
			return 0;
		}
	}
	return -1;
}

int value_duration_ns(const char *text, int64_t *ret)
{
	double sum = 0, number, unit;

	if (strcmp(text, "0") == 0) {
		*ret = 0;
		return 0;
	}
	do {
		if (scan_number(&text, &number) != 0 ||
		    scan_unit(&text, &unit) != 0)
			return -1;
		sum += number * unit;
	} while (*text != '\0');
	return whole(sum, ret);
}

/* -- ports ------------------------------------------------------------- */

struct range {
	int first, last;
};

static int bad_port(const char *text, struct err *err)
{
	return err_set(err, ERR_INVALID, "bad_port",
	    "port \"%.100s\": write [[ip:]host-port:]port[/tcp|udp|sctp]",
	    text);
}

/* "80" or "80-82". 0 or -1. */
static int parse_range(const char *text, size_t len, struct range *ret)
{
	char copy[16], *dash;
	int64_t first, last;

	if (len >= sizeof(copy))
		return -1;
	memcpy(copy, text, len);
	copy[len] = '\0';
	dash = strchr(copy, '-');
	if (dash != NULL)
		*dash++ = '\0';
	if (parse_int(copy, 1, 65535, &first) != 0 ||
	    parse_int(dash != NULL ? dash : copy, first, 65535, &last) != 0)
		return -1;
	*ret = (struct range){(int)first, (int)last};
	return 0;
}

static int parse_protocol(const char *text, const char **ret)
{
	static const char *const known[] = {"tcp", "udp", "sctp"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcasecmp(text, known[i]) == 0) {
			*ret = known[i];
			return 0;
		}
	return -1;
}

/* Cuts "/udp" off the end: the length of what stands before it, or -1. */
static long cut_protocol(const char *text, const char **protocol)
{
	const char *slash = strchr(text, '/');

	*protocol = "tcp";
	if (slash == NULL)
		return (long)strlen(text);
	return parse_protocol(slash + 1, protocol) == 0 ? slash - text : -1;
}

int value_expose(const char *text, json_t *exposed, struct err *err)
{
	const char *protocol;
	struct range ports;
	long len = cut_protocol(text, &protocol);
	char key[16];

	if (len < 0 || parse_range(text, (size_t)len, &ports) != 0)
		return bad_port(text, err);
	for (int p = ports.first; p <= ports.last; p++) {
		snprintf(key, sizeof(key), "%d/%s", p, protocol);
		json_object_set_new(exposed, key, json_object());
	}
	return 0;
}

struct publish {
	char ip[64];
	bool has_host;
	struct range host, container;
	const char *protocol;
};

/* Last colon before `end`, outside of brackets; NULL: none. */
static const char *colon_before(const char *text, const char *end)
{
	while (end > text) {
		end--;
		if (*end == ':')
			return end;
		if (*end == ']')
			return NULL;
	}
	return NULL;
}

static int parse_ip(const char *text, size_t len, char ip[64])
{
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= 64 ||
	    strspn(text, "0123456789abcdefABCDEF.:") < len)
		return -1;
	memcpy(ip, text, len);
	ip[len] = '\0';
	return 0;
}

static int parse_publish(const char *text, struct publish *p)
{
	long len = cut_protocol(text, &p->protocol);
	const char *end, *mid, *left;

	if (len < 0)
		return -1;
	end = text + len;
	mid = colon_before(text, end);
	if (mid == NULL)
		return parse_range(text, (size_t)len, &p->container);
	if (parse_range(mid + 1, (size_t)(end - mid - 1), &p->container) != 0)
		return -1;
	left = colon_before(text, mid);
	if (left != NULL && parse_ip(text, (size_t)(left - text), p->ip) != 0)
		return -1;
	left = left != NULL ? left + 1 : text;
	if (left == mid) /* "127.0.0.1::80": any host port */
		return p->ip[0] != '\0' ? 0 : -1;
	p->has_host = true;
	if (parse_range(left, (size_t)(mid - left), &p->host) != 0)
		return -1;
	return p->host.last - p->host.first ==
		       p->container.last - p->container.first
		   ? 0
		   : -1;
}

static void put_binding(
    json_t *bindings, const char *key, const char *ip, int host_port)
{
	json_t *list = json_object_get(bindings, key);
	json_t *binding = json_object();
	char port[16] = "";

	if (host_port > 0)
		snprintf(port, sizeof(port), "%d", host_port);
	json_object_set_new(binding, "HostIp", json_string(ip));
	json_object_set_new(binding, "HostPort", json_string(port));
	if (list == NULL) {
		list = json_array();
		json_object_set_new(bindings, key, list);
	}
	json_array_append_new(list, binding);
}

int value_publish(
    const char *text, json_t *exposed, json_t *bindings, struct err *err)
{
	struct publish p = {.has_host = false};
	char key[16];

	if (parse_publish(text, &p) != 0)
		return bad_port(text, err);
	for (int port = p.container.first; port <= p.container.last; port++) {
		snprintf(key, sizeof(key), "%d/%s", port, p.protocol);
		json_object_set_new(exposed, key, json_object());
		put_binding(bindings, key, p.ip,
		    p.has_host ? p.host.first + port - p.container.first : 0);
	}
	return 0;
}
