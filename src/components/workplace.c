/*
 * Where an instance's source is unpacked: <state>/components/<id>. Made anew
 * for each start and removed once its container runs. The flow's thread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "components/flow.h"

enum { OPEN_AT_ONCE = 16, FETCH_MS = 600000 };

static int remove_one(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_tree(const struct ctx *ctx, const char *dir)
{
	if (nftw(dir, remove_one, OPEN_AT_ONCE, FTW_DEPTH | FTW_PHYS) < 0 &&
	    errno != ENOENT)
		log_warn(ctx, "cannot remove the source of an instance",
		    LOG_STR("directory", dir));
}

void workplace_remove(struct flow *f)
{
	remove_tree(&f->root, f->dir);
}

int workplace_make(struct flow *f, struct err *err)
{
	char source[560];

	workplace_remove(f); /* of a start that was cut short */
	snprintf(source, sizeof(source), "%s/source", f->dir);
	return fs_mkdir_p(source, 0700, err);
}

static int open_root(const struct flow *f, struct err *err)
{
	char root[560];
	int fd;

	snprintf(root, sizeof(root), "%s/source", f->dir);
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(err, errno, "open %s", root);
}

int workplace_source(const struct flow *f, struct err *err)
{
	CLEANUP(fd_close) int root = open_root(f, err);
	int fd;

	TRY(root);
	TRY(source_enter(&f->source, root, &fd, err));
	return fd;
}

static bool is_active(const struct instance_list *active, const char *name)
{
	struct uuid id;

	if (uuid_parse(name, &id) < 0)
		return true; /* not ours to judge */
	for (size_t i = 0; i < active->n; i++)
		if (uuid_equal(active->items[i].id.u, id))
			return true;
	return false;
}

void workplaces_collect(
    struct components *c, const struct instance_list *active)
{
	char path[512];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%.450s/components",
	    c->config.options->state_dir);
	dir = opendir(path);
	if (dir == NULL)
		return; /* no instance was ever started */
	while ((entry = readdir(dir)) != NULL) {
		if (is_active(active, entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%.450s/components/%.36s",
		    c->config.options->state_dir, entry->d_name);
		remove_tree(&c->ctx, path);
	}
	closedir(dir);
}

/* -- the source -------------------------------------------------------- */

static int locate(struct flow *f, struct location *ret, struct err *err)
{
	const struct origin *o = &f->origin;

	if (o->config_path == NULL)
		return err_set(err, ERR_CONFLICT, "CONFIGURATION_ERROR",
		    "An earlier version of the hub began this start: start "
		    "%.200s again",
		    f->component_ref);
	if (o->source == NULL)
		return err_set(err, ERR_INVALID, FAULT_ANNOTATION,
		    "Component missing source location annotation");
	if (location_parse(
		o->source, sources_hosts(f->owner->sources), ret, err) < 0)
		return fault_set(err, FAULT_SOURCE);
	if (ret->kind == LOCATION_DIRECTORY && !o->local)
		return err_set(err, ERR_FORBIDDEN, FAULT_SOURCE,
		    "The source location is %.200s: a directory of the hub's "
		    "machine may be named by a catalog file on this machine "
		    "only",
		    o->source);
	return 0;
}

static void fetched(void *arg, int64_t packed, int64_t total)
{
	struct flow *f = arg;

	if (total <= 0)
		return;
	mtx_lock(&f->owner->mtx);
	deployment_percent(
	    &f->progress, packed < total ? (int)(packed * 100 / total) : 100);
	mtx_unlock(&f->owner->mtx);
}

/* What is missed later would else be a riddle. */
static int say_left_out(
    struct flow *f, const struct unpack_report *report, struct err *err)
{
	char line[400];
	int n;

	if (report->skipped == 0)
		return 0;
	n = snprintf(line, sizeof(line),
	    "%lld %s of the source left out, such as %s\n",
	    (long long)report->skipped,
	    report->skipped == 1 ? "entry was" : "entries were",
	    report->first_skipped);
	return logs_say(f, line, (size_t)n, err);
}

/* A commit does not change: an image of it that was built from the same
 * descriptor needs no source. What is wrong with the descriptor is said when
 * it is read as a part of the source. */
static int look_by_commit(struct flow *f, struct err *err)
{
	CLEANUP(problems_fini) struct problems problems = {0};
	const struct source *s = &f->source;
	struct err wrong = ERR_INIT;
	CLEANUP(mem_free) char *content = NULL;
	int found;

	if (s->kind != LOCATION_GITHUB || s->sha[0] == '\0')
		return 0;
	if (descriptor_parse(buf_str(&s->config), s->config.len, s->config_path,
		&f->d, &problems, &wrong) < 0)
		return 0;
	content = mem_printf("%s/%s@%s", s->host, s->repo, s->sha);
	images_name(f, content);
	found = images_find(f, err);
	f->cached = found > 0;
	descriptor_fini(&f->d); /* read again, with all that is said of it */
	f->d = (struct descriptor){0};
	return found < 0 ? fault_set(err, FAULT_ENGINE) : 0;
}

static int source_failed(
    struct flow *f, const struct location *at, struct err *err)
{
	struct github_budget budget;

	if (at->kind == LOCATION_GITHUB &&
	    strcmp(err->code, "GITHUB_RATE_LIMITED") == 0 &&
	    sources_budget(f->owner->sources, at->host, &budget) > 0)
		f->retry_at = budget.blocked_until * CLOCK_NS_PER_S;
	return fault_set(err, FAULT_GIT);
}

int workplace_fill(struct flow *f, struct err *err)
{
	CLEANUP(location_fini) struct location at = {0};
	struct ctx limited = ctx_with_timeout(&f->start, FETCH_MS);
	struct sources *s = f->owner->sources;
	struct unpack_report report;
	CLEANUP(fd_close) int root = open_root(f, err);

	TRY(root);
	TRY(locate(f, &at, err));
	if (source_resolve(
		s, &limited, &at, f->origin.config_path, &f->source, err) < 0)
		return source_failed(f, &at, err);
	TRY(look_by_commit(f, err));
	if (f->cached)
		return 0;
	if (source_fetch(
		s, &limited, &f->source, root, fetched, f, &report, err) < 0)
		return source_failed(f, &at, err);
	return say_left_out(f, &report, err);
}

/* -- its configuration ------------------------------------------------- */

/* All of them go into the log: an error names only the first. */
static void say_problems(
    struct flow *f, const struct problems *p, const char *file)
{
	struct err err = ERR_INIT;
	char line[640];

	for (size_t i = 0; i < p->n; i++) {
		int n = snprintf(line, sizeof(line), "%.100s:%d:%d: %s%.480s\n",
		    file, p->v[i].line, p->v[i].column,
		    p->v[i].warning ? "warning: " : "", p->v[i].text);

		if (logs_say(f, line, (size_t)n, &err) < 0)
			break;
	}
	if (err.kind != ERR_NONE)
		log_warn(&f->root, "cannot keep what is wrong in a descriptor",
		    LOG_ERR(&err));
}

/* What a descriptor may say and this hub cannot do must not be passed over
 * in silence. */
static int refuse_unable(const struct descriptor *d, struct err *err)
{
	if (d->nports > FLOW_PORTS_MAX)
		return err_set(err, ERR_INVALID, FAULT_CONFIGURATION,
		    "runner.ports: %zu are too many, at most %d", d->nports,
		    FLOW_PORTS_MAX);
	return 0;
}

static int check_files(struct flow *f, int source, const char *file,
    struct problems *p, struct err *err)
{
	struct stat st;

	if (fstatat(source, f->d.dockerfile, &st, 0) < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, FAULT_NO_DOCKERFILE,
		    "Dockerfile not found at: %.200s", f->d.dockerfile);
	if (descriptor_check(&f->d, source, file, p, err) < 0)
		return fault_set(err, FAULT_CONFIGURATION);
	return 0;
}

static int read_descriptor(
    struct flow *f, const char *file, struct problems *p, struct err *err)
{
	const struct buf *text = &f->source.config;
	CLEANUP(fd_close) int source = -1;

	if (descriptor_parse(buf_str(text), text->len, file, &f->d, p, err) < 0)
		return fault_set(err, FAULT_CONFIGURATION);
	TRY(refuse_unable(&f->d, err));
	if (f->cached) /* the files were there when the image was built */
		return 0;
	source = workplace_source(f, err);
	TRY(source);
	return check_files(f, source, file, p, err);
}

int workplace_read(struct flow *f, struct err *err)
{
	CLEANUP(problems_fini) struct problems problems = {0};
	const char *file = f->source.config_path;
	int r = read_descriptor(f, file, &problems, err);

	say_problems(f, &problems, file);
	return r;
}
