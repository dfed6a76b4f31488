/*
 * `runnerhub serve`: the hub. Boot is a list of calls, each a sentence; the
 * end is the same list backwards. The main thread waits for signals.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/api.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cmd/cmd.h"
#include "components/app_config.h"
#include "components/components.h"
#include "jobs/hub.h"
#include "notify/notify.h"
#include "portal/portal.h"
#include "runners/runners.h"
#include "store/users.h"

enum { STOP_API_MS = 2000, RENEW_S = 2 };

/* -- signals ----------------------------------------------------------- */

/* Blocked before the first thread starts, so that all inherit it: only the
 * main thread takes them, with sigwait. */
static void block_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGHUP);
	pthread_sigmask(SIG_BLOCK, ret, NULL);
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
}

static void exit_now(int sig)
{
	_exit(128 + sig);
}

/* logrotate has moved the file away. */
static void reopen_log(void)
{
	struct err err = ERR_INIT;

	if (log_reopen(&err) < 0)
		log_warn(
		    NULL, "the log goes on in its old file", LOG_ERR(&err));
}

/* Until the hub shall stop; meanwhile the certificate is looked after. */
static int next_signal(const sigset_t *set, struct api *api)
{
	static const struct timespec pause = {.tv_sec = RENEW_S};
	int sig;

	for (;;) {
		sig = sigtimedwait(set, NULL, api_has_tls(api) ? &pause : NULL);
		if (sig == SIGTERM || sig == SIGINT)
			return sig;
		if (sig == SIGHUP)
			reopen_log();
		api_renew_tls(api, sig == SIGHUP);
	}
}

/* A second signal does not wait any longer: kill -9 is safe at any time. */
static void wait_for_signal(
    sigset_t *set, struct api *api, const struct ctx *ctx)
{
	struct sigaction now = {.sa_handler = exit_now};
	int sig = next_signal(set, api);

	log_info(ctx, "stopping", LOG_STR("signal", strsignal(sig)));
	sigaction(SIGTERM, &now, NULL);
	sigaction(SIGINT, &now, NULL);
	pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

/* -- the surroundings -------------------------------------------------- */

/* Tells systemd (sd_notify(3)): a datagram to the socket it named. */
static void notify_systemd(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP(fd_close) int fd = -1;
	size_t len;

	if (path == NULL || (len = strlen(path)) >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	IGNORE(sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		   (struct sockaddr *)&addr,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) <
	       0); /* nobody to tell */
}

/* Connections and sandboxes are descriptors: take what is allowed. */
static void raise_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		IGNORE(setrlimit(RLIMIT_NOFILE, &l) < 0); /* as it was */
	}
}

/* Where and how lines are written: also before the hub itself is opened. */
static int open_log(const struct options *o, struct err *err)
{
	CLEANUP(mem_free) char *path = NULL;
	enum log_level level = LOG_INFO;

	IGNORE(log_level_parse(o->log_level, &level)); /* one of the choices */
	log_setup(
	    level, strcmp(o->log_format, "json") == 0 ? LOG_JSON : LOG_LOGFMT);
	if (o->log_dir == NULL)
		return 0;
	TRY(fs_mkdir_p(o->log_dir, 0750, err));
	path = mem_printf("%s/runnerhub.log", o->log_dir);
	return log_to_file(path, err);
}

static void warn_unused(void *arg, const char *key, const char *source)
{
	log_warn(arg, "this setting has no effect yet", LOG_STR("key", key),
	    LOG_STR("from", source));
}

static void warn_line(void *arg, const char *line)
{
	log_warn(arg, line);
}

/* -- the hub ----------------------------------------------------------- */

/* The registry of runners, which looks again when sessions change. */
static int open_runners(struct runners **ret, struct hub *hub, struct api *api,
    struct bus_follower *sessions, struct err *err)
{
	const struct options *o = hub_options(hub);
	struct runners_config c = {.options = o,
	    .store = hub_store(hub),
	    .engine = hub_engine(hub),
	    .hub_id = hub_id(hub),
	    .state_dir = o->state_dir,
	    .api_socket = api_socket(api)};

	TRY(runners_open(ret, &c, err));
	api_set_runners(api, *ret);
	*sessions = (struct bus_follower){
	    .wake = runners_wake, .arg = *ret, .no_ticks = true};
	bus_follow(hub_bus(hub), sessions);
	return runners_start(*ret, err);
}

static void close_runners(
    struct runners *runners, struct hub *hub, struct bus_follower *sessions)
{
	if (runners == NULL)
		return;
	bus_leave(hub_bus(hub), sessions);
	runners_close(runners);
}

/* Webhooks, which look again when something happens. */
static int open_notify(struct notify **ret, struct hub *hub, struct api *api,
    struct bus_follower *events, struct err *err)
{
	const struct options *o = hub_options(hub);
	struct notify_config c = {.store = hub_store(hub),
	    .hub_id = hub_id(hub),
	    .allow = o->webhooks_allow,
	    .jobs = {o->network_subnet, o->session_subnet},
	    .timeout_ms = o->webhooks_timeout_ms,
	    .retry_ms = o->webhooks_retry_ms,
	    .retry_for_ms = o->webhooks_retry_for_ms,
	    .queue_max = o->webhooks_queue_max};

	TRY(notify_open(ret, &c, err));
	api_set_notify(api, *ret);
	*events = (struct bus_follower){
	    .wake = notify_wake, .arg = *ret, .no_ticks = true};
	bus_follow(hub_bus(hub), events);
	return 0;
}

static void close_notify(
    struct notify *notify, struct hub *hub, struct bus_follower *events)
{
	if (notify == NULL)
		return;
	bus_leave(hub_bus(hub), events);
	notify_stop(notify);
	notify_close(notify);
}

static int read_app_config(
    const struct options *o, struct app_config *ret, struct err *err)
{
	bool names_portal =
	    o->portal_url != NULL && strcmp(o->portal_url, "app-config") == 0;

	TRY(app_config_read(o->app_config, names_portal, ret, err));
	for (size_t i = 0; i < ret->nnotes; i++)
		log_info(NULL, "of the portal's configuration",
		    LOG_STR("note", ret->notes[i]));
	if (names_portal && ret->base_url == NULL)
		return err_set(err, ERR_INVALID, "bad_option",
		    "portal.url is \"app-config\", and there is none: set "
		    "RUNNERHUB_APP_CONFIG, or the portal's address itself");
	return 0;
}

/* NULL: none is configured. */
static int open_portal(struct portal **ret, const struct options *o,
    const struct app_config *app, struct err *err)
{
	struct portal_config c = {.url = o->portal_url,
	    .verify = strcmp(o->portal_verify, "ask") == 0
			  ? PORTAL_VERIFY_ASK
			  : PORTAL_VERIFY_KEYS};
	size_t len;

	if (o->portal_url == NULL)
		return 0;
	if (strcmp(o->portal_url, "app-config") == 0)
		c.url = app->base_url;
	if (o->portal_token != NULL)
		c.token = secret_expose(o->portal_token, &len);
	return portal_open(ret, &c, err);
}

/* Components: they go on with what runs by themselves. */
static int open_components(struct components **ret, struct portal **ret_portal,
    struct hub *hub, struct api *api, struct err *err)
{
	CLEANUP(app_config_fini) struct app_config app = {0};
	struct components_config c = {.options = hub_options(hub),
	    .app_config = &app,
	    .store = hub_store(hub),
	    .spool = hub_spool(hub),
	    .engine = hub_engine(hub),
	    .sandboxes = hub_sandboxes(hub),
	    .secrets = hub_secrets(hub),
	    .hub_id = hub_id(hub)};

	TRY(read_app_config(c.options, &app, err));
	TRY(open_portal(ret_portal, c.options, &app, err));
	c.portal = *ret_portal;
	TRY(components_open(ret, &c, err));
	api_set_components(api, *ret);
	api_set_portal(api, *ret_portal);
	return 0;
}

static void tell_listening(
    const struct ctx *ctx, struct hub *hub, const struct api *api)
{
	const struct options *o = hub_options(hub);
	char url[160];

	snprintf(url, sizeof(url),
	    strchr(o->listen, ':') != NULL ? "%s://[%s]:%d" : "%s://%s:%d",
	    api_has_tls(api) ? "https" : "http", o->listen, api_port(api));
	log_info(ctx, "listening", LOG_STR("url", url),
	    LOG_STR("state", o->state_dir), LOG_STR("hub", hub_id(hub)),
	    LOG_STR("version", RUNNERHUB_VERSION));
	if (api_plain_listen(o) != NULL)
		log_warn(ctx,
		    "other machines reach the hub without TLS: everybody on "
		    "the way can read keys and secrets; set RUNNERHUB_TLS_CERT "
		    "and RUNNERHUB_TLS_KEY, or RUNNERHUB_TRUSTED_PROXIES when "
		    "a reverse proxy with TLS stands in front",
		    LOG_STR("listen", api_plain_listen(o)));
	if (api_components_port(api) != 0)
		log_info(ctx, "components have an address of their own",
		    LOG_STR("listen", o->components_listen),
		    LOG_INT("port", api_components_port(api)));
}

static int serve(const struct options *o, sigset_t *signals,
    const struct ctx *ctx, struct err *err)
{
	struct hub *hub = NULL;
	struct api *api = NULL;
	struct runners *runners = NULL;
	struct components *components = NULL;
	struct portal *portal = NULL;
	struct notify *notify = NULL;
	struct bus_follower sessions, events;
	int r;

	TRY(hub_open(&hub, o, err));
	r = api_open(&api, hub, err);
	if (r == 0) {
		hub_set_api_socket(hub, api_socket(api));
		r = open_runners(&runners, hub, api, &sessions, err);
	}
	if (r == 0)
		r = open_components(&components, &portal, hub, api, err);
	if (r == 0)
		r = open_notify(&notify, hub, api, &events, err);
	if (r == 0)
		r = api_start(api, err);
	if (r == 0) {
		tell_listening(ctx, hub, api);
		notify_systemd("READY=1\nSTATUS=serving");
		wait_for_signal(signals, api, ctx);
		notify_systemd("STOPPING=1");
	}
	/* Jobs first: while they drain, people can still look. */
	hub_stop(hub);
	if (runners != NULL)
		runners_stop(runners);
	if (components != NULL)
		components_stop(
		    components, strcmp(o->shutdown_mode, "drain") == 0);
	if (api != NULL)
		api_stop(api, STOP_API_MS);
	close_notify(notify, hub, &events);
	close_runners(runners, hub, &sessions);
	components_close(components);
	hub_close(hub);
	api_close(api);
	portal_close(portal);
	return r;
}

int serve_check(const struct options *o, struct err *err)
{
	CLEANUP(mem_free) char *path = NULL;

	TRY(config_check_serve(o, err));
	path = mem_printf("%s/runnerhub.db", o->state_dir);
	if (o->api_key == NULL && !store_has_users(path))
		TRY(config_check_open(o, err));
	return hub_check_options(o, err);
}

int cmd_serve(int argc, char **argv)
{
	CLEANUP(invocation_fini) struct invocation v;
	struct ctx ctx = ctx_root();
	struct err err = ERR_INIT;
	sigset_t signals;
	int code;

	if (!invocation_begin(&v, &command_serve, argc, argv, &code))
		return code;
	if (serve_check(v.o, &err) < 0)
		return command_fail(&err);
	fault_setup();
	block_signals(&signals);
	raise_limits();
	/* Few arenas: threads here wait more than they allocate. */
	mallopt(M_ARENA_MAX, 2);
	if (open_log(v.o, &err) < 0)
		return command_fail(&err);
	config_unused(v.config, warn_unused, &ctx);
	config_warnings(v.config, warn_line, &ctx);
	if (serve(v.o, &signals, &ctx, &err) < 0)
		return command_fail(&err);
	log_info(&ctx, "stopped");
	return EXIT_OK;
}
