/* Which events a webhook wants. Pure functions, any thread. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "notify/notify_internal.h"

/* All that there are; docs/OPERATIONS.md explains them. */
static const char *const events[] = {"job.delegated", "job.running",
    "job.completed", "job.failed", "job.cancelled", "job.retry",
    "component.ready", "component.stopped", "component.error", "runner.offline",
    "runner.online", "hub.engine_down", "hub.engine_up", "hub.disk_low",
    "hub.disk_ok", "webhook.test"};

enum { PATTERNS_MAX = 32 };

/* "*", "job.*", "job.failed" */
static bool matches_one(const char *pattern, size_t n, const char *type)
{
	if (n > 0 && pattern[n - 1] == '*')
		return (n == 1 || pattern[n - 2] == '.') &&
		       strncmp(pattern, type, n - 1) == 0;
	return strlen(type) == n && strncmp(pattern, type, n) == 0;
}

bool pattern_matches(const char *csv, const char *type)
{
	for (;;) {
		size_t n = strcspn(csv, ",");

		if (matches_one(csv, n, type))
			return true;
		if (csv[n] == '\0')
			return false;
		csv += n + 1;
	}
}

bool pattern_takes_repository(const char *wanted, const char *repository)
{
	size_t n;

	if (wanted == NULL)
		return true;
	if (repository == NULL)
		return false;
	n = strlen(wanted);
	if (n > 2 && strcmp(wanted + n - 2, "/*") == 0)
		return strncasecmp(wanted, repository, n - 1) == 0;
	return strcasecmp(wanted, repository) == 0;
}

static bool is_known(const char *pattern, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (matches_one(pattern, n, events[i]))
			return true;
	return false;
}

int notify_events_check(const char *csv, struct err *err)
{
	for (int i = 0;; i++) {
		size_t n = strcspn(csv, ",");

		if (i == PATTERNS_MAX || !is_known(csv, n))
			return err_set(err, ERR_INVALID, "invalid_field",
			    "Field \"events\": expected at most %d of job.*, "
			    "component.*, runner.*, hub.* and their events, "
			    "such as job.failed; got \"%.*s\"",
			    PATTERNS_MAX, n < 60 ? (int)n : 60, csv);
		if (csv[n] == '\0')
			return 0;
		csv += n + 1;
	}
}
