/*
 * Mounts of sessions: which become binds, which links, which are refused.
 * What an engine makes of them is for the integration tests.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/tar.h"
#include "containers/grounds.h"

static const struct policy nothing = {.setting = "RUNNERHUB_SESSION_ALLOW"};

/* -- what comes of mounts ---------------------------------------------- */

struct fixture {
	struct grounds grounds;
	struct grounds_made made;
	struct container_wish wish;
	struct wish_mount system[12], user[12];
	json_t *options;
	struct policy policy;
	struct err err;
};

static void add(
    struct grounds *g, const char *here, const char *host, bool read_only)
{
	struct err err = ERR_INIT;

	assert_int_equal(grounds_add(g, here, host, NULL, read_only, &err), 0);
}

static struct fixture *fixture_new(void)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	f->policy = nothing;
	f->options = json_array();
	f->wish.system_mounts = f->system;
	f->wish.user_mounts = f->user;
	add(&f->grounds, "/r/_work", "/srv/work", false);
	add(&f->grounds, "/r/externals", "/srv/externals", true);
	return f;
}

static void fixture_free(struct fixture *f)
{
	grounds_made_fini(&f->made);
	grounds_fini(&f->grounds);
	json_decref(f->options);
	mem_free(f);
}

static void runner_mounts(
    struct fixture *f, const char *source, const char *target, bool read_only)
{
	f->system[f->wish.nsystem_mounts++] = (struct wish_mount){
	    .source = source, .target = target, .read_only = read_only};
}

static void user_mounts(
    struct fixture *f, const char *source, const char *target, bool read_only)
{
	f->user[f->wish.nuser_mounts++] = (struct wish_mount){
	    .source = source, .target = target, .read_only = read_only};
}

static int make(struct fixture *f)
{
	f->err = (struct err)ERR_INIT;
	return grounds_mount(&f->grounds, &f->wish, f->options, &f->policy,
	    "own-", &f->made, &f->err);
}

/* "type source target ro|rw", source "-" for none. */
static void assert_mount(const struct fixture *f, size_t at, const char *want)
{
	json_t *m = json_array_get(f->made.mounts, at);
	const char *source = json_string_value(json_object_get(m, "Source"));
	char text[300];

	assert_non_null(m);
	snprintf(text, sizeof(text), "%s %s %s %s",
	    json_string_value(json_object_get(m, "Type")),
	    source != NULL ? source : "-",
	    json_string_value(json_object_get(m, "Target")),
	    json_is_true(json_object_get(m, "ReadOnly")) ? "ro" : "rw");
	assert_string_equal(text, want);
}

static void assert_mounts(const struct fixture *f, size_t n)
{
	assert_int_equal(json_array_size(f->made.mounts), n);
}

/* The link at a place of the archive; NULL: no more. */
static const char *link_at(const struct fixture *f, size_t at, char out[256])
{
	const char *block = f->made.links.data;

	if (block == NULL || (at + 1) * TAR_BLOCK > f->made.links.len ||
	    block[at * TAR_BLOCK] == '\0')
		return NULL;
	block += at * TAR_BLOCK;
	assert_int_equal(block[156], TAR_SYMLINK);
	snprintf(out, 256, "/%.100s -> %.100s", block, block + 157);
	return out;
}

static void assert_link(const struct fixture *f, size_t at, const char *want)
{
	char text[256];
	const char *got = link_at(f, at, text);

	if (want == NULL)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void a_job_container_binds_the_ground_and_links_below(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	runner_mounts(f, "/var/run/docker.sock", "/var/run/docker.sock", false);
	runner_mounts(f, "/r/_work", "/__w", false);
	runner_mounts(f, "/r/externals", "/__e", true);
	runner_mounts(f, "/r/_work/_temp", "/__w/_temp", false);
	runner_mounts(f, "/r/_work/_temp/_github_home", "/github/home", false);
	assert_int_equal(make(f), 0);
	assert_true(f->made.socket_dropped);
	assert_mounts(f, 2);
	assert_mount(f, 0, "bind /srv/work /__w rw");
	assert_mount(f, 1, "bind /srv/externals /__e ro");
	assert_link(f, 0, "/github/home -> /__w/_temp/_github_home");
	assert_link(f, 1, NULL);
	fixture_free(f);
}

static void an_action_gets_the_ground_at_a_place_of_ours(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	runner_mounts(f, "/r/_work/_temp", "/github/runner_temp", false);
	runner_mounts(f, "/r/_work/a/a", "/github/workspace", false);
	assert_int_equal(make(f), 0);
	assert_mounts(f, 1);
	assert_mount(f, 0, "bind /srv/work /__w rw");
	assert_link(f, 0, "/github/runner_temp -> /__w/_temp");
	assert_link(f, 1, "/github/workspace -> /__w/a/a");
	fixture_free(f);

	f = fixture_new(); /* /__w is taken */
	runner_mounts(f, "/r/_work/_temp", "/github/runner_temp", false);
	user_mounts(f, "cache", "/__w/cache", false);
	assert_int_equal(make(f), 0);
	assert_mounts(f, 2);
	assert_mount(f, 0, "volume own-cache /__w/cache rw");
	assert_mount(f, 1, "bind /srv/work /.runnerhub-work rw");
	assert_link(f, 0, "/github/runner_temp -> /.runnerhub-work/_temp");
	fixture_free(f);
}

static void read_only_wishes_lead_to_a_read_only_bind(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	runner_mounts(f, "/r/_work", "/__w", false);
	user_mounts(f, "/r/_work/a", "/data", true);
	user_mounts(f, "/r/externals/node20", "/node", false);
	assert_int_equal(make(f), 0);
	assert_mounts(f, 3);
	assert_mount(f, 0, "bind /srv/work /__w rw");
	assert_mount(f, 1, "bind /srv/work /.runnerhub-work ro");
	assert_mount(f, 2, "bind /srv/externals /.runnerhub-work2 ro");
	assert_link(f, 0, "/data -> /.runnerhub-work/a");
	assert_link(f, 1, "/node -> /.runnerhub-work2/node20");
	fixture_free(f);

	f = fixture_new(); /* nobody makes a read-only ground writable */
	user_mounts(f, "/r/externals", "/tools", false);
	assert_int_equal(make(f), 0);
	assert_mount(f, 0, "bind /srv/externals /tools ro");
	fixture_free(f);
}

static void volumes_are_grounds_and_get_no_files_of_images(void **state)
{
	struct fixture *f = fixture_new();
	json_t *options;

	(void)state;
	assert_int_equal(grounds_add(&f->grounds, "/home/runner/_work", NULL,
			     "work-1", false, &f->err),
	    0);
	runner_mounts(f, "/home/runner/_work", "/__w", false);
	user_mounts(f, NULL, "/scratch", false);
	user_mounts(f, "cache", "/cache", true);
	assert_int_equal(make(f), 0);
	assert_mounts(f, 3);
	assert_mount(f, 0, "volume work-1 /__w rw");
	assert_mount(f, 1, "volume - /scratch rw");
	assert_mount(f, 2, "volume own-cache /cache ro");
	options =
	    json_object_get(json_array_get(f->made.mounts, 0), "VolumeOptions");
	assert_true(json_is_true(json_object_get(options, "NoCopy")));
	fixture_free(f);
}

static void paths_are_compared_as_they_mean(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	runner_mounts(f, "/r//_work/.", "/__w/", false);
	runner_mounts(f, "/r/_work/./_temp/", "//__w//_temp", false);
	runner_mounts(f, "//var/run/./docker.sock", "/x.sock", false);
	assert_int_equal(make(f), 0);
	assert_true(f->made.socket_dropped);
	assert_mounts(f, 1);
	assert_mount(f, 0, "bind /srv/work /__w rw");
	assert_link(f, 0, NULL);
	fixture_free(f);
}

/* -- what is refused --------------------------------------------------- */

static void assert_refused(
    const char *source, const char *target, const char *code)
{
	struct fixture *f = fixture_new();

	runner_mounts(f, "/r/_work", "/__w", false);
	user_mounts(f, source, target, false);
	assert_int_equal(make(f), -1);
	assert_string_equal(f->err.code, code);
	fixture_free(f);
}

static void nothing_else_of_the_host_is_mounted(void **state)
{
	(void)state;
	assert_refused("/", "/host", "outside_grounds");
	assert_refused("/etc", "/host", "outside_grounds");
	assert_refused("/r", "/host", "outside_grounds");
	assert_refused("/r/_workshop", "/host", "outside_grounds");
	assert_refused("/r/_work/../../etc", "/host", "bad_path");
	assert_refused("/r/_work/..", "/host", "bad_path");
	assert_refused("/srv/work", "/host", "outside_grounds");
	assert_refused("/var/run/docker.sock", "/s", "forbidden_option");
	assert_refused("//run/docker.sock", "/s", "forbidden_option");
	assert_refused("/var/./run//docker.sock", "/s", "forbidden_option");
	assert_refused("/var/run", "/s", "outside_grounds");
	assert_refused("../x", "/host", "bad_mount");
}

/* The engine would unpack it into the work directory, or, worse, empty what
 * stands there first. */
static void no_link_touches_another_mount(void **state)
{
	(void)state;
	assert_refused("/r/_work/a", "/__w/b", "bad_mount");
	assert_refused("/r/_work/a", "/__w/a/b", "bad_mount");
	assert_refused("/r/_work/a", "/x/../__w/b", "bad_path");
	assert_refused("/r/_work/a", "/", "bad_mount");
	assert_refused("/r/_work/a", "/proc", "bad_mount");
	assert_refused("/r/_work/a", "/proc/self", "bad_mount");
	assert_refused("/r/_work/a", "/dev", "bad_mount");
	assert_refused("/r/_work/a", "/etc", "bad_mount");
	assert_refused("/r/_work/a", "/etc/hosts", "bad_mount");
	assert_refused("/r/_work/a", "/hub", "bad_mount");
	assert_refused("/r/_work/a", "/.runnerhub-agent", "bad_mount");
}

static void a_link_over_a_mount_is_refused(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	runner_mounts(f, "/r/_work", "/x/w", false);
	user_mounts(f, "/r/_work/a", "/x", false);
	assert_int_equal(make(f), -1);
	assert_string_equal(f->err.code, "bad_mount");
	fixture_free(f);

	f = fixture_new(); /* nor one within another link */
	user_mounts(f, "/r/_work/a", "/data", false);
	user_mounts(f, "/r/_work/b", "/data/b", false);
	assert_int_equal(make(f), -1);
	assert_string_equal(f->err.code, "bad_mount");
	fixture_free(f);

	f = fixture_new(); /* but one that is seen through it is fine */
	user_mounts(f, "/r/_work/a", "/data", false);
	user_mounts(f, "/r/_work/a/b", "/data/b", false);
	assert_int_equal(make(f), 0);
	assert_link(f, 0, "/data -> /__w/a");
	assert_link(f, 1, NULL);
	fixture_free(f);
}

static void grants_open_the_host(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	f->policy.granted[POLICY_HOST_MOUNTS] = true;
	user_mounts(f, "/opt/data", "/data", true);
	assert_int_equal(make(f), 0);
	assert_mount(f, 0, "bind /opt/data /data ro");
	fixture_free(f);

	f = fixture_new(); /* host mounts alone are not the engine's socket */
	f->policy.granted[POLICY_HOST_MOUNTS] = true;
	user_mounts(f, "/var/run/docker.sock", "/s", false);
	assert_int_equal(make(f), -1);
	fixture_free(f);

	f = fixture_new();
	f->policy.granted[POLICY_ENGINE_SOCKET] = true;
	runner_mounts(f, "/var/run/docker.sock", "/var/run/docker.sock", false);
	assert_int_equal(make(f), 0);
	assert_false(f->made.socket_dropped);
	assert_mount(f, 0, "bind /var/run/docker.sock /var/run/docker.sock rw");
	fixture_free(f);
}

/* -- the grounds themselves -------------------------------------------- */

static void grounds_are_checked(void **state)
{
	static const char *const bad[] = {"/", "//", "/./", "rel", "", "/a/.."};
	struct err err = ERR_INIT;
	struct grounds g = {.v = NULL};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(
		    grounds_add(&g, bad[i], NULL, NULL, false, &err), -1);
		assert_int_equal(
		    grounds_add(&g, "/a", bad[i], NULL, false, &err), -1);
	}
	assert_int_equal(grounds_add(&g, "/a", NULL, "../b", false, &err), -1);
	assert_int_equal(grounds_add(&g, "/a", NULL, "b", false, &err), 0);
	assert_int_equal(grounds_add(&g, "/a/b/", NULL, NULL, true, &err), 0);
	assert_string_equal(grounds_find(&g, "/a/b/c")->here, "/a/b");
	assert_string_equal(grounds_find(&g, "/a/bc")->here, "/a");
	assert_null(grounds_find(&g, "/ab"));
	grounds_fini(&g);
}

static void grounds_are_read_from_json(void **state)
{
	json_t *list = json_pack("[{ss,ss},{ss,ss,sb}]", "here", "/w", "host",
	    "/srv/w", "here", "/e", "volume", "ext", "readOnly", 1);
	json_t *odd = json_pack("[{ss}]", "host", "/srv/w");
	struct err err = ERR_INIT;
	struct grounds g = {.v = NULL};

	(void)state;
	assert_int_equal(grounds_read(&g, list, &err), 0);
	assert_int_equal(g.n, 2);
	assert_string_equal(g.v[0].host, "/srv/w");
	assert_string_equal(g.v[1].volume, "ext");
	assert_null(g.v[1].host);
	assert_true(g.v[1].read_only);
	assert_int_equal(grounds_read(&g, odd, &err), -1);
	assert_string_equal(err.code, "bad_ground");
	json_decref(list);
	json_decref(odd);
	grounds_fini(&g);
}

/* -- opening ----------------------------------------------------------- */

struct tree {
	char root[64], work[96], away[96];
	struct grounds grounds;
};

static void tree_make(struct tree *t)
{
	char path[160];

	snprintf(t->root, sizeof(t->root), "/tmp/test-grounds-XXXXXX");
	assert_non_null(mkdtemp(t->root));
	snprintf(t->work, sizeof(t->work), "%s/work", t->root);
	snprintf(t->away, sizeof(t->away), "%s/away", t->root);
	assert_int_equal(mkdir(t->work, 0700), 0);
	assert_int_equal(mkdir(t->away, 0700), 0);
	snprintf(path, sizeof(path), "%s/in", t->work);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/out", t->work);
	assert_int_equal(symlink("../away", path), 0);
	snprintf(path, sizeof(path), "%s/abs", t->work);
	assert_int_equal(symlink(t->away, path), 0);
	snprintf(path, sizeof(path), "%s/near", t->work);
	assert_int_equal(symlink("in", path), 0);
	snprintf(path, sizeof(path), "%s/magic", t->work);
	assert_int_equal(symlink("/proc/self/root", path), 0);
	t->grounds = (struct grounds){.v = NULL};
	add(&t->grounds, "/r/_work", t->work, false);
}

static void tree_remove(struct tree *t)
{
	static const char *const names[] = {
	    "work/out", "work/abs", "work/near", "work/magic"};
	char path[160];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", t->root, names[i]);
		assert_int_equal(unlink(path), 0);
	}
	snprintf(path, sizeof(path), "%s/in", t->work);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(t->work), 0);
	assert_int_equal(rmdir(t->away), 0);
	assert_int_equal(rmdir(t->root), 0);
	grounds_fini(&t->grounds);
}

static int try_open(struct tree *t, const char *path, struct err *err)
{
	int fd = -1;

	*err = (struct err)ERR_INIT;
	if (grounds_open(&t->grounds, path, NULL, &fd, err) != 0)
		return -1;
	fd_close(fd);
	return 0;
}

static void opening_follows_no_link_out(void **state)
{
	static const char *const out[] = {"/r/_work/out", "/r/_work/abs",
	    "/r/_work/magic", "/r/_work/magic/etc"};
	struct err err = ERR_INIT;
	struct tree t;

	(void)state;
	tree_make(&t);
	assert_int_equal(try_open(&t, "/r/_work", &err), 0);
	assert_int_equal(try_open(&t, "/r/_work/in", &err), 0);
	assert_int_equal(try_open(&t, "/r/_work/near/", &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(out); i++) {
		assert_int_equal(try_open(&t, out[i], &err), -1);
		assert_string_equal(err.code, "outside_grounds");
	}
	assert_int_equal(try_open(&t, "/r/_work/../away", &err), -1);
	assert_string_equal(err.code, "bad_path");
	assert_int_equal(try_open(&t, "/etc", &err), -1);
	assert_string_equal(err.code, "outside_grounds");
	tree_remove(&t);
}

static void opening_a_volume_needs_its_directory(void **state)
{
	struct grounds g = {.v = NULL};
	struct err err = ERR_INIT;
	int fd = -1;

	(void)state;
	assert_int_equal(grounds_add(&g, "/w", NULL, "vol", false, &err), 0);
	assert_int_equal(grounds_open(&g, "/w/etc", NULL, &fd, &err), -1);
	assert_string_equal(err.code, "volume_out_of_reach");
	assert_int_equal(grounds_open(&g, "/w/tmp", "/", &fd, &err), 0);
	fd_close(fd);
	grounds_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_job_container_binds_the_ground_and_links_below),
	    cmocka_unit_test(an_action_gets_the_ground_at_a_place_of_ours),
	    cmocka_unit_test(read_only_wishes_lead_to_a_read_only_bind),
	    cmocka_unit_test(volumes_are_grounds_and_get_no_files_of_images),
	    cmocka_unit_test(paths_are_compared_as_they_mean),
	    cmocka_unit_test(nothing_else_of_the_host_is_mounted),
	    cmocka_unit_test(no_link_touches_another_mount),
	    cmocka_unit_test(a_link_over_a_mount_is_refused),
	    cmocka_unit_test(grants_open_the_host),
	    cmocka_unit_test(grounds_are_checked),
	    cmocka_unit_test(grounds_are_read_from_json),
	    cmocka_unit_test(opening_follows_no_link_out),
	    cmocka_unit_test(opening_a_volume_needs_its_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
