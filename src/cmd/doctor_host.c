/* The doctor's checks of this machine: see doctor.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/doctor.h"
#include "jobs/store_place.h"
#include "store/store.h"

/* One descriptor per connection, and a few per running job. */
#define FILES_WANTED  4096
#define INODES_WANTED 10000
#define DISK_HEADROOM (INT64_C(1) << 30)

DEFINE_CLEANUP(struct store *, store_close);

void doctor_versions(struct patient *p, struct finding *f)
{
	struct utsname u;

	(void)p;
	if (uname(&u) < 0) {
		finding_set(f, DOCTOR_WARN, "uname failed");
		return;
	}
	finding_set(f, DOCTOR_OK, "runnerhub %s, SQLite %s, %s %s on %s",
	    RUNNERHUB_VERSION, store_sqlite_version(), u.sysname, u.release,
	    u.machine);
}

static void count_unused(void *arg, const char *key, const char *source)
{
	(void)key;
	(void)source;
	++*(int *)arg;
}

static void first_warning(void *arg, const char *line)
{
	struct finding *f = arg;

	if (f->verdict != DOCTOR_WARN)
		finding_set(f, DOCTOR_WARN, "%s", line);
}

void doctor_config(struct patient *p, struct finding *f)
{
	int unused = 0;

	if (p->config == NULL) {
		finding_set(f, DOCTOR_FAIL, "%s", p->config_error->msg);
		finding_advise(
		    f, "correct it; docs/CONFIGURATION.md lists all settings");
		return;
	}
	finding_set(f, DOCTOR_OK, "all settings are valid%s%s",
	    p->o->config_file != NULL ? ", file " : "",
	    p->o->config_file != NULL ? p->o->config_file : "");
	config_warnings(p->config, first_warning, f);
	config_unused(p->config, count_unused, &unused);
	if (f->verdict == DOCTOR_OK && unused > 0) {
		finding_set(f, DOCTOR_WARN,
		    "%d settings are for features that do not exist yet",
		    unused);
		finding_advise(f, "see them with: runnerhub config");
	}
}

void doctor_access(struct patient *p, struct finding *f)
{
	struct err err = ERR_INIT;

	if (serve_check(p->o, &err) < 0) {
		finding_set(
		    f, DOCTOR_FAIL, "serve would not start: %s", err.msg);
		return;
	}
	finding_set(f, DOCTOR_OK, "listen on %s:%" PRId64 ", %s", p->o->listen,
	    p->o->port,
	    p->o->api_key != NULL ? "API key set"
				  : "open mode (loopback, no API key)");
}

void doctor_existing_part(const char *path, char *out, size_t size)
{
	struct stat st;
	char *slash;

	snprintf(out, size, "%s", path);
	while (stat(out, &st) < 0 && errno == ENOENT) {
		slash = strrchr(out, '/');
		if (slash == NULL) {
			snprintf(out, size, ".");
			return;
		}
		slash[slash == out ? 1 : 0] = '\0';
	}
}

void doctor_state_dir(struct patient *p, struct finding *f)
{
	char there[4096], probe[4128];
	int fd;

	doctor_existing_part(p->o->state_dir, there, sizeof(there));
	snprintf(probe, sizeof(probe), "%s/.doctor-XXXXXX", there);
	fd = mkostemp(probe, O_CLOEXEC);
	if (fd < 0) {
		finding_set(f, DOCTOR_FAIL, "cannot write in %s: %m", there);
		finding_advise(f,
		    "make it writable for this user, or choose another with "
		    "RUNNERHUB_STATE_DIR");
		return;
	}
	unlink(probe);
	if (fsync(fd) < 0)
		finding_set(f, DOCTOR_FAIL, "%s: fsync failed: %m", there);
	else
		finding_set(f, DOCTOR_OK, "%s is writable%s", p->o->state_dir,
		    strcmp(there, p->o->state_dir) == 0
			? ""
			: " (serve will make it)");
	fd_close(fd);
}

void doctor_disk(struct patient *p, struct finding *f)
{
	char there[4096];
	struct statvfs st;
	int64_t free_bytes;

	doctor_existing_part(p->o->state_dir, there, sizeof(there));
	if (statvfs(there, &st) < 0) {
		finding_set(f, DOCTOR_FAIL, "%s: %m", there);
		return;
	}
	free_bytes = (int64_t)(st.f_bavail * st.f_frsize);
	finding_set(f, DOCTOR_OK,
	    "%" PRId64 " MiB and %" PRIu64 " inodes free at %s",
	    free_bytes >> 20, (uint64_t)st.f_favail, there);
	if (free_bytes < p->o->disk_reserve_bytes) {
		f->verdict = DOCTOR_FAIL;
		finding_advise(f,
		    "the hub refuses jobs below %" PRId64
		    " MiB (disk.reserve): free some space or lower "
		    "logs.maxTotal",
		    p->o->disk_reserve_bytes >> 20);
	} else if (free_bytes < p->o->disk_reserve_bytes + DISK_HEADROOM) {
		f->verdict = DOCTOR_WARN;
		finding_advise(f,
		    "little is left above the reserve of %" PRId64
		    " MiB: free some space or lower logs.maxTotal",
		    p->o->disk_reserve_bytes >> 20);
	} else if (st.f_files > 0 && st.f_favail < INODES_WANTED) {
		f->verdict = DOCTOR_WARN;
		finding_advise(f, "few inodes are left: remove small files");
	}
}

/* -- a hub that runs --------------------------------------------------- */

static void judge_health(struct patient *p, const char *url, int status,
    const json_t *reply, struct finding *f)
{
	const char *database =
	    reply_str(json_object_get(reply, "checks"), "database", "?");
	const char *health = reply_str(reply, "status", NULL);

	if (health == NULL) {
		finding_set(f, DOCTOR_WARN,
		    "something that is no hub answers at %s", url);
		finding_advise(
		    f, "choose another port with PORT or RUNNERHUB_URL");
		return;
	}
	p->hub_answers = true;
	p->hub_database_ok = strcmp(database, "pass") == 0;
	finding_set(f, status == 200 ? DOCTOR_OK : DOCTOR_FAIL,
	    "the hub at %s is %.40s", url, health);
	if (status != 200)
		finding_advise(f, "see which check fails: runnerhub health");
}

void doctor_hub(struct patient *p, struct finding *f)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *reply = NULL;
	struct ctx ctx = ctx_root();
	struct err err = ERR_INIT;
	int status;

	if (command_client(&c, p->o, &err) < 0)
		finding_set(f, DOCTOR_FAIL, "%s", err.msg);
	else if (client_get_any(c, &ctx, "/health", &status, &reply, &err) == 0)
		judge_health(p, p->o->url, status, reply, f);
	else
		finding_set(f, DOCTOR_SKIP, "no hub answers at %s", p->o->url);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* A running hub owns its store and is asked instead. */
void doctor_store(struct patient *p, struct finding *f)
{
	CLEANUP(store_close) struct store *s = NULL;
	struct store_place place;
	struct err err = ERR_INIT;

	if (p->hub_answers) {
		finding_set(f, p->hub_database_ok ? DOCTOR_OK : DOCTOR_FAIL,
		    "the running hub says that its store %s",
		    p->hub_database_ok ? "commits" : "does not commit");
		return;
	}
	store_place_find(&place, p->o, p->o->state_dir);
	if (!exists(place.path)) {
		finding_set(
		    f, DOCTOR_SKIP, "%s: serve will make it", place.path);
		return;
	}
	if (store_open(&s, &place.config, &err) < 0 ||
	    store_check(s, &err) < 0) {
		finding_set(f, DOCTOR_FAIL, "%s", err.msg);
		finding_advise(f,
		    "is another hub using %s? else see docs/TROUBLESHOOTING.md",
		    p->o->state_dir);
		return;
	}
	finding_set(f, DOCTOR_OK, "%s opens and commits, schema %d", place.path,
	    store_schema_version(s));
}

void doctor_limits(struct patient *p, struct finding *f)
{
	struct rlimit files;

	(void)p;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0) {
		finding_set(f, DOCTOR_WARN, "getrlimit: %m");
		return;
	}
	finding_set(f, DOCTOR_OK, "open files: %llu, at most %llu",
	    (unsigned long long)files.rlim_cur,
	    (unsigned long long)files.rlim_max);
	if (files.rlim_max >= FILES_WANTED)
		return;
	f->verdict = DOCTOR_WARN;
	finding_advise(f,
	    "many followers or jobs may need %d: ulimit -Hn, or LimitNOFILE= "
	    "of the service",
	    FILES_WANTED);
}
