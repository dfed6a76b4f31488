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

enum { LOOK_US = 5000 };

static atomic_bool armed;
static char wanted[64];
static char gate[200]; /* "": it ends there */
static atomic_llong left;

/* name[:n][@gate] */
void fault_setup(void)
{
	const char *spec = getenv("RUNNERHUB_FAULT");
	char text[sizeof(wanted) + sizeof(gate)], *colon, *at;
	int64_t n = 1;

	if (spec == NULL || *spec == '\0' || strlen(spec) >= sizeof(text))
		return;
	snprintf(text, sizeof(text), "%s", spec);
	at = strchr(text, '@');
	if (at != NULL) {
		*at = '\0';
		snprintf(gate, sizeof(gate), "%.199s", at + 1);
	}
	colon = strchr(text, ':');
	if (colon != NULL) {
		*colon = '\0';
		if (parse_int(colon + 1, 1, 1000000, &n) < 0)
			n = 1;
	}
	snprintf(wanted, sizeof(wanted), "%.63s", text);
	atomic_store(&left, n);
	atomic_store(&armed, true);
}

static void wait_outside(const char *name)
{
	dprintf(2, "runnerhub: fault point %s: waiting\n", name);
	while (access(gate, F_OK) == 0)
		usleep(LOOK_US); /* allow: usleep, a test opens it */
}

void fault_point(const char *name)
{
	if (!atomic_load_explicit(&armed, memory_order_relaxed))
		return;
	if (strcmp(name, wanted) != 0 || atomic_fetch_sub(&left, 1) != 1)
		return;
	if (gate[0] != '\0') {
		wait_outside(name);
		return;
	}
	dprintf(2, "runnerhub: fault point %s: killing myself\n", name);
	kill(getpid(), SIGKILL);
}
