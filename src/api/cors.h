/*
 * Pages of other origins (CORS, WHATWG Fetch): those of CORS_ORIGIN may use
 * the component API and, on a hub that is not open, the job API. With "*" any
 * may, without cookies. Handler threads.
 */
#ifndef API_CORS_H
#define API_CORS_H

#include "api/api_internal.h"

/* What an API lets such pages do: lists, separated by commas. */
struct cors_rules {
	const char *methods; /* beside those that need no leave */
	const char *headers; /* that a page may send */
	const char *exposed; /* that it may read */
	bool credentials;    /* cookies, to origins that are named */
};

bool cors_is_welcome(const struct call *c, const char *origin);
/* What every answer bears. */
void cors_headers(struct call *c, const struct cors_rules *rules);
/* 1: it was a preflight and is answered; 0: it is none; -1 ERR_FORBIDDEN. */
int cors_preflight(struct call *c, const struct cors_rules *rules,
    struct answer *ret, struct err *err) MUST_CHECK;

#endif
