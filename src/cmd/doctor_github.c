/*
 * What each GitHub still lets the hub ask, as the running hub knows it:
 * sources and catalogs of components wait or fail when that is used up. Main
 * thread.
 */
#include <string.h>

#include "cmd/client.h"
#include "cmd/doctor.h"

enum { FEW = 10 }; /* percent of the limit */

/* Worse than what was found so far? */
static void judge_host(const json_t *host, struct finding *f)
{
	const char *name = reply_str(host, "host", "");
	const char *blocked = reply_str(host, "blockedUntil", NULL);
	long long limit = reply_int(host, "limit", -1);
	long long left = reply_int(host, "remaining", -1);
	const char *reset = reply_str(host, "resetAt", "its next hour");

	if (blocked != NULL) {
		finding_set(f, DOCTOR_WARN, "%s refuses to be asked before %s",
		    name, blocked);
	} else if (limit > 0 && left >= 0 && left * 100 < limit * FEW) {
		finding_set(f, DOCTOR_WARN,
		    "%s: %lld of %lld requests are left until %s", name, left,
		    limit, reset);
	} else if (f->verdict != DOCTOR_WARN && left >= 0) {
		finding_set(f, DOCTOR_OK,
		    "%s: %lld of %lld requests are left until %s", name, left,
		    limit, reset);
	}
	if (f->verdict == DOCTOR_WARN && f->advice[0] == '\0')
		finding_advise(f,
		    "a token or a GitHub App of its own (integrations.github) "
		    "has more; a longer components.catalogRefresh asks less");
}

void doctor_github(struct patient *p, struct finding *f)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	struct err err = ERR_INIT;
	const json_t *hosts, *host;
	size_t i;

	finding_set(f, DOCTOR_SKIP, "no hub answers that could tell");
	if (!p->hub_answers)
		return;
	if (command_client(&c, p->o, &err) < 0 ||
	    client_call(c, p->ctx, "GET", "/api/system", NULL, &reply, &err) <
		0) {
		finding_set(f, DOCTOR_SKIP, "%s", err.msg);
		return;
	}
	finding_set(f, DOCTOR_SKIP, "none has been asked so far");
	hosts = json_object_get(json_object_get(reply, "data"), "github");
	json_array_foreach(hosts, i, host) judge_host(host, f);
}
