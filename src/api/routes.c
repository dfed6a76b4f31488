/* Every route of the API, in one list that can be read. */
#include <string.h>

#include "api/api_internal.h"

static const struct query_param list_query[] = {
    {"page", "page to show, from 1"},
    {"limit", "jobs on a page, 1 to 100, 20 if not given"},
    {"repository", "only of this owner/repo"},
    {"status", "only in this status"},
    {"runnerId", "only sessions that this runner opened"},
    {"parentId", "only sessions inside this one"},
    {"runner", "only of the proxy with this name, or id"},
    {"q", "only with this text in repository, workflow or jobId, in capitals "
	  "or not; of the newest 100,000"},
    {"startDate", "only created at or after this date or time"},
    {"since", "the same"},
    {"endDate", "only created at or before this date or time"}, {NULL, NULL}};

static const struct query_param logs_query[] = {
    {"tail", "only the last n lines"},
    {"follow", "true: stream until the job ends"},
    {"until", "running, with follow: stream until the job runs"},
    {"timestamps", "true: each line behind its time"},
    {"format", "text, or json for records with stream, step and marks"},
    {"offset", "begin at this byte of the text"},
    {"download", "true: the plain bytes as a file; takes a Range header"},
    {NULL, NULL}};

static const struct query_param container_logs_query[] = {
    {"tail", "the last lines, 1 to 5000, 200 if not given"}, {NULL, NULL}};

static const struct query_param monitoring_query[] = {
    {"hours", "so many back from now, 1 to 168, 24 if not given"},
    {"step", "seconds of a point, 60 to 86400, 900 if not given; at most "
	     "400 points"},
    {NULL, NULL}};

static const struct query_param lines_query[] = {
    {"from", "number of the first line, from 0; -1: the last lines"},
    {"limit", "at most so many, 1 to 2000, 500 if not given"}, {NULL, NULL}};

static const struct query_param search_query[] = {
    {"q", "the text to look for, as it is: at most 1024 bytes"},
    {"from", "line to begin with, 0 if not given"},
    {"limit", "at most so many lines, 1 to 1000, 200 if not given"},
    {"case", "true: capitals and small letters differ"}, {NULL, NULL}};

static const struct query_param output_query[] = {
    {"skip", "pass over so many bytes of output"},
    {"format", "frames (if not given), or text: the plain bytes"},
    {NULL, NULL}};

static const struct query_param input_query[] = {
    {"offset", "where in the whole input the body begins, 0 if not given"},
    {"end", "true: the input ends behind the body"}, {NULL, NULL}};

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

static const struct query_param runner_remove_query[] = {
    {"force", "true: also while it runs a job"}, {NULL, NULL}};

static const struct query_param secrets_query[] = {
    {"after", "only names behind this one: the last of the page before"},
    {"limit", "at most so many, 1 to 1000, 100 if not given"}, {NULL, NULL}};

#define AUDIT_FILTER                                                           \
	{"actor", "only by this one"}, {"action", "only this action"},         \
	    {"object", "only to this object"},                                 \
	    {"result", "ok, refused or failed"},                               \
	    {"startDate", "only at or after this date or time"},               \
	{                                                                      \
		"endDate", "only at or before this date or time"               \
	}

static const struct query_param audit_query[] = {AUDIT_FILTER,
    {"limit", "rows on a page, 1 to 1000, 100 if not given"},
    {"before", "only rows with a smaller number"},
    {"after", "only rows with a larger number, oldest first"}, {NULL, NULL}};

static const struct query_param audit_verify_query[] = {
    {"noted", "number:hash of an earlier check, to be found again"},
    {NULL, NULL}};

static const struct query_param audit_export_query[] = {AUDIT_FILTER,
    {"format", "json (if not given; a row per line) or csv"}, {NULL, NULL}};

static const struct query_param deliveries_query[] = {
    {"before", "only older ones than this number: the last of the page before"},
    {"limit", "at most so many, 1 to 100, 50 if not given"}, {NULL, NULL}};

static const struct query_param users_query[] = {
    {"after", "only names behind this one: the last of the page before"},
    {"limit", "at most so many, 1 to 1000, 100 if not given"}, {NULL, NULL}};

static const struct query_param tokens_query[] = {
    {"all", "true: everybody's (admins)"},
    {"before", "only older ones than this: the last of the page before"},
    {"limit", "at most so many, 1 to 1000, 100 if not given"}, {NULL, NULL}};

const struct route routes[] = {
    {"GET", "/.backstage/health/v1/liveness", alive_show, SCOPE_PUBLIC, false,
	"It answers.", NULL, NULL, "Alive", NULL},
    {"GET", "/.backstage/health/v1/readiness", ready_show, SCOPE_PUBLIC, false,
	"It can serve: its database answers.", NULL, NULL, "Alive", NULL},
    {"GET", "/health", health_show, SCOPE_PUBLIC, false,
	"Is the hub able to work?", NULL, NULL, "Health", NULL, NULL},
    {"GET", "/metrics", metrics_show, SCOPE_READ, false,
	"Metrics for Prometheus.", NULL, NULL, NULL,
	"text/plain; version=0.0.4", NULL},
    {"GET", "/api/metrics", metrics_show, SCOPE_READ, false,
	"The same as /metrics.", NULL, NULL, NULL, "text/plain; version=0.0.4",
	NULL},
    {"POST", "/api/jobs/delegate", job_delegate, SCOPE_DELEGATE, false,
	"Delegate a job. 201 when it is queued durably; 200 when the same "
	"delegation was there already.",
	NULL, "Delegation", "Delegated", NULL, "job.delegate"},
    {"GET", "/api/jobs", job_list, SCOPE_OWN, false, "Jobs, newest first.",
	list_query, NULL, "JobList", NULL, NULL},
    {"GET", "/api/jobs/:id", job_show, SCOPE_SESSION_LOOK, true,
	"One job, with its steps and why it waits.", NULL, NULL, "Job", NULL,
	NULL},
    {"GET", "/api/jobs/:id/logs", job_logs, SCOPE_SESSION_LOOK, true,
	"The job's log.", logs_query, NULL, "Logs", NULL, NULL},
    {"GET", "/api/jobs/:id/logs/lines", job_log_lines, SCOPE_SESSION_LOOK, true,
	"Lines of the job's log by their numbers.", lines_query, NULL,
	"LogLines", NULL, NULL},
    {"GET", "/api/jobs/:id/logs/search", job_log_search, SCOPE_SESSION_LOOK,
	true, "Lines of the job's log that have a text in them.", search_query,
	NULL, "LogMatches", NULL, NULL},
    {"GET", "/api/jobs/:id/events", job_history, SCOPE_SESSION_LOOK, true,
	"Every transition of the job, with time and reason.", history_query,
	NULL, "EventList", NULL, NULL},
    {"PATCH", "/api/jobs/:id/status", job_set_status, SCOPE_SESSION, true,
	"A proxy says how its session stands. Sessions only.", NULL,
	"StatusChange", "Job", NULL, "session.status"},
    {"POST", "/api/jobs/:id/proxy-complete", job_proxy_complete, SCOPE_SESSION,
	true, "A proxy says that its side of the session has ended.", NULL,
	"ProxyComplete", NULL, NULL, "session.complete"},
    {"POST", "/api/jobs/:id/cancel", job_cancel, SCOPE_SESSION, true,
	"Cancel the job. 202 while its container is being ended.", NULL, NULL,
	NULL, NULL, "job.cancel"},
    {"POST", "/api/jobs/:id/retry", job_retry, SCOPE_OPERATE, true,
	"Run an ended job again, as its next attempt. 201 when that is queued "
	"durably; 200 when it was there already.",
	NULL, NULL, "Delegated", NULL, "job.retry"},
    {"POST", "/api/jobs/:id/heartbeat", session_heartbeat, SCOPE_SESSION_LOOK,
	true, "Renew the lease of a session.", NULL, NULL, "Heartbeat", NULL,
	NULL},
    {"POST", "/api/jobs/:id/steps", session_step, SCOPE_SESSION, true,
	"Run a step in a session. 201 when the hub has it; 200 when the step "
	"of that key was there already.",
	NULL, "SessionStep", "StepNumber", NULL, "session.step"},
    {"GET", "/api/jobs/:id/steps/:step", session_step_show, SCOPE_SESSION_LOOK,
	true, "One step of a job.", NULL, NULL, "StepState", NULL, NULL},
    {"GET", "/api/jobs/:id/steps/:step/output", step_output, SCOPE_SESSION_LOOK,
	true, "A step's output until its end, as frames.", output_query, NULL,
	NULL, "application/octet-stream", NULL},
    {"POST", "/api/jobs/:id/steps/:step/signal", session_signal, SCOPE_SESSION,
	true, "Send a signal to every process of a step.", NULL, "StepSignal",
	NULL, NULL, "session.signal"},
    {"POST", "/api/jobs/:id/steps/:step/input", session_input, SCOPE_SESSION,
	true, "Give a step input: at most 1 MiB of raw bytes.", input_query,
	BODY_RAW, "StepInput", NULL, NULL},
    {"GET", "/api/events", events_stream, SCOPE_READ, false,
	"Live events as server-sent events.", events_query, NULL, NULL,
	"text/event-stream", NULL},
    {"GET", "/api/runners", runner_list_all, SCOPE_READ, false,
	"Runners that the hub knows.", runners_query, NULL, "RunnerList", NULL,
	NULL},
    {"POST", "/api/runners", runner_create, SCOPE_OPERATE, false,
	"Let the hub make proxies and keep them running.", NULL, "RunnerCreate",
	"RunnerList", NULL, "runner.create"},
    {"POST", "/api/runners/register", runner_register, SCOPE_OPERATE, false,
	"Register a runner. 201 with its token, the only copy.", NULL,
	"RunnerRegister", "RunnerToken", NULL, "runner.register"},
    {"POST", "/api/runners/enrol", runner_enrol, SCOPE_ENROL, false,
	"A replica asks for a token of its own: 201 with it, or 200 with a "
	"challenge for the container that it claims to be.",
	NULL, "RunnerEnrol", "RunnerChallenge", NULL, "runner.enrol"},
    {"POST", "/api/runners/enrol/confirm", runner_confirm, SCOPE_ENROL, false,
	"The content of the file that the challenge named: 201 with the token.",
	NULL, "RunnerProof", "RunnerToken", NULL, "runner.confirm"},
    {"GET", "/api/runners/:id", runner_show, SCOPE_RUNNER_SELF, false,
	"One runner, by id or name.", NULL, NULL, "Runner", NULL, NULL},
    {"DELETE", "/api/runners/:id", runner_remove, SCOPE_RUNNER_SELF, false,
	"Remove a runner, its container if the hub made it, and its "
	"registration at GitHub.",
	runner_remove_query, NULL, NULL, NULL, "runner.remove"},
    {"POST", "/api/runners/:id/drain", runner_drain, SCOPE_RUNNER_SELF, false,
	"It takes no new job and goes when it has none.", NULL, NULL, NULL,
	NULL, "runner.drain"},
    {"POST", "/api/runners/:id/token", runner_new_token, SCOPE_OPERATE, false,
	"A new token for a runner; the one before is void.", NULL, NULL,
	"RunnerToken", NULL, "runner.token"},
    {"POST", "/api/runners/:id/heartbeat", runner_heartbeat, SCOPE_RUNNER_SELF,
	false, "A runner says how it does.", NULL, "RunnerBeat",
	"RunnerBeatAnswer", NULL, NULL},
    {"POST", "/api/runners/:id/github-token", runner_github_token,
	SCOPE_RUNNER_SELF, false,
	"A token of GitHub for config.sh of this runner, good for an hour.",
	NULL, "GithubTokenKind", "GithubToken", NULL, "runner.github-token"},
    {"POST", "/api/runners/:id/job-started", runner_job_started,
	SCOPE_RUNNER_SELF, false,
	"The job-started hook: may this job begin on it?", NULL, "RunnerJob",
	"RunnerVerdict", NULL, "runner.job-started"},
    {"POST", "/api/runners/:id/job-completed", runner_job_completed,
	SCOPE_RUNNER_SELF, false, "The job-completed hook.", NULL, "RunnerJob",
	NULL, NULL, NULL},
    {"GET", "/api/secrets", secret_list, SCOPE_ADMIN, false,
	"Names of the secrets kept here, in their order; their "
	"values never leave.",
	secrets_query, NULL, "SecretList", NULL, NULL},
    {"PUT", "/api/secrets/:name", secret_put, SCOPE_ADMIN, false,
	"Keep a secret, or give it a new value; whom it is for stays.", NULL,
	"SecretValue", NULL, NULL, "secret.set"},
    {"DELETE", "/api/secrets/:name", secret_delete, SCOPE_ADMIN, false,
	"Delete a secret.", NULL, NULL, NULL, NULL, "secret.delete"},
    {"PUT", "/api/system/log-level", log_level_set, SCOPE_ADMIN, false,
	"How much the hub logs, until it restarts.", NULL, "LogLevel", NULL,
	NULL, "system.log_level"},
    {"GET", "/api/webhooks", webhook_list_show, SCOPE_ADMIN, false,
	"Whom the hub tells of events, and whether it gets through.", NULL,
	NULL, "WebhookList", NULL, NULL},
    {"POST", "/api/webhooks", webhook_create, SCOPE_ADMIN, false,
	"Tell an address of events. 201 with the secret that signs, if the hub "
	"made it: the only copy.",
	NULL, "WebhookCreate", "Webhook", NULL, "webhook.create"},
    {"PATCH", "/api/webhooks/:id", webhook_update, SCOPE_ADMIN, false,
	"Change what the body names.", NULL, "WebhookChange", "Webhook", NULL,
	"webhook.update"},
    {"DELETE", "/api/webhooks/:id", webhook_remove, SCOPE_ADMIN, false,
	"Tell it no more, with what waits for it.", NULL, NULL, NULL, NULL,
	"webhook.delete"},
    {"POST", "/api/webhooks/:id/test", webhook_test, SCOPE_ADMIN, false,
	"Send a test now; answers what came of it.", NULL, NULL, "WebhookSent",
	NULL, "webhook.test"},
    {"GET", "/api/webhooks/:id/deliveries", webhook_deliveries, SCOPE_ADMIN,
	false, "What waits for it, and the last hundred that do not.",
	deliveries_query, NULL, "WebhookDeliveryList", NULL, NULL},
    {"GET", "/api/containers", container_list, SCOPE_READ, false,
	"The hub's containers and what is in them.", NULL, NULL,
	"ContainerList", NULL, NULL},
    {"GET", "/api/containers/:id/stats", container_stats, SCOPE_READ, false,
	"What a container uses.", NULL, NULL, "ContainerStats", NULL, NULL},
    {"GET", "/api/containers/:id/logs", container_logs, SCOPE_ADMIN, false,
	"What the engine kept of a container's output, unmasked.",
	container_logs_query, NULL, "ContainerLogs", NULL, "container.logs"},
    {"POST", "/api/containers/:id/exec", container_exec, SCOPE_ADMIN, false,
	"Run a program in a container, without a shell.", NULL, "Exec",
	"ExecResult", NULL, "container.exec"},
    {"POST", "/api/containers/:id/stop", container_stop, SCOPE_OPERATE, false,
	"Stop a container; a job or component ends with it.", NULL, NULL, NULL,
	NULL, "container.stop"},
    {"GET", "/api/monitoring", monitoring_show, SCOPE_READ, false,
	"How many jobs came and ended, waited and ran, over time.",
	monitoring_query, NULL, "Monitoring", NULL, NULL},
    {"GET", "/api/queue", queue_show, SCOPE_READ, false,
	"What waits and runs, and is the queue paused?", NULL, NULL, "Queue",
	NULL, NULL},
    {"POST", "/api/queue/pause", queue_pause, SCOPE_ADMIN, false,
	"Start nothing of what waits; go on accepting jobs.", NULL, NULL,
	"Queue", NULL, "queue.pause"},
    {"POST", "/api/queue/resume", queue_resume, SCOPE_ADMIN, false,
	"The end of pause and drain.", NULL, NULL, "Queue", NULL,
	"queue.resume"},
    {"POST", "/api/queue/drain", queue_drain, SCOPE_ADMIN, false,
	"Start nothing of what waits, and refuse new jobs.", NULL, NULL,
	"Queue", NULL, "queue.drain"},
    {"GET", "/api/system", system_show, SCOPE_READ, false,
	"Capacity, engine, isolation, pool, store and disk.", NULL, NULL,
	"System", NULL, NULL},
    {"POST", "/api/auth/login", auth_login, SCOPE_PUBLIC, false,
	"Log in: an access token for a quarter of an hour, and what renews "
	"it.",
	NULL, "Login", "LoggedIn", NULL, "auth.login"},
    {"POST", "/api/auth/refresh", auth_refresh, SCOPE_PUBLIC, false,
	"Renew a login: by refreshToken, or by the cookie of a page (with the "
	"header X-RunnerHub).",
	NULL, "Renewal", "LoggedIn", NULL, "auth.refresh"},
    {"POST", "/api/auth/logout", auth_logout, SCOPE_PUBLIC, false,
	"End this login; with an API token: delete that.", NULL, "Renewal", NULL, NULL, "auth.logout"},
    {"GET", "/api/auth/me", auth_me, SCOPE_SELF, false,
	"Who asks, and with which role.", NULL, NULL, "Me", NULL, NULL},
    {"POST", "/api/auth/password", auth_password, SCOPE_PERSON, false,
	"Change one's own password; ends all one's logins.", NULL,
	"PasswordChange", NULL, NULL, "auth.password"},
    {"GET", "/api/users", user_list_show, SCOPE_ADMIN, false, "Users, by name.",
	users_query, NULL, "UserList", NULL, NULL},
    {"POST", "/api/users", user_create, SCOPE_ADMIN, false,
	"Add a user. With first: only if there is none yet, as admin.", NULL,
	"UserCreate", "User", NULL, "user.create"},
    {"PATCH", "/api/users/:name", user_update, SCOPE_ADMIN, false,
	"Change a user's role or password, disable or enable them.", NULL,
	"UserUpdate", "User", NULL, "user.update"},
    {"DELETE", "/api/users/:name", user_remove, SCOPE_ADMIN, false,
	"Delete a user, with logins and tokens.", NULL, NULL, NULL, NULL,
	"user.delete"},
    {"GET", "/api/tokens", token_list_show, SCOPE_PERSON, false,
	"One's own API tokens, newest first.", tokens_query, NULL, "TokenList",
	NULL, NULL},
    {"POST", "/api/tokens", token_create, SCOPE_PERSON, false,
	"Make an API token. 201 with it, the only copy.", NULL, "TokenCreate",
	"Token", NULL, "token.create"},
    {"DELETE", "/api/tokens/:id", token_remove, SCOPE_PERSON, false,
	"Delete an API token.", NULL, NULL, NULL, NULL, "token.delete"},
    {"GET", "/api/audit", audit_list_show, SCOPE_ADMIN, false,
	"The audit log, newest first; with after oldest first.", audit_query,
	NULL, "AuditList", NULL, NULL},
    {"GET", "/api/audit/verify", audit_verify_show, SCOPE_ADMIN, false,
	"Is the audit log as it was written?", audit_verify_query, NULL,
	"AuditReport", NULL, NULL},
    {"GET", "/api/audit/export", audit_export, SCOPE_ADMIN, false,
	"The whole audit log, oldest first.", audit_export_query, NULL, NULL,
	"application/x-ndjson", NULL},
    {"GET", "/api/openapi.json", openapi_show, SCOPE_PUBLIC, false,
	"This description.", NULL, NULL, NULL, "application/json", NULL},
    {"GET", "/", root_show, SCOPE_PUBLIC, false, "To the dashboard.", NULL,
	NULL, NULL, TYPE_PAGE, NULL},
    {"GET", "/dashboard", dashboard_show, SCOPE_PUBLIC, false, "The dashboard.",
	NULL, NULL, NULL, TYPE_PAGE, NULL},
    {"GET", "/dashboard/*", dashboard_show, SCOPE_PUBLIC, false,
	"The dashboard.", NULL, NULL, NULL, TYPE_PAGE, NULL},
};
const size_t nroutes = ARRAY_LEN(routes);

bool route_is_page(const struct route *r)
{
	return r->type != NULL && strcmp(r->type, TYPE_PAGE) == 0;
}
