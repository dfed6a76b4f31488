/*
 * ~ The option table. Read it as the list of everything that can be set;
 * load.c fills struct options from it, print.c and generate.c make --help,
 * `runnerhub config`, .env.example and docs/CONFIGURATION.md of it.
 * Constant data, any thread.
 */
#include "config/options.h"

#include <string.h>

#include "config/checks.h"

/* The offset of a field, refused by the compiler when its C type is not the
 * one that the option's type writes. */
#define FIELD(name, ctype)                                                     \
	(offsetof(struct options, name) +                                      \
	    0 * sizeof(                                                        \
		    char[__builtin_types_compatible_p(                         \
			     __typeof__(((struct options *)0)->name), ctype)   \
			     ? 1                                               \
			     : -1]))

#define STRING(name)   .type = OPTION_STRING, .offset = FIELD(name, char *)
#define INT(name)      .type = OPTION_INT, .offset = FIELD(name, int64_t)
#define NUM(name)      .type = OPTION_NUM, .offset = FIELD(name, double)
#define BOOL(name)     .type = OPTION_BOOL, .offset = FIELD(name, bool)
#define SIZE(name)     .type = OPTION_SIZE, .offset = FIELD(name, int64_t)
#define DURATION(name) .type = OPTION_DURATION, .offset = FIELD(name, int64_t)
#define CHOICE(name)   .type = OPTION_CHOICE, .offset = FIELD(name, char *)
#define SECRET(name)                                                           \
	.type = OPTION_SECRET, .offset = FIELD(name, struct secret *),         \
	.max = SECRET_BYTES_MAX
#define ROUTES(name)                                                           \
	.type = OPTION_ROUTES, .offset = FIELD(name, struct route_rule *)
#define POOLS(name)                                                            \
	.type = OPTION_POOLS, .offset = FIELD(name, struct pool_rule *)
#define LATER(t) .type = (t), .offset = OPTION_NO_FIELD, .unused = true

#define SECRET_BYTES_MAX 4096
#define MS               INT64_C(1)
#define S                INT64_C(1000)
#define MINUTE           (60 * S)
#define HOUR             (60 * MINUTE)
#define DAY              (24 * HOUR)
#define MIB              (INT64_C(1) << 20)
#define TIB              (INT64_C(1) << 40)

const struct option option_table[] = {
    /* -- server ------------------------------------------------------- */
    {"config", {"RUNNERHUB_CONFIG"}, "config", SECTION_SERVER,
	STRING(config_file), .check = check_text,
	.accepts = "the path of a YAML file",
	.doc = "YAML file with any of these options"},
    {"environment", {"RUNNERHUB_ENV", "NODE_ENV"}, "env", SECTION_SERVER,
	CHOICE(env), .def = "development",
	.choices = {"development", "test", "production"},
	.doc = "production turns the strict rules for keys on"},
    {"stateDir", {"RUNNERHUB_STATE_DIR"}, "state-dir", SECTION_SERVER,
	STRING(state_dir), .check = check_text,
	.accepts = "the path of a directory",
	.def_note = "/var/lib/runnerhub for root, else "
		    "$XDG_STATE_HOME/runnerhub or "
		    "~/.local/state/runnerhub",
	.doc = "where the store, the job logs and sockets live"},
    {"http.listen", {"RUNNERHUB_LISTEN"}, "listen", SECTION_SERVER,
	STRING(listen), .def = "127.0.0.1", .check = check_listen,
	.accepts = "an IP address (127.0.0.1, ::1, 0.0.0.0) or localhost",
	.doc = "address to bind; any but loopback needs an API key"},
    {"http.port", {"PORT"}, "port", SECTION_SERVER, INT(port), .def = "3000",
	.min = 0, .max = 65535, .doc = "port to listen on, 0: any free one"},
    {"http.socket", {"RUNNERHUB_SOCKET"}, "socket", SECTION_SERVER,
	STRING(socket), .check = check_socket,
	.accepts = "an absolute path, or none",
	.def_note = "api/hub.sock in the state directory",
	.doc = "unix socket of the API, for nested sessions and for proxies "
	       "in containers; every call there needs a key or token"},
    {"http.workers", {"RUNNERHUB_HTTP_WORKERS"}, "http-workers", SECTION_SERVER,
	INT(workers), .def = "8", .min = 1, .max = 256,
	.doc = "threads that handle requests"},
    {"http.writeTimeout", {"RUNNERHUB_HTTP_WRITE_TIMEOUT"},
	"http-write-timeout", SECTION_SERVER, DURATION(write_timeout_ms),
	.def = "60s", .unit_ms = S, .min = 100, .max = HOUR,
	.doc = "a client that takes nothing of its answer for so long is "
	       "dropped"},
    {"http.trustedProxies", {"RUNNERHUB_TRUSTED_PROXIES"}, "trusted-proxies",
	SECTION_SERVER, STRING(trusted_proxies), .check = check_networks,
	.accepts = "addresses and networks such as 10.0.0.5 or 10.0.0.0/24, "
		   "separated by commas",
	.doc = "reverse proxies whose X-Forwarded-For and X-Forwarded-Proto "
	       "are believed"},
    {"http.tls.certificate", {"RUNNERHUB_TLS_CERT"}, "tls-cert", SECTION_SERVER,
	STRING(tls_certificate), .check = check_text,
	.accepts = "the path of a PEM file",
	.doc = "certificate of the hub, followed by those that lead to its "
	       "root; with it the hub speaks TLS, without it plain HTTP"},
    {"http.tls.key", {"RUNNERHUB_TLS_KEY"}, "tls-key", SECTION_SERVER,
	STRING(tls_key), .check = check_text,
	.accepts = "the path of a PEM file",
	.doc = "the certificate's key, not readable for everybody"},
    {"http.tls.clientCa", {"RUNNERHUB_TLS_CLIENT_CA"}, "tls-client-ca",
	SECTION_SERVER, STRING(tls_client_ca), .check = check_text,
	.accepts = "the path of a PEM file",
	.doc = "authorities that vouch for certificates of clients"},
    {"http.tls.clientAuth", {"RUNNERHUB_TLS_CLIENT_AUTH"}, "tls-client-auth",
	SECTION_SERVER, CHOICE(tls_client_auth), .def = "off",
	.choices = {"off", "runners", "all"},
	.doc = "who must show such a certificate: runners and sessions, "
	       "beside their token, or every connection"},
    {"shutdown.mode", {"RUNNERHUB_SHUTDOWN_MODE"}, "shutdown-mode",
	SECTION_SERVER, CHOICE(shutdown_mode), .def = "handover",
	.choices = {"handover", "drain"},
	.doc = "on SIGTERM: leave running jobs to the next start, or "
	       "wait for them"},
    {"shutdown.drain", {"RUNNERHUB_DRAIN_TIMEOUT"}, "drain-timeout",
	SECTION_SERVER, DURATION(drain_ms), .def = "30s", .unit_ms = S,
	.min = 0, .max = DAY,
	.doc = "the longest that SIGTERM waits for requests and, when "
	       "draining, jobs"},

    /* -- access ------------------------------------------------------- */
    {"auth.apiKey", {"RUNNERHUB_API_KEY"}, "api-key", SECTION_ACCESS,
	SECRET(api_key), .min = 8,
	.doc = "bearer token that clients must send; none: open on "
	       "loopback only"},
    {"auth.encryptionKey", {"ENCRYPTION_KEY"}, "encryption-key", SECTION_ACCESS,
	SECRET(encryption_key), .min = 16,
	.def_note = "a key generated into the state directory",
	.doc = "opens the keys that the store's secrets and tokens hang on; "
	       "change it with `runnerhub secret rotate`"},
    {"auth.encryptionKeyOld", {"ENCRYPTION_KEY_OLD"}, "encryption-key-old",
	SECTION_ACCESS, SECRET(encryption_key_old), .min = 16,
	.doc = "the one before, while `runnerhub secret rotate` changes it"},
    {"auth.jwtSecret", {"JWT_SECRET"}, "jwt-secret", SECTION_ACCESS,
	SECRET(jwt_secret), .min = 16,
	.def_note = "one that follows from the encryption key",
	.doc = "signs the access tokens of users who are logged in"},
    {"auth.loginAge", {"RUNNERHUB_LOGIN_AGE"}, "login-age", SECTION_ACCESS,
	DURATION(login_age_ms), .def = "30d", .unit_ms = DAY, .min = MINUTE,
	.max = 365 * DAY,
	.doc = "how long a login can be renewed before the password is asked "
	       "for again"},
    {"http.corsOrigin", {"CORS_ORIGIN"}, "cors-origin", SECTION_ACCESS,
	STRING(cors_origin), .check = check_origins,
	.accepts = "origins such as https://portal.example.com, separated by "
		   "commas, or *",
	.doc = "origins whose pages may call the API, the job API only on a "
	       "hub that is not open; *: any, without their cookies"},
    {"http.rateLimit", {"API_RATE_LIMIT"}, "rate-limit", SECTION_ACCESS,
	INT(rate_limit), .def = "100", .min = 0, .max = 100000000,
	.doc = "writes per window and principal (reads: 100 times as "
	       "many), 0: no limit; off in open mode"},
    {"http.rateWindow", {"API_RATE_WINDOW"}, "rate-window", SECTION_ACCESS,
	DURATION(rate_window_ms), .def = "900000", .unit_ms = MS, .min = S,
	.max = DAY, .doc = "the window of the rate limit"},

    /* -- webhooks ------------------------------------------------------ */
    {"webhooks.allow", {"RUNNERHUB_WEBHOOKS_ALLOW"}, "webhooks-allow",
	SECTION_WEBHOOKS, STRING(webhooks_allow), .check = check_networks,
	.accepts = "addresses and networks such as 10.1.0.0/16, separated by "
		   "commas",
	.doc = "webhooks may also go there: to this machine, to networks of "
	       "jobs; never to link-local addresses"},
    {"webhooks.timeout", {"RUNNERHUB_WEBHOOKS_TIMEOUT"}, "webhooks-timeout",
	SECTION_WEBHOOKS, DURATION(webhooks_timeout_ms), .def = "10s",
	.unit_ms = S, .min = 100, .max = 5 * MINUTE,
	.doc = "the longest that one delivery may take"},
    {"webhooks.retryWait", {"RUNNERHUB_WEBHOOKS_RETRY_WAIT"},
	"webhooks-retry-wait", SECTION_WEBHOOKS, DURATION(webhooks_retry_ms),
	.def = "5s", .unit_ms = S, .min = 10, .max = HOUR,
	.doc = "before a delivery is tried again; doubles to an hour, give or "
	       "take a quarter"},
    {"webhooks.retryFor", {"RUNNERHUB_WEBHOOKS_RETRY_FOR"},
	"webhooks-retry-for", SECTION_WEBHOOKS, DURATION(webhooks_retry_for_ms),
	.def = "24h", .unit_ms = HOUR, .min = 0, .max = 30 * DAY,
	.doc = "a delivery that is older is not tried again"},
    {"webhooks.queueMax", {"RUNNERHUB_WEBHOOKS_QUEUE_MAX"},
	"webhooks-queue-max", SECTION_WEBHOOKS, INT(webhooks_queue_max),
	.def = "1000", .min = 1, .max = 100000,
	.doc = "deliveries that may wait for one webhook; more are dropped "
	       "and counted"},

    /* -- log of the hub ------------------------------------------------ */
    {"log.level", {"LOG_LEVEL"}, "log-level", SECTION_LOG, CHOICE(log_level),
	.def = "info", .choices = {"debug", "info", "warn", "error"},
	.doc = "least severity that the hub logs"},
    {"log.dir", {"LOG_DIR"}, "log-dir", SECTION_LOG, STRING(log_dir),
	.check = check_text, .accepts = "the path of a directory",
	.def_note = "lines go to stderr",
	.doc = "the hub's log goes to runnerhub.log there; SIGHUP opens it "
	       "again"},
    {"log.format", {"LOG_FORMAT"}, "log-format", SECTION_LOG,
	CHOICE(log_format), .def = "logfmt", .choices = {"logfmt", "json"},
	.doc = "form of a log line"},

    /* -- engine -------------------------------------------------------- */
    {"engine.host", {"DOCKER_SOCKET_PROXY", "DOCKER_HOST"}, "engine",
	SECTION_ENGINE, STRING(engine_host),
	.def = "unix:///var/run/docker.sock", .check = check_engine,
	.accepts = "unix:///path, tcp://host:port, http://host:port or a "
		   "bare socket path",
	.doc = "the container engine's API"},
    {"engine.pullPolicy", {"RUNNER_PULL_POLICY"}, "pull-policy", SECTION_ENGINE,
	CHOICE(pull_policy), .def = "if-missing",
	.choices = {"if-missing", "always", "never"},
	.doc = "when to pull an image"},
    {"engine.pullTimeout", {"RUNNERHUB_PULL_TIMEOUT"}, "pull-timeout",
	SECTION_ENGINE, DURATION(pull_timeout_ms), .def = "10m", .unit_ms = S,
	.min = S, .max = DAY, .doc = "longest image pull"},
    {"engine.startTimeout", {"RUNNERHUB_START_TIMEOUT"}, "start-timeout",
	SECTION_ENGINE, DURATION(start_timeout_ms), .def = "60s", .unit_ms = S,
	.min = S, .max = HOUR,
	.doc = "longest container start, until its agent answers"},
    {"engine.parallelStarts", {"RUNNERHUB_PARALLEL_STARTS"}, "parallel-starts",
	SECTION_ENGINE, INT(starts_parallel), .def = "0", .min = 0, .max = 256,
	.doc = "container starts at one time, 0: two per core"},

    /* -- jobs ----------------------------------------------------------- */
    {"jobs.image", {"RUNNER_IMAGE"}, "image", SECTION_JOBS, STRING(image),
	.def = "ghcr.io/actions/actions-runner:latest", .check = check_image,
	.accepts = "an image reference",
	.doc = "image of a job that names none and no route matches"},
    {"routes", {NULL}, NULL, SECTION_JOBS, ROUTES(routes),
	.doc = "list of {labels: [..], image}: the first whose labels "
	       "are all among the job's gives the image"},
    {"jobs.timeout", {"RUNNER_JOB_TIMEOUT"}, "job-timeout", SECTION_JOBS,
	DURATION(job_timeout_ms), .def = "3600000", .unit_ms = MS, .min = S,
	.max = 30 * DAY,
	.doc = "longest run of a job with steps that sets no limit of its own"},
    {"jobs.grace", {"RUNNERHUB_JOB_GRACE"}, "job-grace", SECTION_JOBS,
	DURATION(grace_ms), .def = "10s", .unit_ms = S, .min = 0, .max = HOUR,
	.doc = "from the polite signal to the kill, on cancel and timeout"},
    {"jobs.cpus", {"RUNNER_CPU_LIMIT"}, "cpus", SECTION_JOBS, NUM(cpu_limit),
	.def = "2", .num_min = 0.01, .num_max = 1024,
	.doc = "CPUs of a job (at most the host's)"},
    {"jobs.memoryMb", {"RUNNER_MEMORY_MB"}, "memory-mb", SECTION_JOBS,
	INT(memory_mb), .def = "4096", .min = 16, .max = 16777216,
	.doc = "memory of a job in MiB, swap included"},
    {"jobs.pids", {"RUNNER_PIDS_LIMIT"}, "pids", SECTION_JOBS, INT(pids_limit),
	.def = "512", .min = 16, .max = 1000000,
	.doc = "processes and threads of a job"},
    {"jobs.stepDebug", {"ACTIONS_STEP_DEBUG"}, "step-debug", SECTION_JOBS,
	BOOL(step_debug), .def = "false",
	.doc = "passed to jobs as ACTIONS_STEP_DEBUG and RUNNER_DEBUG"},
    {"jobs.retries", {"RUNNERHUB_JOB_RETRIES"}, "job-retries", SECTION_JOBS,
	INT(retry_max), .def = "5", .min = 0, .max = 100,
	.doc = "retries after infrastructure failures, before any step "
	       "began"},
    {"jobs.retryBackoff", {"RUNNERHUB_RETRY_BACKOFF"}, "retry-backoff",
	SECTION_JOBS, DURATION(retry_base_ms), .def = "1s", .unit_ms = S,
	.min = 10, .max = MINUTE,
	.doc = "wait before the first retry; doubles, at most 60s"},
    {"sessions.firstLease", {"RUNNERHUB_SESSION_FIRST_LEASE"},
	"session-first-lease", SECTION_JOBS, DURATION(lease_first_ms),
	.def = "60s", .unit_ms = S, .min = S, .max = DAY,
	.doc = "a session ends when no proxy drives it for this long at "
	       "first"},
    {"sessions.lease", {"RUNNERHUB_SESSION_LEASE"}, "session-lease",
	SECTION_JOBS, DURATION(lease_ms), .def = "60s", .unit_ms = S, .min = S,
	.max = DAY, .doc = "how long each call of the proxy renews a session"},
    {"sessions.timeout", {"RUNNERHUB_SESSION_TIMEOUT"}, "session-timeout",
	SECTION_JOBS, DURATION(session_timeout_ms), .def = "5d", .unit_ms = S,
	.min = S, .max = 30 * DAY,
	.doc = "longest run of a session that sets no limit of its own; its "
	       "proxy knows the job's (GitHub: 6 hours, at most 5 days)"},
    {"sessions.workRoots", {"RUNNERHUB_WORK_ROOTS"}, "work-roots", SECTION_JOBS,
	STRING(work_roots), .check = check_paths,
	.accepts = "absolute paths, separated by commas",
	.doc = "directories that sessions of callers without a registration "
	       "may mount"},
    {"sessions.allow", {"RUNNERHUB_SESSION_ALLOW"}, "session-allow",
	SECTION_JOBS, STRING(session_allow), .check = check_text,
	.accepts = "privileged, devices, host-mounts, engine-socket, "
		   "host-namespaces, capabilities, security-opt, runtime, "
		   "separated by commas",
	.doc = "grants for containers of sessions that reach beyond them"},

    /* -- scheduler ------------------------------------------------------ */
    {"scheduler.capacity", {"RUNNERHUB_CAPACITY"}, "capacity",
	SECTION_SCHEDULER, INT(capacity), .def = "0", .min = 0, .max = 10000,
	.doc = "jobs at one time, 0: the cores, at least 2"},
    {"scheduler.memoryPercent", {"RUNNERHUB_MEMORY_PERCENT"}, "memory-percent",
	SECTION_SCHEDULER, INT(memory_percent), .def = "80", .min = 1,
	.max = 100,
	.doc = "share of the host's memory that jobs may be promised"},
    {"jobs.queueMax", {"RUNNERHUB_QUEUE_MAX"}, "queue-max", SECTION_SCHEDULER,
	INT(queue_max), .def = "100000", .min = 1, .max = 10000000,
	.doc = "waiting jobs; more are refused with 503"},

    /* -- warm pool ------------------------------------------------------ */
    {"poolSize", {"RUNNERHUB_POOL_SIZE"}, "pool-size", SECTION_POOL,
	INT(pool_size), .def = "2", .min = 0, .max = 1000,
	.doc = "warm sandboxes of the default image"},
    {"pool", {NULL}, NULL, SECTION_POOL, POOLS(pools),
	.doc = "list of {image, size, hours: \"08:00-18:00\", days: "
	       "mon-fri}: warm sandboxes of other images, or by time"},

    /* -- network -------------------------------------------------------- */
    {"network.mode", {"RUNNERHUB_NETWORK"}, "network", SECTION_NETWORK,
	STRING(network_mode), .def = "isolated", .check = check_name,
	.accepts = "isolated, none or the name of an engine network",
	.doc = "network of a job"},
    {"network.mechanism", {"RUNNERHUB_NETWORK_MECHANISM"}, "network-mechanism",
	SECTION_NETWORK, CHOICE(network_mechanism), .def = "auto",
	.choices = {"auto", "veth", "engine"},
	.doc = "how isolation is made: our own links (needs root), or "
	       "the engine's networks"},
    {"network.subnet", {"RUNNERHUB_SUBNET"}, "subnet", SECTION_NETWORK,
	STRING(network_subnet), .def = "10.213.0.0/16", .check = check_subnet,
	.accepts = "an IPv4 network such as 10.213.0.0/16, prefix 8 to 28",
	.doc = "range that job networks are taken from"},
    {"network.sessionSubnet", {"RUNNERHUB_SESSION_SUBNET"}, "session-subnet",
	SECTION_NETWORK, STRING(session_subnet), .def = "10.214.0.0/16",
	.check = check_subnet,
	.accepts = "an IPv4 network such as 10.214.0.0/16, prefix 8 to 28",
	.doc = "range that networks of sessions with containers are taken "
	       "from"},
    {"network.dns", {"RUNNERHUB_DNS"}, "dns", SECTION_NETWORK,
	STRING(network_dns), .check = check_addresses,
	.accepts = "IP addresses, separated by commas",
	.def_note = "the host's resolvers", .doc = "resolvers of a job"},
    {"network.hostServices", {"RUNNERHUB_HOST_SERVICES"}, "host-services",
	SECTION_NETWORK, CHOICE(host_services), .def = "deny",
	.choices = {"deny", "warn"},
	.doc = "may jobs reach services of this host"},
    {"network.mtu", {"RUNNERHUB_MTU"}, "mtu", SECTION_NETWORK, INT(network_mtu),
	.def = "0", .min = 0, .max = 65535,
	.doc = "MTU of job networks, 0: the default route's"},

    /* -- job logs, disk --------------------------------------------------- */
    {"logs.maxPerJob", {"RUNNERHUB_LOG_MAX_PER_JOB"}, "log-max-per-job",
	SECTION_RETENTION, SIZE(log_max_bytes), .def = "256m", .min = 4096,
	.max = TIB,
	.doc = "a job's log beyond this is cut, with a mark; "
	       "a component's forgets its oldest bytes"},
    {"logs.maxTotal", {"RUNNERHUB_LOG_MAX_TOTAL"}, "log-max-total",
	SECTION_RETENTION, SIZE(log_total_bytes), .def = "10g", .min = MIB,
	.max = 1024 * TIB,
	.doc = "beyond this the oldest logs of ended jobs go"},
    {"logs.maxAge", {"RUNNERHUB_LOG_MAX_AGE"}, "log-max-age", SECTION_RETENTION,
	DURATION(log_age_ms), .def = "30d", .unit_ms = DAY, .min = MINUTE,
	.max = 36500 * DAY, .doc = "how long the logs of ended jobs are kept"},
    {"jobs.maxAge", {"RUNNERHUB_JOB_MAX_AGE"}, "job-max-age", SECTION_RETENTION,
	DURATION(job_age_ms), .def = "90d", .unit_ms = DAY, .min = MINUTE,
	.max = 36500 * DAY, .doc = "how long ended jobs stay in the store"},
    {"audit.maxAge", {"RUNNERHUB_AUDIT_MAX_AGE"}, "audit-max-age",
	SECTION_RETENTION, DURATION(audit_age_ms), .def = "365d",
	.unit_ms = DAY, .min = MINUTE, .max = 36500 * DAY,
	.doc = "how long rows of the audit log stay"},
    {"disk.reserve", {"RUNNERHUB_DISK_RESERVE"}, "disk-reserve",
	SECTION_RETENTION, SIZE(disk_reserve_bytes), .def = "256m", .min = 0,
	.max = TIB, .doc = "free space below which new jobs are refused"},

    /* -- clients ---------------------------------------------------------- */
    {"client.url", {"RUNNERHUB_URL"}, "url", SECTION_CLIENT, STRING(url),
	.check = check_url,
	.accepts = "http://host[:port], https://host[:port], or unix:///path "
		   "of the hub's socket",
	.def_note = "the address and port above, on this machine",
	.doc = "the hub that the command line talks to"},
    {"client.token", {"RUNNERHUB_TOKEN"}, "token", SECTION_CLIENT,
	SECRET(token), .min = 1, .def_note = "auth.apiKey, when set here",
	.doc = "what the command line proves itself with"},
    {"client.ca", {"RUNNERHUB_CA_FILE"}, "ca-file", SECTION_CLIENT,
	STRING(client_ca), .check = check_text,
	.accepts = "the path of a PEM file",
	.def_note = "the system's authorities",
	.doc = "authorities that may vouch for the certificate of an https:// "
	       "hub"},
    {"client.certificate", {"RUNNERHUB_CLIENT_CERT"}, "client-cert",
	SECTION_CLIENT, STRING(client_certificate), .check = check_text,
	.accepts = "the path of a PEM file",
	.doc = "certificate that is shown to a hub that asks for one"},
    {"client.key", {"RUNNERHUB_CLIENT_KEY"}, "client-key", SECTION_CLIENT,
	STRING(client_key), .check = check_text,
	.accepts = "the path of a PEM file", .doc = "that certificate's key"},

    /* -- proxy runners ----------------------------------------------------- */
    {"runners.enrolmentKey", {"RUNNERHUB_ENROLMENT_KEY"}, "enrolment-key",
	SECTION_RUNNERS, SECRET(enrolment_key), .min = 16,
	.doc = "key that replicas exchange for a token of their own at their "
	       "first start; none: no replica may"},
    {"runners.proxyImage", {"RUNNERHUB_PROXY_IMAGE"}, "proxy-image",
	SECTION_RUNNERS, STRING(proxy_image), .def = "runnerhub/proxy:latest",
	.check = check_image, .accepts = "an image reference",
	.doc = "image of the proxies that the hub makes"},
    {"runners.heartbeat", {"RUNNERHUB_RUNNER_HEARTBEAT"}, "runner-heartbeat",
	SECTION_RUNNERS, DURATION(heartbeat_ms), .def = "10s", .unit_ms = S,
	.min = 100, .max = HOUR,
	.doc = "how often runners report; offline after three that are "
	       "missed"},
    {"runners.allowRepositories", {"RUNNERHUB_ALLOW_REPOSITORIES"},
	"allow-repositories", SECTION_RUNNERS, STRING(allow_repositories),
	.check = check_text,
	.accepts = "owner/repo or owner/*, separated by commas",
	.def_note = "all", .doc = "whose jobs the job-started hook lets begin"},
    {"github.url", {"RUNNERHUB_GITHUB_URL"}, "github-url", SECTION_RUNNERS,
	STRING(github_url), .def = "https://github.com", .check = check_origin,
	.accepts = "https://github.com or https://<GitHub Enterprise Server>",
	.doc = "the GitHub that runners register with"},
    {"github.token", {"GITHUB_TOKEN"}, "github-token", SECTION_RUNNERS,
	SECRET(github_token), .min = 1,
	.doc = "registers and removes runners at GitHub, and reads sources "
	       "of components there; stays in the hub"},
    {"github.org", {"GITHUB_ORG"}, "github-org", SECTION_RUNNERS,
	STRING(github_org), .check = check_text, .accepts = "a name",
	.doc = "organisation that replicas may enrol for, with its "
	       "repositories"},
    {"github.repositories", {"GITHUB_REPOSITORIES"}, "github-repositories",
	SECTION_RUNNERS, STRING(github_repositories), .check = check_text,
	.accepts = "owner/repo names, separated by commas",
	.doc = "repositories that replicas may enrol for"},

    /* -- components ------------------------------------------------------- */
    {"components.catalog", {"RUNNERHUB_CATALOG"}, "catalog", SECTION_COMPONENTS,
	STRING(catalog), .check = check_text,
	.accepts = "paths of catalog-info.yaml files or of directories that "
		   "hold them, addresses of such at GitHub, separated by "
		   "commas",
	.doc = "the hub's own catalog"},
    {"components.catalogRefresh", {"RUNNERHUB_CATALOG_REFRESH"},
	"catalog-refresh", SECTION_COMPONENTS, DURATION(catalog_refresh_ms),
	.def = "2m", .unit_ms = S, .min = S, .max = DAY,
	.doc = "how often the catalog's files at GitHub are looked at"},
    {"components.appConfig", {"RUNNERHUB_APP_CONFIG"}, "app-config",
	SECTION_COMPONENTS, STRING(app_config), .check = check_text,
	.accepts = "paths of app-config.yaml files, separated by commas",
	.doc = "a portal's configuration: its integrations.github, "
	       "catalog.locations and runner.docker are taken; later files "
	       "win"},
    {"components.max", {"RUNNERHUB_COMPONENTS_MAX"}, "components-max",
	SECTION_COMPONENTS, INT(components_max), .def = "1", .min = 1,
	.max = 1000, .doc = "components that run at one time"},
    {"components.whenBusy", {"RUNNERHUB_COMPONENTS_WHEN_BUSY"},
	"components-when-busy", SECTION_COMPONENTS, CHOICE(when_busy),
	.def = "refuse", .choices = {"refuse", "replace"},
	.doc = "a start when components.max of them run: refused, or the "
	       "oldest one is stopped for it"},
    {"components.ports", {"RUNNERHUB_COMPONENTS_PORTS"}, "components-ports",
	SECTION_COMPONENTS, STRING(components_ports), .check = check_ports,
	.accepts = "a range such as 20000-20999",
	.doc = "where components get ports that ask for any (host port 0); "
	       "else any that is free"},
    {"components.bind", {"RUNNERHUB_COMPONENTS_BIND"}, "components-bind",
	SECTION_COMPONENTS, STRING(components_bind), .def = "0.0.0.0",
	.check = check_ipv4, .accepts = "an IPv4 address of this machine",
	.doc = "the address that the ports of components are opened on"},
    {"components.history", {"RUNNERHUB_COMPONENTS_HISTORY"},
	"components-history", SECTION_COMPONENTS, INT(instances_kept),
	.def = "200", .min = 1, .max = 900,
	.doc = "ended instances that are kept, with their logs; the newest of "
	       "each component always is"},
    {"components.images", {"RUNNERHUB_COMPONENTS_IMAGES"}, "components-images",
	SECTION_COMPONENTS, SIZE(images_bytes), .def = "10g", .min = 0,
	.max = 1024 * TIB,
	.doc = "disk for built images beyond their base images; those that "
	       "were used least recently go first, none that is in use"},
    {"components.baseImages", {"RUNNERHUB_COMPONENTS_BASE_IMAGES"},
	"components-base-images", SECTION_COMPONENTS, STRING(base_images),
	.check = check_text,
	.accepts = "patterns of image names separated by commas; * stands for "
		   "anything",
	.doc = "what Dockerfiles of components may be built from "
	       "(docker.io/library/*,ghcr.io/acme/*); without it anything but "
	       "images of components and jobs"},
    {"components.buildDisk", {"RUNNERHUB_COMPONENTS_BUILD_DISK"},
	"components-build-disk", SECTION_COMPONENTS, SIZE(build_disk_bytes),
	.def = "10g", .min = 0, .max = 1024 * TIB,
	.doc = "what one build may write beyond its base images, 0: as much as "
	       "disk.reserve leaves"},
    {"components.imageGrace", {"RUNNERHUB_COMPONENTS_IMAGE_GRACE"},
	"components-image-grace", SECTION_COMPONENTS, DURATION(image_grace_ms),
	.def = "1d", .unit_ms = DAY, .min = S, .max = 365 * DAY,
	.doc = "images of components that no catalog has any more go after "
	       "this"},
    {"components.buildTimeout", {"RUNNERHUB_COMPONENTS_BUILD_TIMEOUT"},
	"components-build-timeout", SECTION_COMPONENTS, DURATION(build_ms),
	.def = "10m", .unit_ms = S, .min = S, .max = DAY,
	.doc = "how long the build of a component's image may take"},
    {"components.secretsDir", {"RUNNERHUB_SECRETS_DIR"}, "secrets-dir",
	SECTION_COMPONENTS, STRING(secrets_dir), .check = check_text,
	.accepts = "the path of a directory",
	.doc = "secrets of components that the hub does not keep itself: a "
	       "file each, its name is the secret's"},
    {"components.path", {"RUNNERHUB_COMPONENTS_PATH"}, "components-path",
	SECTION_COMPONENTS, STRING(components_path), .def = "/api/runner",
	.check = check_base_paths,
	.accepts = "absolute paths of at least one segment, without \"/\" at "
		   "their end, separated by commas",
	.doc = "where the component API is served"},
    {"components.listen", {"RUNNERHUB_COMPONENTS_LISTEN"}, "components-listen",
	SECTION_COMPONENTS, STRING(components_listen),
	.check = check_listen_port,
	.accepts = "an address and a port, such as 127.0.0.1:7007 or "
		   "[::1]:7007",
	.doc = "an address of its own for the component API, which is served "
	       "there below \"/\""},
    {"components.publicHost", {"RUNNERHUB_PUBLIC_HOST"}, "public-host",
	SECTION_COMPONENTS, STRING(public_host), .check = check_host,
	.accepts = "the name or address of a host",
	.def_note = "the host that the page came from",
	.doc = "the host under which people reach the ports of components"},
    {"components.strict", {"RUNNERHUB_COMPONENTS_STRICT"}, "components-strict",
	SECTION_COMPONENTS, BOOL(components_strict), .def = "false",
	.doc = "answer as older portal plugins did: start waits, and what "
	       "would be 404 or 409 is 500"},
    {"components.followers", {"RUNNERHUB_COMPONENTS_FOLLOWERS"},
	"components-followers", SECTION_COMPONENTS, INT(followers_max),
	.def = "2000", .min = 1, .max = 10000,
	.doc = "streams of one instance (or of all, for events) at one time; "
	       "more get 503"},
    {"components.followTime", {"RUNNERHUB_COMPONENTS_FOLLOW_TIME"},
	"components-follow-time", SECTION_COMPONENTS, DURATION(follow_ms),
	.def = "12h", .unit_ms = S, .min = S, .max = 365 * DAY,
	.doc = "the longest stream: some proxies never tell that a reader "
	       "left"},

    {"portal.url", {"RUNNERHUB_PORTAL_URL"}, "portal-url", SECTION_COMPONENTS,
	STRING(portal_url), .check = check_portal,
	.accepts = "https://portal.example.com, or app-config: the "
		   "backend.baseUrl of components.appConfig",
	.doc = "the portal whose catalog and users are the hub's as well"},
    {"portal.token", {"RUNNERHUB_PORTAL_TOKEN"}, "portal-token",
	SECTION_COMPONENTS, SECRET(portal_token), .min = 8,
	.def_note = "users' own tokens only",
	.doc = "what the hub proves itself with when it asks the portal's "
	       "catalog for itself"},
    {"portal.verify", {"RUNNERHUB_PORTAL_VERIFY"}, "portal-verify",
	SECTION_COMPONENTS, CHOICE(portal_verify), .def = "keys",
	.choices = {"keys", "ask"},
	.doc = "how users' tokens are verified: by the portal's published "
	       "keys, or by asking it"},
    {"portal.tokens", {"RUNNERHUB_PORTAL_TOKENS"}, "portal-tokens",
	SECTION_COMPONENTS, STRING(portal_tokens), .check = check_text,
	.accepts = "the path of a YAML file: a list of {token, subject, "
		   "allowStart}",
	.doc = "tokens of services that may use the component API"},
    {"portal.owners", {"RUNNERHUB_PORTAL_OWNERS"}, "portal-owners",
	SECTION_COMPONENTS, CHOICE(portal_owners), .def = "off",
	.choices = {"off", "stop"},
	.doc = "stop: users stop only what they or their groups own"},

    /* -- vault --------------------------------------------------------- */
    {"vault.addr", {"VAULT_ADDR"}, "vault-addr", SECTION_VAULT,
	STRING(vault_addr), .check = check_vault,
	.accepts = "https://vault.example.com:8200; http:// on this machine "
		   "only",
	.doc = "HashiCorp Vault (KV version 2) that secrets may be in"},
    {"vault.token", {"VAULT_TOKEN"}, "vault-token", SECTION_VAULT,
	SECRET(vault_token), .min = 1,
	.doc = "what Vault is asked with; renewed when it can be"},
    {"vault.roleId", {"VAULT_ROLE_ID"}, "vault-role-id", SECTION_VAULT,
	STRING(vault_role_id), .check = check_text, .accepts = "text",
	.doc = "AppRole to log in with, instead of a token"},
    {"vault.secretId", {"VAULT_SECRET_ID"}, "vault-secret-id", SECTION_VAULT,
	SECRET(vault_secret_id), .min = 1, .doc = "its secret"},
    {"vault.namespace", {"VAULT_NAMESPACE"}, "vault-namespace", SECTION_VAULT,
	STRING(vault_namespace), .check = check_vault_path,
	.accepts = "names with / between",
	.doc = "namespace of Vault Enterprise"},
    {"vault.mount", {"VAULT_MOUNT"}, "vault-mount", SECTION_VAULT,
	STRING(vault_mount), .def = "secret", .check = check_vault_path,
	.accepts = "names with / between",
	.doc = "where the KV version 2 engine is mounted"},
    {"vault.prefix", {"VAULT_PREFIX"}, "vault-prefix", SECTION_VAULT,
	STRING(vault_prefix), .def = "runnerhub", .check = check_vault_path,
	.accepts = "names with / between",
	.doc = "path below it that the hub reads, and nothing else"},
    {"vault.ca", {"VAULT_CACERT"}, "vault-ca", SECTION_VAULT, STRING(vault_ca),
	.check = check_text, .accepts = "the path of a PEM file",
	.def_note = "the machine's authorities",
	.doc = "authorities that vouch for Vault's certificate"},
    {"vault.timeout", {"VAULT_CLIENT_TIMEOUT"}, "vault-timeout", SECTION_VAULT,
	DURATION(vault_timeout_ms), .def = "5s", .unit_ms = S, .min = 100,
	.max = MINUTE, .doc = "longest wait for one answer"},
    {"vault.cacheFor", {"RUNNERHUB_VAULT_CACHE_FOR"}, "vault-cache-for",
	SECTION_VAULT, DURATION(vault_cache_ms), .def = "60s", .unit_ms = S,
	.min = S, .max = DAY,
	.doc = "how long a secret is used again without asking"},
    {"vault.staleFor", {"RUNNERHUB_VAULT_STALE_FOR"}, "vault-stale-for",
	SECTION_VAULT, DURATION(vault_stale_ms), .def = "10m", .unit_ms = S,
	.min = 0, .max = DAY,
	.doc = "and how much longer while Vault does not answer"},

    /* -- known names, features to come ----------------------------------- */
    {"database.url", {"DATABASE_URL"}, "database-url", SECTION_LATER,
	LATER(OPTION_SECRET), .min = 1, .max = SECRET_BYTES_MAX,
	.doc = "PostgreSQL instead of the embedded store"},
    {"redis.url", {"REDIS_URL"}, "redis-url", SECTION_LATER,
	LATER(OPTION_SECRET), .min = 1, .max = SECRET_BYTES_MAX,
	.doc = "Redis for events between hubs"},
    {"github.webhookSecret", {"GITHUB_WEBHOOK_SECRET"}, "github-webhook-secret",
	SECTION_LATER, LATER(OPTION_SECRET), .min = 1, .max = SECRET_BYTES_MAX,
	.doc = "proves that a webhook is GitHub's"},
    {"runners.poolMin", {"RUNNER_POOL_MIN"}, "runner-pool-min", SECTION_LATER,
	LATER(OPTION_INT), .def = "1", .min = 0, .max = 10000,
	.doc = "runners of a repository's pool, at least"},
    {"runners.poolMax", {"RUNNER_POOL_MAX"}, "runner-pool-max", SECTION_LATER,
	LATER(OPTION_INT), .def = "10", .min = 0, .max = 10000,
	.doc = "runners of a repository's pool, at most"},
    {"runners.scaleIncrement", {"RUNNER_SCALE_INCREMENT"},
	"runner-scale-increment", SECTION_LATER, LATER(OPTION_INT), .def = "5",
	.min = 1, .max = 10000, .doc = "runners added at one time"},
    {"runners.scaleThreshold", {"RUNNER_SCALE_THRESHOLD"},
	"runner-scale-threshold", SECTION_LATER, LATER(OPTION_NUM),
	.def = "0.8", .num_min = 0, .num_max = 1,
	.doc = "share of busy runners at which a pool grows"},
    {"runners.idleTimeout", {"RUNNER_IDLE_TIMEOUT"}, "runner-idle-timeout",
	SECTION_LATER, LATER(OPTION_DURATION), .def = "300", .unit_ms = S,
	.min = S, .max = 365 * DAY, .doc = "an idle runner goes after this"},
    {"network.prefix", {"RUNNER_NETWORK_PREFIX"}, "network-prefix",
	SECTION_LATER, LATER(OPTION_STRING), .def = "runner-net",
	.check = check_name, .accepts = "letters, digits, '.', '_', '-'",
	.doc = "beginning of the names of runner networks"},
};
const size_t option_count = ARRAY_LEN(option_table);

static const char *const section_titles[SECTION_COUNT] = {
    [SECTION_SERVER] = "Server",
    [SECTION_ACCESS] = "Access",
    [SECTION_WEBHOOKS] = "Webhooks",
    [SECTION_LOG] = "Log of the hub",
    [SECTION_ENGINE] = "Container engine",
    [SECTION_JOBS] = "Jobs",
    [SECTION_SCHEDULER] = "Scheduler",
    [SECTION_POOL] = "Warm pool",
    [SECTION_NETWORK] = "Network of jobs",
    [SECTION_RETENTION] = "Job logs and retention",
    [SECTION_CLIENT] = "Command line as client",
    [SECTION_RUNNERS] = "Proxy runners and GitHub",
    [SECTION_COMPONENTS] = "Components",
    [SECTION_VAULT] = "Vault",
    [SECTION_LATER] = "Known, not used yet",
};

const char *option_section_title(enum option_section s)
{
	ASSERT(s < SECTION_COUNT);
	return section_titles[s];
}

const struct option *option_by_key(const char *key)
{
	for (size_t i = 0; i < option_count; i++)
		if (strcmp(option_table[i].key, key) == 0)
			return &option_table[i];
	return NULL;
}

const struct option *option_by_flag(const char *flag, size_t len)
{
	for (size_t i = 0; i < option_count; i++) {
		const char *f = option_table[i].flag;

		if (f != NULL && strlen(f) == len && memcmp(f, flag, len) == 0)
			return &option_table[i];
	}
	return NULL;
}
