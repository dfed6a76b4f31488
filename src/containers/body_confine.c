/*
 * What a container of a session may not have, whatever its options say: more
 * than the hub's limits, capabilities that every container of a session lacks.
 * Pure; called by body.c when the options are in the document.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "containers/body.h"

/* -- limits ------------------------------------------------------------ */

enum { CPU_PERIOD_US = 100000 }; /* the engine's, when none is given */

static int64_t get(const json_t *host, const char *key)
{
	return json_integer_value(json_object_get(host, key));
}

static void put(json_t *host, const char *key, int64_t value)
{
	json_object_set_new(host, key, json_integer(value));
}

static int over(const char *flag, const char *wanted, const char *has,
    const char *option, struct err *err)
{
	return err_set(err, ERR_INVALID, "over_limit",
	    "option %s: %s is wanted, and this job has %s; the hub's option "
	    "%s sets that",
	    flag, wanted, has, option);
}

/* Memory is given once and for all: swap would be more of it. */
static int confine_memory(json_t *host, int64_t limit, struct err *err)
{
	int64_t wanted = get(host, "Memory");
	char a[40], b[40];

	if (limit <= 0)
		return 0;
	snprintf(a, sizeof(a), "%" PRId64 " MiB", wanted >> 20);
	snprintf(b, sizeof(b), "%" PRId64 " MiB", limit >> 20);
	if (wanted > limit)
		return over(
		    "--memory", a, b, "jobs.memoryMb (RUNNER_MEMORY_MB)", err);
	if (wanted <= 0)
		wanted = limit;
	put(host, "Memory", wanted);
	put(host, "MemorySwap", wanted);
	if (get(host, "MemoryReservation") > wanted)
		put(host, "MemoryReservation", wanted);
	return 0;
}

/* --cpu-quota per --cpu-period says the same as --cpus, and the engine takes
 * only one of both. */
static int confine_cpus(json_t *host, int64_t limit, struct err *err)
{
	int64_t period = get(host, "CpuPeriod"), quota = get(host, "CpuQuota");
	int64_t wanted = get(host, "NanoCpus");
	double by_quota = 0;
	char a[40], b[40];

	if (limit <= 0)
		return 0;
	if (quota > 0)
		by_quota = (double)quota * 1e9 /
			   (double)(period > 0 ? period : CPU_PERIOD_US);
	if (wanted <= 0 && by_quota > 0)
		wanted = by_quota < 1e18 ? (int64_t)by_quota : INT64_MAX;
	snprintf(a, sizeof(a), "%.2f CPUs", (double)wanted / 1e9);
	snprintf(b, sizeof(b), "%.2f", (double)limit / 1e9);
	if (wanted > limit)
		return over(
		    "--cpus", a, b, "jobs.cpus (RUNNER_CPU_LIMIT)", err);
	json_object_del(host, "CpuPeriod");
	json_object_del(host, "CpuQuota");
	put(host, "NanoCpus", wanted > 0 ? wanted : limit);
	return 0;
}

static int confine_pids(json_t *host, int64_t limit, struct err *err)
{
	int64_t wanted = get(host, "PidsLimit");
	char a[40], b[40];

	if (limit <= 0)
		return 0;
	snprintf(a, sizeof(a), "%" PRId64, wanted);
	snprintf(b, sizeof(b), "%" PRId64, limit);
	if (wanted > limit)
		return over(
		    "--pids-limit", a, b, "jobs.pids (RUNNER_PIDS_LIMIT)", err);
	put(host, "PidsLimit", wanted > 0 ? wanted : limit);
	return 0;
}

/* -- capabilities ------------------------------------------------------ */

/* By these a container could speak with another's address, or make devices:
 * the engine gives them, sessions do without. */
static const char *const dropped[] = {"NET_RAW", "MKNOD"};

static bool is_named(const char *capability, const char *name)
{
	if (capability == NULL)
		return false;
	if (strncasecmp(capability, "CAP_", 4) == 0)
		capability += 4;
	return strcasecmp(capability, name) == 0;
}

static bool has_capability(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (is_named(json_string_value(json_array_get(list, i)), name))
			return true;
	return false;
}

static int confine_capabilities(
    json_t *host, const struct policy *policy, struct err *err)
{
	const json_t *add = json_object_get(host, "CapAdd");
	json_t *drop = option_list(host, "CapDrop");

	for (size_t i = 0; i < ARRAY_LEN(dropped); i++) {
		if (has_capability(add, dropped[i])) {
			TRY(policy_need(policy, POLICY_CAPABILITIES, err,
			    "option --cap-add %s", dropped[i]));
			continue;
		}
		if (!has_capability(drop, dropped[i]))
			json_array_append_new(drop, json_string(dropped[i]));
	}
	return 0;
}

int body_confine(json_t *host, const struct body_session *s, struct err *err)
{
	TRY(confine_memory(host, s->memory_bytes, err));
	TRY(confine_cpus(host, s->nano_cpus, err));
	TRY(confine_pids(host, s->pids, err));
	return confine_capabilities(host, s->policy, err);
}
