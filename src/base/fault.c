/* Crash points for tests: see fault.h. */
#include "base/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"

static atomic_bool armed;
static char wanted[64];
static atomic_llong left;

void fault_setup(void)
{
	const char *spec = getenv("RUNNERHUB_FAULT");
	const char *colon;
	int64_t n = 1;

	if (spec == NULL || *spec == '\0' || strlen(spec) >= sizeof(wanted))
		return;
	snprintf(wanted, sizeof(wanted), "%s", spec);
	colon = strchr(spec, ':');
	if (colon != NULL) {
		wanted[colon - spec] = '\0';
		if (parse_int(colon + 1, 1, 1000000, &n) < 0)
			n = 1;
	}
	atomic_store(&left, n);
	atomic_store(&armed, true);
}

void fault_point(const char *name)
{
	if (!atomic_load_explicit(&armed, memory_order_relaxed))
		return;
	if (strcmp(name, wanted) != 0 || atomic_fetch_sub(&left, 1) != 1)
		return;
	dprintf(2, "runnerhub: fault point %s: killing myself\n", name);
	kill(getpid(), SIGKILL);
}
