/*
 * GET /dashboard and below: one page for all its addresses, compiled in. It
 * holds no data, so anybody who may reach the port may have it; what it shows
 * it asks the API for, as whoever logs in. Handler threads.
 *
 * Its policy lets it run the script and use the style whose hashes the build
 * wrote down, talk to this hub, and nothing else; strings cannot become markup
 * or code (trusted types).
 */
#include <string.h>
#include <strings.h>

#include "api/api_internal.h"
#include "api/dashboard_page.h"

/* dashboard.S */
extern const char api_dashboard[], api_dashboard_end[];
extern const char api_dashboard_gz[], api_dashboard_gz_end[];

#define PAGE_MAX (1024 * 1024)

static const char policy[] =
    "default-src 'none'; script-src " DASHBOARD_SCRIPT
    "; style-src " DASHBOARD_STYLE
    "; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

/* Is `word` an element of a list such as "br, gzip;q=0.5" (RFC 9110 §12.5.3),
 * without being refused by a q of 0? */
static bool list_takes(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (list != NULL && *list != '\0') {
		size_t n = strcspn(list, ","), at = strspn(list, " \t");
		const char *q = list + at + len;

		if (n >= at + len && strncasecmp(list + at, word, len) == 0 &&
		    strchr(" \t;,", *q) != NULL) {
			q += strspn(q, " \t;");
			return strncasecmp(q, "q=0", 3) != 0 ||
			       q[3 + strspn(q + 3, ".0")] > '0';
		}
		list += n + (list[n] == ',');
	}
	return false;
}

/* If-None-Match, by weak comparison (RFC 9110 §13.1.2). */
static bool is_known(struct call *c)
{
	const char *known = http_header(c->x, "If-None-Match");

	return known != NULL && (strcmp(known, "*") == 0 ||
				    strstr(known, &DASHBOARD_TAG[2]) != NULL);
}

static void add_headers(struct call *c)
{
	static const char *const rows[][2] = {
	    {"Cache-Control", "no-cache"},
	    {"ETag", DASHBOARD_TAG},
	    {"Vary", "Accept-Encoding"},
	    {"Content-Security-Policy", policy},
	    {"Referrer-Policy", "no-referrer"},
	    {"Cross-Origin-Opener-Policy", "same-origin"},
	    {"Cross-Origin-Resource-Policy", "same-origin"},
	    {"Permissions-Policy",
		"camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
	    {"X-Frame-Options", "DENY"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		http_reply_header(c->x, rows[i][0], rows[i][1]);
}

struct answer dashboard_show(struct call *c)
{
	const char *from = api_dashboard, *end = api_dashboard_end;
	struct buf body;

	add_headers(c);
	buf_init(&body, PAGE_MAX);
	if (is_known(c))
		return reply_text(c, 304, NULL, &body);
	if (list_takes(http_header(c->x, "Accept-Encoding"), "gzip")) {
		http_reply_header(c->x, "Content-Encoding", "gzip");
		from = api_dashboard_gz;
		end = api_dashboard_gz_end;
	}
	buf_append(&body, from, (size_t)(end - from));
	return reply_text(c, 200, TYPE_PAGE "; charset=utf-8", &body);
}

/* People who typed the bare address want the dashboard; programs are told, as
 * ever, that nothing is there. */
struct answer root_show(struct call *c)
{
	struct err err = ERR_INIT;
	struct buf body;

	if (!list_takes(http_header(c->x, "Accept"), TYPE_PAGE)) {
		IGNORE(err_set(&err, ERR_NOT_FOUND, "endpoint_not_found",
		    "Endpoint not found"));
		return reply_error(c, &err);
	}
	http_reply_header(c->x, "Location", "/dashboard");
	http_reply_header(c->x, "Vary", "Accept");
	buf_init(&body, 1);
	return reply_text(c, 302, NULL, &body);
}
