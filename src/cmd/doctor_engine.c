/* The doctor's checks of the container engine: see doctor.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"
#include "cmd/doctor.h"
#include "net/http_client.h"

#define SKEW_WARN_S   5
#define API_MINOR_MIN 41

static void advise_connection(const struct options *o, struct finding *f)
{
	const char *path = o->engine_host;

	if (strncmp(path, "unix://", 7) == 0)
		path += 7;
	if (*path == '/' && access(path, F_OK) < 0)
		finding_advise(f,
		    "%s is not there: start the engine (systemctl start "
		    "docker), or set DOCKER_HOST",
		    path);
	else if (*path == '/' && access(path, R_OK | W_OK) < 0)
		finding_advise(f,
		    "this user may not use %s: run as root or join its group "
		    "(usually docker)",
		    path);
	else
		finding_advise(f, "is it running? DOCKER_HOST says where");
}

/* "1.41" is enough; the major number is 1 since ever. */
static bool is_new_enough(const char *api)
{
	int64_t minor;

	return strncmp(api, "1.", 2) == 0 &&
	       parse_int(api + 2, API_MINOR_MIN, 1000, &minor) == 0;
}

void doctor_engine(struct patient *p, struct finding *f)
{
	struct err err = ERR_INIT;

	if (engine_open(&p->engine, p->o->engine_host, &err) < 0) {
		finding_set(f, DOCTOR_FAIL, "%s", err.msg);
		return;
	}
	if (engine_info(p->engine, p->ctx, &p->info, &err) < 0) {
		finding_set(f, DOCTOR_FAIL, "%s", err.msg);
		advise_connection(p->o, f);
		return;
	}
	p->engine_answers = true;
	finding_set(f, DOCTOR_OK, "%s %s at %s, API %s, %s, runtime %s",
	    p->info.product, p->info.version, engine_host(p->engine),
	    p->info.api_version, p->info.os_arch, p->info.runtime);
	if (is_new_enough(p->info.api_version))
		return;
	f->verdict = DOCTOR_FAIL;
	finding_advise(
	    f, "the hub needs API 1.%d: Docker 20.10 or newer", API_MINOR_MIN);
}

static bool skip_without_engine(const struct patient *p, struct finding *f)
{
	if (p->engine_answers)
		return false;
	finding_set(f, DOCTOR_SKIP, "the engine does not answer");
	return true;
}

void doctor_engine_limits(struct patient *p, struct finding *f)
{
	const struct engine_info *i = &p->info;

	if (skip_without_engine(p, f))
		return;
	finding_set(f, DOCTOR_OK,
	    "cgroup v%d, %d CPUs, %" PRId64
	    " MiB; limits: memory %s, processes %s, CPU %s",
	    i->cgroup_version, i->cpus, i->memory_bytes >> 20,
	    i->has_memory_limit ? "yes" : "NO",
	    i->has_pids_limit ? "yes" : "NO", i->has_cpu_limit ? "yes" : "NO");
	if (i->has_memory_limit && i->has_pids_limit && i->has_cpu_limit)
		return;
	f->verdict = DOCTOR_FAIL;
	finding_advise(f,
	    "jobs could not be held to their limits: enable these cgroup "
	    "controllers%s",
	    i->rootless ? " and delegate them to the user of the engine" : "");
}

void doctor_engine_security(struct patient *p, struct finding *f)
{
	const struct engine_info *i = &p->info;

	if (skip_without_engine(p, f))
		return;
	finding_set(f, i->seccomp ? DOCTOR_OK : DOCTOR_WARN,
	    "seccomp %s, AppArmor %s, %s", i->seccomp ? "on" : "OFF",
	    i->apparmor ? "on" : "off", i->rootless ? "rootless" : "as root");
	if (!i->seccomp)
		finding_advise(f,
		    "jobs may make any system call: use a kernel and engine "
		    "with seccomp");
}

/* Podman leaves names to a program that may be missing. */
static bool has_podman_dns(void)
{
	static const char *const programs[] = {"/usr/lib/podman/aardvark-dns",
	    "/usr/libexec/podman/aardvark-dns",
	    "/usr/local/libexec/podman/aardvark-dns", "/usr/lib/cni/dnsname",
	    "/usr/libexec/cni/dnsname", "/opt/cni/bin/dnsname"};

	for (size_t i = 0; i < ARRAY_LEN(programs); i++)
		if (access(programs[i], X_OK) == 0)
			return true;
	return false;
}

void doctor_session_names(struct patient *p, struct finding *f)
{
	const char *host = p->o->engine_host;

	if (skip_without_engine(p, f))
		return;
	if (strcmp(p->info.product, "podman") != 0) {
		finding_set(f, DOCTOR_OK,
		    "the engine's DNS: containers of a session find each "
		    "other by name");
	} else if (strncmp(host, "unix://", 7) != 0 && *host != '/') {
		finding_set(f, DOCTOR_SKIP,
		    "Podman on another machine: services have names when "
		    "aardvark-dns (or CNI's dnsname) is installed there");
	} else if (has_podman_dns()) {
		finding_set(f, DOCTOR_OK,
		    "Podman's DNS program is installed: containers of a "
		    "session find each other by name");
	} else {
		finding_set(f, DOCTOR_WARN,
		    "Podman without aardvark-dns or dnsname: containers of a "
		    "session find each other by address only");
		finding_advise(f,
		    "services of workflows would have no names: install "
		    "aardvark-dns and netavark (with CNI: dnsname)");
	}
}

/* -- the clock --------------------------------------------------------- */

/* IMF-fixdate, RFC 9110 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". */
static int parse_http_date(const char *text, time_t *ret)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	if (end == NULL || *end != '\0')
		return -1;
	*ret = timegm(&tm);
	return 0;
}

static int engine_date(struct patient *p, time_t *ret, struct err *err)
{
	CLEANUP(http_client_free) struct http_client *http = NULL;
	CLEANUP(http_result_fini)
	struct http_result result = HTTP_RESULT_INIT(64 * 1024);
	struct http_call call = {.method = "GET", .target = "/_ping"};
	char date[64];

	TRY(http_client_new(&http, p->o->engine_host, err));
	TRY(http_call(http, p->ctx, &call, &result, err));
	http_result_header(&result, "date", date, sizeof(date));
	return parse_http_date(date, ret);
}

void doctor_clock(struct patient *p, struct finding *f)
{
	int64_t now = clock_wall_ns() / CLOCK_NS_PER_S, skew;
	struct err err = ERR_INIT;
	time_t theirs;
	char iso[CLOCK_ISO_LEN];

	clock_iso(clock_wall_ns(), iso);
	finding_set(f, DOCTOR_OK, "it is %s", iso);
	if (strcmp(iso, "2024") < 0) {
		f->verdict = DOCTOR_FAIL;
		finding_advise(f, "set the clock: timedatectl set-ntp true");
		return;
	}
	if (!p->engine_answers || engine_date(p, &theirs, &err) < 0)
		return;
	skew = now - (int64_t)theirs;
	finding_set(f, DOCTOR_OK, "it is %s, the engine agrees", iso);
	if (skew >= -SKEW_WARN_S && skew <= SKEW_WARN_S)
		return;
	finding_set(f, DOCTOR_WARN,
	    "it is %s, the engine's clock is %" PRId64 " s %s", iso,
	    skew < 0 ? -skew : skew, skew < 0 ? "ahead" : "behind");
	finding_advise(f, "synchronise both: timedatectl set-ntp true");
}

/* -- the image --------------------------------------------------------- */

void doctor_image(struct patient *p, struct finding *f)
{
	struct engine_image image = {.size_bytes = 0};
	struct err err = ERR_INIT;

	if (skip_without_engine(p, f))
		return;
	if (engine_image_inspect(
		p->engine, p->ctx, p->o->image, &image, &err) == 0) {
		p->image_is_here = true;
		finding_set(f, DOCTOR_OK, "%s is here, %" PRId64 " MiB, %s",
		    p->o->image, image.size_bytes >> 20, image.os_arch);
		engine_image_fini(&image);
		return;
	}
	if (err.kind != ERR_NOT_FOUND) {
		finding_set(f, DOCTOR_FAIL, "%s", err.msg);
		return;
	}
	finding_set(f,
	    strcmp(p->o->pull_policy, "never") == 0 ? DOCTOR_FAIL : DOCTOR_WARN,
	    "%s is not here%s", p->o->image,
	    strcmp(p->o->pull_policy, "never") == 0
		? ", and RUNNER_PULL_POLICY=never"
		: ": the first job has to pull it");
	finding_advise(f,
	    "docker pull %s, make one with scripts/image and name it in "
	    "RUNNER_IMAGE",
	    p->o->image);
}
