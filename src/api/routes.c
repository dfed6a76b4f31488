/* Every route of the API, in one list that can be read. */
#include "api/api_internal.h"

static const struct query_param list_query[] = {
    {"page", "page to show, from 1"},
    {"limit", "jobs on a page, 1 to 100, 20 if not given"},
    {"repository", "only of this owner/repo"},
    {"status", "only in this status"},
    {"startDate", "only created at or after this date or time"},
    {"endDate", "only created at or before this date or time"}, {NULL, NULL}};

static const struct query_param logs_query[] = {
    {"tail", "only the last n lines"},
    {"follow", "true: stream until the job ends"},
    {"timestamps", "true: each line behind its time"},
    {"format", "text, or json for records with stream, step and marks"},
    {"offset", "begin at this byte of the text"},
    {"download", "true: the plain bytes as a file; takes a Range header"},
    {NULL, NULL}};

static const struct query_param events_query[] = {{"jobId", "only of this job"},
    {"repository", "only of this owner/repo"},
    {"lastEventId", "go on behind this event, as the Last-Event-ID header"},
    {NULL, NULL}};

static const struct query_param history_query[] = {
    {"after", "only events behind this number"},
    {"limit", "at most so many, 1 to 1000, 200 if not given"}, {NULL, NULL}};

static const struct query_param runners_query[] = {
    {"type", "proxy, ephemeral or dedicated"},
    {"status", "idle, busy, offline, starting or stopping"},
    {"repository", "only of this owner/repo"}, {"page", "page, from 1"},
    {"limit", "on a page, 1 to 100, 20 if not given"}, {NULL, NULL}};

const struct route routes[] = {
    {"GET", "/health", health_show, SCOPE_PUBLIC, false,
	"Is the hub able to work?", NULL, NULL, "Health", NULL},
    {"GET", "/metrics", metrics_show, SCOPE_READ, false,
	"Metrics for Prometheus.", NULL, NULL, NULL,
	"text/plain; version=0.0.4"},
    {"GET", "/api/metrics", metrics_show, SCOPE_READ, false,
	"The same as /metrics.", NULL, NULL, NULL, "text/plain; version=0.0.4"},
    {"POST", "/api/jobs/delegate", job_delegate, SCOPE_DELEGATE, false,
	"Delegate a job. 201 when it is queued durably; 200 when the same "
	"delegation was there already.",
	NULL, "Delegation", "Delegated", NULL},
    {"GET", "/api/jobs", job_list, SCOPE_READ, false, "Jobs, newest first.",
	list_query, NULL, "JobList", NULL},
    {"GET", "/api/jobs/:id", job_show, SCOPE_READ, true,
	"One job, with its steps and why it waits.", NULL, NULL, "Job", NULL},
    {"GET", "/api/jobs/:id/logs", job_logs, SCOPE_READ, true, "The job's log.",
	logs_query, NULL, "Logs", NULL},
    {"GET", "/api/jobs/:id/events", job_history, SCOPE_READ, true,
	"Every transition of the job, with time and reason.", history_query,
	NULL, "EventList", NULL},
    {"PATCH", "/api/jobs/:id/status", job_set_status, SCOPE_DELEGATE, true,
	"A proxy says how its session stands. Sessions only.", NULL,
	"StatusChange", "Job", NULL},
    {"POST", "/api/jobs/:id/proxy-complete", job_proxy_complete, SCOPE_DELEGATE,
	true, "A proxy says that its side of the session has ended.", NULL,
	"ProxyComplete", NULL, NULL},
    {"POST", "/api/jobs/:id/cancel", job_cancel, SCOPE_OPERATE, true,
	"Cancel the job. 202 while its container is being ended.", NULL, NULL,
	NULL, NULL},
    {"GET", "/api/events", events_stream, SCOPE_READ, false,
	"Live events as server-sent events.", events_query, NULL, NULL,
	"text/event-stream"},
    {"GET", "/api/runners", runner_list_all, SCOPE_READ, false,
	"Runners that the hub knows.", runners_query, NULL, "RunnerList", NULL},
    {"GET", "/api/runners/:id", runner_show, SCOPE_READ, false, "One runner.",
	NULL, NULL, "Runner", NULL},
    {"DELETE", "/api/runners/:id", runner_remove, SCOPE_OPERATE, false,
	"Forget a runner.", NULL, NULL, NULL, NULL},
    {"GET", "/api/system", system_show, SCOPE_READ, false,
	"Capacity, engine, isolation, pool, store and disk.", NULL, NULL,
	"System", NULL},
    {"GET", "/api/openapi.json", openapi_show, SCOPE_PUBLIC, false,
	"This description.", NULL, NULL, NULL, "application/json"},
};
const size_t nroutes = ARRAY_LEN(routes);
