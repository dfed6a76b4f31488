/*
 * Configuration: one typed table (config/options.c) makes the YAML file, the
 * `.env` file, the environment, the flags, --help, `runnerhub config`,
 * .env.example and docs/CONFIGURATION.md. Later sources win: default, YAML
 * file, .env, environment, flag. Each value remembers where it came from.
 * Immutable after config_load; any thread.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct secret;

struct route_rule {    /* labels -> image */
	char **labels; /* NULL-terminated: all must be among the job's */
	char *image;
};
struct pool_rule {
	char *image;
	int size; /* warm sandboxes kept ready */
	/* optional schedule: only within these local hours, [from, to) in
	 * minutes of the day on the days of a bit mask (bit 0 = Sunday); from
	 * == to: always */
	int from_minute, to_minute, days;
};

struct options {
	/* server */
	char *listen;           /* RUNNERHUB_LISTEN 127.0.0.1 */
	int64_t port;           /* PORT 3000 */
	char *socket;           /* RUNNERHUB_SOCKET path|none, NULL: default */
	struct secret *api_key; /* RUNNERHUB_API_KEY, NULL: none */
	char *state_dir;   /* RUNNERHUB_STATE_DIR: /var/lib/runnerhub for root,
			      else   $XDG_STATE_HOME/runnerhub or
			      ~/.local/state/runnerhub */
	char *config_file; /* RUNNERHUB_CONFIG, NULL: none */
	char *env; /* RUNNERHUB_ENV / NODE_ENV: development|test|production */
	char *cors_origin;        /* CORS_ORIGIN csv, NULL */
	char *trusted_proxies;    /* http.trustedProxies csv, NULL: none */
	char *tls_certificate;    /* http.tls.certificate, NULL: plain HTTP */
	char *tls_key;            /* http.tls.key: set with it */
	char *tls_client_ca;      /* http.tls.clientCa, NULL */
	char *tls_client_auth;    /* http.tls.clientAuth off|runners|all */
	int64_t workers;          /* http.workers: handler threads, 8 */
	int64_t write_timeout_ms; /* http.writeTimeout 60 s */
	int64_t drain_ms;         /* shutdown.drain: 30 s */
	char *
	    shutdown_mode; /* shutdown.mode: handover|drain, default handover */
	/* log of the hub itself */
	/* webhooks */
	char *webhooks_allow; /* csv of networks, NULL */
	int64_t webhooks_timeout_ms, webhooks_retry_ms, webhooks_retry_for_ms;
	int64_t webhooks_queue_max;
	char *log_level;  /* LOG_LEVEL info|debug|warn|error */
	char *log_dir;    /* LOG_DIR, NULL: stderr */
	char *log_format; /* LOG_FORMAT json|logfmt, default logfmt */
	bool step_debug;  /* ACTIONS_STEP_DEBUG */
	/* secrets */
	struct secret *encryption_key; /* ENCRYPTION_KEY */
	struct secret *encryption_key_old;
	struct secret *jwt_secret; /* JWT_SECRET, NULL: the store's */
	int64_t login_age_ms;      /* auth.loginAge 30 d */
	/* engine */
	char *engine_host; /* DOCKER_HOST, DOCKER_SOCKET_PROXY wins; default
			      unix:///var/run/docker.sock */
	char *pull_policy; /* RUNNER_PULL_POLICY if-missing|always|never */
	int64_t pull_timeout_ms;  /* engine.pullTimeout 10 min */
	int64_t start_timeout_ms; /* engine.startTimeout 60 s */
	int64_t starts_parallel;  /* engine.parallelStarts, 0: 2 x cores */
	/* jobs */
	char *image;               /* RUNNER_IMAGE */
	struct route_rule *routes; /* routes: list of {labels, image} */
	size_t nroutes;
	int64_t capacity;       /* RUNNERHUB_CAPACITY, 0: max(2, cores) */
	int64_t memory_percent; /* scheduler.memoryPercent 80 */
	int64_t job_timeout_ms; /* RUNNER_JOB_TIMEOUT 3600000 */
	int64_t grace_ms;       /* jobs.grace 10 s: SIGTERM to SIGKILL */
	double cpu_limit;       /* RUNNER_CPU_LIMIT 2, at most the host's */
	int64_t memory_mb;      /* RUNNER_MEMORY_MB 4096 */
	int64_t pids_limit;     /* RUNNER_PIDS_LIMIT 512 */
	int64_t retry_max;      /* jobs.retries 5: infrastructure failures */
	int64_t retry_base_ms; /* jobs.retryBackoff 1 s, doubles, capped 60 s */
	int64_t queue_max;     /* jobs.queueMax 100000 waiting: then 503 */
	int64_t session_timeout_ms; /* sessions.timeout 5 d */
	int64_t lease_first_ms;     /* sessions.firstLease 60 s */
	int64_t lease_ms;           /* sessions.lease 60 s */
	char *work_roots;    /* RUNNERHUB_WORK_ROOTS csv of paths, NULL */
	char *session_allow; /* RUNNERHUB_SESSION_ALLOW csv of grants, NULL */
	/* network */
	char *network_mode; /* network.mode: isolated|none|<network name> */
	char *network_mechanism; /* network.mechanism: auto|veth|engine */
	char *network_subnet;    /* network.subnet 10.213.0.0/16 */
	char *session_subnet;    /* network.sessionSubnet 10.214.0.0/16 */
	char *network_dns;       /* network.dns csv, NULL: the host's */
	char *host_services;     /* network.hostServices deny|warn */
	int64_t network_mtu;     /* network.mtu 0 */
	/* warm pool */
	struct pool_rule *pools; /* pool: list of {image, size, schedule} */
	size_t npools;
	int64_t pool_size; /* RUNNERHUB_POOL_SIZE: of the default image, 2 */
	/* spool */
	int64_t log_max_bytes;      /* logs.maxPerJob 256m */
	int64_t log_total_bytes;    /* logs.maxTotal 10g */
	int64_t log_age_ms;         /* logs.maxAge 30d */
	int64_t job_age_ms;         /* jobs.maxAge 90d: rows of ended jobs */
	int64_t audit_age_ms;       /* audit.maxAge 365d */
	int64_t disk_reserve_bytes; /* disk.reserve 256m: refuse below */
	/* clients of the hub */
	char *url; /* RUNNERHUB_URL, default from listen and port; no '/' at
		      the end */
	bool url_is_own;      /* it is that default: the hub of these options */
	struct secret *token; /* RUNNERHUB_TOKEN or _FILE */
	char *client_ca;      /* RUNNERHUB_CA_FILE, NULL: the system's */
	char *client_certificate; /* RUNNERHUB_CLIENT_CERT, NULL */
	char *client_key;         /* RUNNERHUB_CLIENT_KEY, NULL */
	/* proxy runners */
	struct secret *enrolment_key; /* RUNNERHUB_ENROLMENT_KEY, NULL: none */
	char *proxy_image;            /* RUNNERHUB_PROXY_IMAGE */
	int64_t heartbeat_ms;         /* runners.heartbeat 10 s */
	char *allow_repositories; /* RUNNERHUB_ALLOW_REPOSITORIES csv, NULL: all
				   */
	struct secret *github_token;            /* GITHUB_TOKEN, NULL: none */
	char *github_url;                       /* RUNNERHUB_GITHUB_URL */
	char *github_org, *github_repositories; /* NULL: none */
	/* components */
	char *catalog; /* RUNNERHUB_CATALOG csv of files, directories and
			  addresses, NULL: none */
	int64_t catalog_refresh_ms; /* RUNNERHUB_CATALOG_REFRESH 2 min */
	char *app_config; /* RUNNERHUB_APP_CONFIG csv of files, NULL: none */
	char *portal_url; /* RUNNERHUB_PORTAL_URL, "app-config": its
			     backend.baseUrl; NULL: none */
	struct secret *portal_token; /* RUNNERHUB_PORTAL_TOKEN, NULL: none */
	char *portal_verify;         /* RUNNERHUB_PORTAL_VERIFY keys|ask */
	int64_t components_max; /* RUNNERHUB_COMPONENTS_MAX 1: at one time */
	char *when_busy; /* RUNNERHUB_COMPONENTS_WHEN_BUSY refuse|replace */
	char *components_ports; /* RUNNERHUB_COMPONENTS_PORTS pool, NULL */
	char *components_bind;  /* RUNNERHUB_COMPONENTS_BIND 0.0.0.0 */
	int64_t instances_kept; /* RUNNERHUB_COMPONENTS_HISTORY 200 */
	char *secrets_dir;      /* RUNNERHUB_SECRETS_DIR, NULL: none */
	/* Vault */
	char *vault_addr;               /* VAULT_ADDR, NULL: none */
	struct secret *vault_token;     /* VAULT_TOKEN, NULL */
	char *vault_role_id;            /* VAULT_ROLE_ID, NULL: the token */
	struct secret *vault_secret_id; /* set with it */
	char *vault_namespace;          /* NULL: none */
	char *vault_mount, *vault_prefix;
	char *vault_ca; /* path, NULL: the machine's */
	int64_t vault_timeout_ms, vault_cache_ms, vault_stale_ms;
	char *base_images; /* RUNNERHUB_COMPONENTS_BASE_IMAGES, NULL: any */
	int64_t image_grace_ms;   /* RUNNERHUB_COMPONENTS_IMAGE_GRACE 1d */
	int64_t build_disk_bytes; /* RUNNERHUB_COMPONENTS_BUILD_DISK 10g, 0 */
	int64_t images_bytes;     /* RUNNERHUB_COMPONENTS_IMAGES 10g */
	int64_t build_ms;      /* RUNNERHUB_COMPONENTS_BUILD_TIMEOUT 10 min */
	char *components_path; /* RUNNERHUB_COMPONENTS_PATH csv, /api/runner */
	char *components_listen; /* RUNNERHUB_COMPONENTS_LISTEN addr:port, NULL
				  */
	char *public_host;       /* RUNNERHUB_PUBLIC_HOST, NULL */
	bool components_strict;  /* RUNNERHUB_COMPONENTS_STRICT false */
	int64_t followers_max;   /* RUNNERHUB_COMPONENTS_FOLLOWERS 2000 */
	int64_t follow_ms;       /* RUNNERHUB_COMPONENTS_FOLLOW_TIME 12 h */
	char *portal_tokens;     /* RUNNERHUB_PORTAL_TOKENS, NULL */
	char *portal_owners;     /* RUNNERHUB_PORTAL_OWNERS off|stop */
	/* limits (API_RATE_LIMIT ...): see options.c; used by api/ */
	int64_t rate_limit;     /* API_RATE_LIMIT 100 */
	int64_t rate_window_ms; /* API_RATE_WINDOW 900000 ms */
};

struct config; /* options and where each came from */

/*
 * argv: the flags of the subcommand ("--port=3001", "--port 3001") from
 * argv[1] on, NULL at argv[*argc]; parsed ones are removed from *argc/argv,
 * everything else stays in order; "--" ends flags and stays. argc NULL: no
 * flags. One error, one line: where, key, value, accepted, suggestion.
 */
int config_load(
    struct config **ret, int *argc, char **argv, struct err *err) MUST_CHECK;
void config_free(struct config *c);
const struct options *config_options(const struct config *c);

/* The `runnerhub config` page: name, value, source; secrets as "(set)". */
void config_print(const struct config *c, bool json, struct buf *out);
/* Keys whose feature does not exist yet and that somebody set: cb each. */
void config_unused(const struct config *c,
    void (*cb)(void *arg, const char *key, const char *source), void *arg);
/* Doubts about what was read (a mistyped RUNNERHUB_* name, a secret in a
 * file that others may read): one line each. */
void config_warnings(
    const struct config *c, void (*cb)(void *arg, const char *line), void *arg);
/* May a hub start with these? Refuses in production keys that are short or
 * guessable. */
int config_check_serve(const struct options *o, struct err *err) MUST_CHECK;
/* And one that nobody has a key or a user of? Not on addresses that others
 * reach. */
int config_check_open(const struct options *o, struct err *err) MUST_CHECK;

/* The flags, for completion, the man page and "did you mean". Strings are
 * valid within the callback only. */
struct config_flag {
	const char *name; /* "port", "api-key-file" */
	const char *doc;
	bool takes_value, is_path, unused;
	const char *const *choices; /* NULL-terminated, or NULL */
};
void config_flag_each(
    void (*cb)(void *arg, const struct config_flag *flag), void *arg);

/* Generated texts. */
void config_help(struct buf *out);        /* flags part of serve --help */
void config_env_example(struct buf *out); /* .env.example */
void config_markdown(struct buf *out);    /* docs/CONFIGURATION.md */

#endif
