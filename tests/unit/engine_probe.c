/*
 * A command-line face of engine.h for the integration tests: one call per
 * run, the result as one JSON document on stdout. Exit 0: it worked; 1: the
 * call failed, {"error":{"kind","code","msg"}}; 2: wrong use. Not installed.
 *
 *   engine_probe [-t timeout_ms] HOST COMMAND [ARGUMENT...]
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/parse.h"
#include "engine/engine.h"
#include "engine/frames.h"
#include "engine/run.h"

#define OUT_MAX ((size_t)64 * 1024 * 1024)

struct probe {
	struct engine *e;
	struct ctx ctx;
	int argc;
	char **argv;
	struct json j; /* an open object on stdout */
};

static const char *arg(const struct probe *p, int i)
{
	if (i < p->argc)
		return p->argv[i];
	fprintf(stderr, "engine_probe: argument %d is missing\n", i + 1);
	exit(2);
}

static int64_t number(const struct probe *p, int i)
{
	int64_t v;

	if (parse_int(arg(p, i), 0, INT64_MAX, &v) == 0)
		return v;
	fprintf(stderr, "engine_probe: %s is not a number\n", arg(p, i));
	exit(2);
}

/* The arguments from i on, NULL-terminated as argv is. */
static const char *const *rest(const struct probe *p, int i)
{
	return (const char *const *)(p->argv + (i < p->argc ? i : p->argc));
}

static void read_file(const char *path, struct buf *out)
{
	struct err err = ERR_INIT;

	if (fs_read_file(path, out, &err) == 0)
		return;
	fprintf(stderr, "engine_probe: %s\n", err.msg);
	exit(2);
}

/* -- a spec from JSON: {"image":"x","cmd":["a"],"labels":{"k":"v"},...} -------
 */

/* What a spec points to lives as long as the program. Reachable from here,
 * so that a leak of engine/ itself is the only one that is reported. */
static void *keep(void *p)
{
	static void *kept[64];
	static size_t n;

	ASSERT(n < ARRAY_LEN(kept));
	kept[n++] = p;
	return p;
}

/* Borrowed from doc. */
static const char *text_of(const json_t *doc, const char *key)
{
	return json_string_value(json_object_get(doc, key));
}

static const char *const *list_of(const json_t *doc, const char *key)
{
	const json_t *list = json_object_get(doc, key);
	const char **out;

	if (list == NULL)
		return NULL;
	out = keep(mem_calloc(json_array_size(list) + 1, sizeof(*out)));
	for (size_t i = 0; i < json_array_size(list); i++)
		out[i] = json_string_value(json_array_get(list, i));
	return out;
}

static const struct engine_pair *pairs_of(const json_t *doc, const char *key)
{
	json_t *obj = json_object_get(doc, key), *value;
	struct engine_pair *out;
	const char *name;
	size_t n = 0;

	if (obj == NULL)
		return NULL;
	out = keep(mem_calloc(json_object_size(obj) + 1, sizeof(*out)));
	json_object_foreach(obj, name, value)
	{
		out[n].key = name;
		out[n++].value = json_string_value(value);
	}
	return out;
}

static int64_t int_of(const json_t *doc, const char *key)
{
	return json_integer_value(json_object_get(doc, key));
}

static bool bool_of(const json_t *doc, const char *key)
{
	return json_is_true(json_object_get(doc, key));
}

static json_t *document(const struct probe *p, int i)
{
	json_t *doc = json_loads(arg(p, i), 0, NULL);

	if (doc != NULL)
		return keep(doc);
	fprintf(stderr, "engine_probe: the argument is not JSON\n");
	exit(2);
}

/* -- containers
 * ---------------------------------------------------------------- */

static int do_create(struct probe *p, struct err *err)
{
	const json_t *d = document(p, 0);
	char id[ENGINE_ID_LEN];
	const struct engine_container_spec spec = {
	    .name = text_of(d, "name"),
	    .image = text_of(d, "image"),
	    .entrypoint = list_of(d, "entrypoint"),
	    .cmd = list_of(d, "cmd"),
	    .user = text_of(d, "user"),
	    .working_dir = text_of(d, "working_dir"),
	    .hostname = text_of(d, "hostname"),
	    .env = list_of(d, "env"),
	    .labels = pairs_of(d, "labels"),
	    .binds = list_of(d, "binds"),
	    .volumes_anonymous = list_of(d, "volumes_anonymous"),
	    .tmpfs = pairs_of(d, "tmpfs"),
	    .dns = list_of(d, "dns"),
	    .extra_hosts = list_of(d, "extra_hosts"),
	    .network_mode = text_of(d, "network_mode"),
	    .network_disabled = bool_of(d, "network_disabled"),
	    .memory_bytes = int_of(d, "memory_bytes"),
	    .nano_cpus = int_of(d, "nano_cpus"),
	    .pids = int_of(d, "pids"),
	    .cap_drop = list_of(d, "cap_drop"),
	    .cap_add = list_of(d, "cap_add"),
	    .security_opt = list_of(d, "security_opt"),
	    .readonly_rootfs = bool_of(d, "readonly_rootfs"),
	    .open_stdin = bool_of(d, "open_stdin"),
	    .init = bool_of(d, "init"),
	};

	TRY(engine_container_create(p->e, &p->ctx, &spec, id, err));
	json_kstr(&p->j, "id", id);
	return 0;
}

static int do_start(struct probe *p, struct err *err)
{
	return engine_container_start(p->e, &p->ctx, arg(p, 0), err);
}

static int do_kill(struct probe *p, struct err *err)
{
	return engine_container_kill(p->e, &p->ctx, arg(p, 0), arg(p, 1), err);
}

static int do_remove(struct probe *p, struct err *err)
{
	return engine_container_remove(p->e, &p->ctx, arg(p, 0), err);
}

static int do_update(struct probe *p, struct err *err)
{
	return engine_container_update(p->e, &p->ctx, arg(p, 0), number(p, 1),
	    number(p, 2), number(p, 3), err);
}

static void put_labels(
    struct json *j, const struct engine_label *labels, size_t n)
{
	json_kobj(j, "labels");
	for (size_t i = 0; i < n; i++)
		json_kstr(j, labels[i].key, labels[i].value);
	json_end(j);
}

static void put_container(struct json *j, const struct engine_container *c)
{
	json_kstr(j, "id", c->id);
	json_kstr(j, "name", c->name);
	json_kstr(j, "image", c->image);
	json_kstr(j, "state", c->state);
	json_kint(j, "pid", c->pid);
	json_kint(j, "exit_code", c->exit_code);
	json_kbool(j, "oom_killed", c->oom_killed);
	json_kstr(j, "error", c->error);
	json_kstr(j, "ip", c->ip);
	json_kstr(j, "started_at", c->started_at);
	put_labels(j, c->labels, c->nlabels);
}

static int do_inspect(struct probe *p, struct err *err)
{
	struct engine_container c;

	TRY(engine_container_inspect(p->e, &p->ctx, arg(p, 0), &c, err));
	put_container(&p->j, &c);
	engine_container_fini(&c);
	return 0;
}

static int do_list(struct probe *p, struct err *err)
{
	struct engine_container_list l;

	TRY(engine_container_list(p->e, &p->ctx, rest(p, 0), &l, err));
	json_karr(&p->j, "items");
	for (size_t i = 0; i < l.n; i++) {
		json_obj(&p->j);
		put_container(&p->j, &l.items[i]);
		json_end(&p->j);
	}
	json_end(&p->j);
	engine_container_list_free(&l);
	return 0;
}

static int do_put(struct probe *p, struct err *err)
{
	CLEANUP(buf_fini) struct buf tar = {.max = OUT_MAX};

	read_file(arg(p, 2), &tar);
	return engine_container_put_archive(
	    p->e, &p->ctx, arg(p, 0), arg(p, 1), buf_str(&tar), tar.len, err);
}

static int do_exec(struct probe *p, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.max = (size_t)number(p, 1)};
	int code;

	TRY(engine_container_exec(
	    p->e, &p->ctx, arg(p, 0), rest(p, 2), &out, &code, err));
	json_kint(&p->j, "exit_code", code);
	json_kbool(&p->j, "overflow", out.overflow);
	json_key(&p->j, "output");
	json_strn(&p->j, buf_str(&out), out.len);
	return 0;
}

static int keep_output(
    void *arg, int stream, const char *data, size_t len, struct err *err)
{
	(void)err;
	return buf_append(&((struct buf *)arg)[stream == 2], data, len);
}

/* What a container says until it has ended. */
static int do_follow(struct probe *p, struct err *err)
{
	struct buf out[2];
	int r;

	buf_init(&out[0], 1 << 20);
	buf_init(&out[1], 1 << 20);
	r = engine_container_follow(
	    p->e, &p->ctx, arg(p, 0), keep_output, out, err);
	json_kstr(&p->j, "stdout", buf_str(&out[0]));
	json_kstr(&p->j, "stderr", buf_str(&out[1]));
	buf_fini(&out[0]);
	buf_fini(&out[1]);
	return r;
}

/* -- attach: writes argument 1, reads until argument 2 has come back
 * ----------- */

static int decode(struct frames *f, const char *data, size_t len,
    struct buf out[2], struct err *err)
{
	struct frames_piece piece;
	int r;

	while ((r = frames_next(f, &data, &len, &piece, err)) > 0)
		IGNORE(buf_append(&out[piece.stream == FRAMES_STDERR],
		    piece.data, piece.len)); /* a test's few bytes */
	return r;
}

static int talk(struct probe *p, int fd, const struct buf *early,
    struct buf out[2], struct err *err)
{
	const char *text = arg(p, 1), *until = arg(p, 2);
	struct frames f;
	char in[4096];
	ssize_t n;

	frames_init(&f, FRAMES_PAYLOAD_MAX);
	TRY(decode(&f, buf_str(early), early->len, out, err));
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return err_sys(err, errno, "write to the container");
	while (strstr(buf_str(&out[0]), until) == NULL) {
		TRY(ctx_poll(&p->ctx, fd, POLLIN, err));
		n = read(fd, in, sizeof(in));
		if (n <= 0)
			return err_set(err, ERR_UNAVAILABLE, "stream_ended",
			    "the stream ended");
		TRY(decode(&f, in, (size_t)n, out, err));
	}
	return 0;
}

static int do_attach(struct probe *p, struct err *err)
{
	CLEANUP(buf_fini) struct buf early = {.max = OUT_MAX};
	struct buf out[2] = {{.max = OUT_MAX}, {.max = OUT_MAX}};
	CLEANUP(fd_close) int fd = -1;
	int r;

	TRY(engine_container_attach(
	    p->e, &p->ctx, arg(p, 0), &fd, &early, err));
	r = talk(p, fd, &early, out, err);
	if (r == 0) {
		json_kstr(&p->j, "stdout", buf_str(&out[0]));
		json_kstr(&p->j, "stderr", buf_str(&out[1]));
	}
	buf_fini(&out[0]);
	buf_fini(&out[1]);
	return r;
}

/* -- images, networks, volumes
 * ---------------------------------------------------- */

static int do_image(struct probe *p, struct err *err)
{
	struct engine_image i;

	TRY(engine_image_inspect(p->e, &p->ctx, arg(p, 0), &i, err));
	json_kstr(&p->j, "id", i.id);
	json_kstr(&p->j, "user", i.user);
	json_kstr(&p->j, "working_dir", i.working_dir);
	json_kstr(&p->j, "os_arch", i.os_arch);
	json_kint(&p->j, "size_bytes", i.size_bytes);
	json_karr(&p->j, "env");
	for (char **v = i.env; v != NULL && *v != NULL; v++)
		json_str(&p->j, *v);
	json_end(&p->j);
	engine_image_fini(&i);
	return 0;
}

static void tell(void *user, const char *line)
{
	json_str(user, line);
}

static int do_pull(struct probe *p, struct err *err)
{
	int r;

	json_karr(&p->j, "progress");
	r = engine_image_pull(p->e, &p->ctx, arg(p, 0),
	    p->argc > 1 ? arg(p, 1) : NULL, tell, &p->j, err);
	json_end(&p->j);
	return r;
}

static int do_import(struct probe *p, struct err *err)
{
	CLEANUP(buf_fini) struct buf tar = {.max = OUT_MAX};

	read_file(arg(p, 1), &tar);
	return engine_image_import(
	    p->e, &p->ctx, arg(p, 0), buf_str(&tar), tar.len, rest(p, 2), err);
}

static int do_net_create(struct probe *p, struct err *err)
{
	const json_t *d = document(p, 0);
	char id[ENGINE_ID_LEN];
	const struct engine_network_spec spec = {
	    .name = text_of(d, "name"),
	    .bridge_name = text_of(d, "bridge_name"),
	    .subnet = text_of(d, "subnet"),
	    .ip_range = text_of(d, "ip_range"),
	    .gateway = text_of(d, "gateway"),
	    .internal = bool_of(d, "internal"),
	    .icc = bool_of(d, "icc"),
	    .mtu = (int)int_of(d, "mtu"),
	    .labels = pairs_of(d, "labels"),
	};

	TRY(engine_network_create(p->e, &p->ctx, &spec, id, err));
	json_kstr(&p->j, "id", id);
	return 0;
}

static void put_network(struct json *j, const struct engine_network *n)
{
	json_kstr(j, "id", n->id);
	json_kstr(j, "name", n->name);
	json_kstr(j, "driver", n->driver);
	json_kstr(j, "subnet", n->subnet);
	json_kstr(j, "gateway", n->gateway);
	json_kstr(j, "bridge_name", n->bridge_name);
	json_kbool(j, "internal", n->internal);
	put_labels(j, n->labels, n->nlabels);
}

static int do_net_inspect(struct probe *p, struct err *err)
{
	struct engine_network n;

	TRY(engine_network_inspect(p->e, &p->ctx, arg(p, 0), &n, err));
	put_network(&p->j, &n);
	engine_network_fini(&n);
	return 0;
}

static int do_net_list(struct probe *p, struct err *err)
{
	struct engine_network_list l;

	TRY(engine_network_list(p->e, &p->ctx, rest(p, 0), &l, err));
	json_karr(&p->j, "items");
	for (size_t i = 0; i < l.n; i++) {
		json_obj(&p->j);
		put_network(&p->j, &l.items[i]);
		json_end(&p->j);
	}
	json_end(&p->j);
	engine_network_list_free(&l);
	return 0;
}

static int do_net_remove(struct probe *p, struct err *err)
{
	return engine_network_remove(p->e, &p->ctx, arg(p, 0), err);
}

static int do_vol_create(struct probe *p, struct err *err)
{
	const json_t *d = document(p, 1);

	return engine_volume_create(
	    p->e, &p->ctx, arg(p, 0), pairs_of(d, "labels"), err);
}

static int do_vol_remove(struct probe *p, struct err *err)
{
	return engine_volume_remove(p->e, &p->ctx, arg(p, 0), err);
}

/* -- events: label, since in ns, how many to wait for
 * ------------------------------ */

struct events {
	struct json *j;
	int64_t left;
};

static int on_event(void *user, const struct engine_event *ev)
{
	struct events *s = user;

	json_obj(s->j);
	json_kstr(s->j, "action", ev->action);
	json_kstr(s->j, "id", ev->id);
	json_kint(s->j, "time_ns", ev->time_ns);
	json_kint(s->j, "exit_code", ev->exit_code);
	json_kstr(s->j, "job", ev->label(ev, "test.job"));
	json_end(s->j);
	return --s->left == 0;
}

static int do_events(struct probe *p, struct err *err)
{
	struct events s = {.j = &p->j, .left = number(p, 2)};
	const char *label = arg(p, 0);
	int r;

	json_karr(&p->j, "events");
	r = engine_events(p->e, &p->ctx, label[0] != '\0' ? label : NULL,
	    number(p, 1), on_event, &s, err);
	json_end(&p->j);
	return r;
}

/* -- the engine itself
 * --------------------------------------------------------------- */

static int do_ping(struct probe *p, struct err *err)
{
	return engine_ping(p->e, &p->ctx, err);
}

static int do_info(struct probe *p, struct err *err)
{
	struct engine_info i;

	TRY(engine_info(p->e, &p->ctx, &i, err));
	json_kstr(&p->j, "product", i.product);
	json_kstr(&p->j, "version", i.version);
	json_kstr(&p->j, "api_version", i.api_version);
	json_kstr(&p->j, "id", i.id);
	json_kstr(&p->j, "root_dir", i.root_dir);
	json_kstr(&p->j, "os_arch", i.os_arch);
	json_kstr(&p->j, "runtime", i.runtime);
	json_kint(&p->j, "cgroup_version", i.cgroup_version);
	json_kint(&p->j, "cpus", i.cpus);
	json_kint(&p->j, "memory_bytes", i.memory_bytes);
	json_kbool(&p->j, "rootless", i.rootless);
	json_kbool(&p->j, "has_memory_limit", i.has_memory_limit);
	json_kbool(&p->j, "has_pids_limit", i.has_pids_limit);
	json_kbool(&p->j, "has_cpu_limit", i.has_cpu_limit);
	json_kbool(&p->j, "seccomp", i.seccomp);
	json_kbool(&p->j, "apparmor", i.apparmor);
	json_kbool(&p->j, "local", engine_is_local(p->e));
	json_kstr(&p->j, "host", engine_host(p->e));
	return 0;
}

/* Pings once per argument line on stdin, so that a test can take the engine
 * away in between; prints the code ("ok") of each, then the counters. */
static int do_ping_loop(struct probe *p, struct err *err)
{
	struct engine_stats stats;
	char line[16];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		int r = engine_ping(p->e, &p->ctx, err);

		printf("%s\n", r == 0 ? "ok" : err->code);
		fflush(stdout);
		err_clear(err);
	}
	engine_stats(p->e, &stats);
	json_kint(&p->j, "calls", (int64_t)stats.calls);
	json_kint(&p->j, "errors", (int64_t)stats.errors);
	json_kint(&p->j, "unavailable", (int64_t)stats.unavailable);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct probe *p, struct err *err);
} commands[] = {
    {"ping", do_ping},
    {"ping-loop", do_ping_loop},
    {"info", do_info},
    {"create", do_create},
    {"start", do_start},
    {"kill", do_kill},
    {"remove", do_remove},
    {"update", do_update},
    {"inspect", do_inspect},
    {"list", do_list},
    {"put", do_put},
    {"exec", do_exec},
    {"follow", do_follow},
    {"attach", do_attach},
    {"image", do_image},
    {"pull", do_pull},
    {"import", do_import},
    {"net-create", do_net_create},
    {"net-inspect", do_net_inspect},
    {"net-list", do_net_list},
    {"net-remove", do_net_remove},
    {"vol-create", do_vol_create},
    {"vol-remove", do_vol_remove},
    {"events", do_events},
};

static int run(struct probe *p, const char *name, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(p, err);
	}
	fprintf(stderr, "engine_probe: no command %s\n", name);
	exit(2);
}

static void put_error(struct json *j, const struct err *err)
{
	json_kobj(j, "error");
	json_kstr(j, "kind", err_kind_name(err->kind));
	json_kstr(j, "code", err->code);
	json_kstr(j, "msg", err->msg);
	json_end(j);
}

int main(int argc, char **argv)
{
	CLEANUP(buf_fini) struct buf out = {.max = OUT_MAX};
	struct ctx root = ctx_root();
	struct err err = ERR_INIT;
	struct probe p = {.ctx = root};
	int at = 1, r;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 2 && strcmp(argv[1], "-t") == 0) {
		p.ctx = ctx_with_timeout(&root, strtol(argv[2], NULL, 10));
		at = 3;
	}
	if (argc < at + 2) {
		fprintf(stderr, "usage: engine_probe [-t ms] HOST COMMAND\n");
		return 2;
	}
	json_init(&p.j, &out);
	json_obj(&p.j);
	p.argc = argc - at - 2;
	p.argv = argv + at + 2;
	r = engine_open(&p.e, argv[at], &err);
	if (r == 0)
		r = run(&p, argv[at + 1], &err);
	if (r != 0)
		put_error(&p.j, &err);
	json_end(&p.j);
	engine_close(p.e);
	puts(buf_str(&out));
	return r == 0 ? 0 : 1;
}
