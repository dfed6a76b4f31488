/* The doctor's look at the certificate that these options name: see doctor.h.
 */
#include <inttypes.h>

#include "api/api.h"
#include "base/clock.h"
#include "cmd/doctor.h"

/* Time to do something about it; certificates of 90 days are renewed with a
 * month to go. */
#define DAYS_WANTED 21
#define DAY_NS      (24 * 3600 * CLOCK_NS_PER_S)

static void look_plain(const struct options *o, struct finding *f)
{
	const char *open = api_plain_listen(o);

	if (open == NULL) {
		finding_set(f, DOCTOR_OK, "plain HTTP, %s",
		    o->trusted_proxies != NULL ? "behind a reverse proxy"
					       : "for this machine only");
		return;
	}
	finding_set(f, DOCTOR_WARN,
	    "plain HTTP on %s: everybody on the way can read keys and secrets",
	    open);
	finding_advise(f,
	    "set RUNNERHUB_TLS_CERT and RUNNERHUB_TLS_KEY (docs/SECURITY.md)");
}

void doctor_tls(struct patient *p, struct finding *f)
{
	CLEANUP(tls_keeper_close) struct tls_keeper *k = NULL;
	const struct tls_files files = api_tls_files(p->o);
	char until[CLOCK_ISO_LEN];
	struct err err = ERR_INIT;
	struct tls_facts facts;
	int64_t days;

	if (files.certificate == NULL || files.key == NULL) {
		look_plain(p->o, f);
		return;
	}
	if (tls_keeper_open(&k, &files, &err) < 0) {
		finding_set(f, DOCTOR_FAIL, "%s", err.msg);
		return;
	}
	tls_keeper_facts(k, &facts);
	days = (facts.not_after - clock_wall_ns()) / DAY_NS;
	finding_set(f, days < DAYS_WANTED ? DOCTOR_WARN : DOCTOR_OK,
	    "%.100s for %.200s, expires in %" PRId64 " days (%s)",
	    facts.subject, facts.names[0] != '\0' ? facts.names : "no name",
	    days, clock_iso(facts.not_after, until));
	if (days < DAYS_WANTED)
		finding_advise(f,
		    "renew it and put it in its place; the hub takes it by "
		    "itself");
	else if (facts.names[0] == '\0')
		finding_advise(
		    f, "clients look for the hub's name in subjectAltName");
}
