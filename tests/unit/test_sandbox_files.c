/* What the hub places in its state directory for containers to mount. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "sandbox/hook_image.h"
#include "sandbox/sandbox_internal.h"

static char dir[] = "/tmp/rh-files-XXXXXX";

static void open_in(struct sandboxes *s)
{
	*s = (struct sandboxes){.config.state_dir = dir};
	mtx_init(&s->hook_mtx, "hook client");
}

static void check_file(const char *parent, const char *name,
    const unsigned char *want, size_t len, ino_t *ret)
{
	CLEANUP(buf_fini) struct buf got = {.max = 64 << 20};
	struct err err = ERR_INIT;
	char path[PATH_MAX];
	struct stat st;

	assert_true(snprintf(path, sizeof(path), "%s/%s", parent, name) <
		    (int)sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(fs_read_file(path, &got, &err), 0);
	assert_int_equal(got.len, len);
	assert_memory_equal(got.data, want, len);
	*ret = st.st_ino;
}

/* Containers have it mounted: it is written once, and never again. */
static void the_hook_client_is_placed_once(void **state)
{
	struct sandboxes s;
	struct err err = ERR_INIT;
	ino_t first[2], again[2];
	char path[PATH_MAX];
	struct stat st;

	(void)state;
	umask(077);
	for (int i = 0; i < 2; i++) {
		ino_t *inodes = i == 0 ? first : again;

		open_in(&s); /* as a hub that was restarted */
		assert_int_equal(sandbox_files_place_hook(&s, &err), 0);
		strcpy(path, s.hook_path);
		assert_int_equal(sandbox_files_place_hook(&s, &err), 0);
		assert_string_equal(s.hook_path, path);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0755);
		check_file(path, HOOK_IMAGE_NAME, hook_image, hook_image_size(),
		    &inodes[0]);
		check_file(path, HOOK_SHIM_NAME, hook_shim, hook_shim_size(),
		    &inodes[1]);
		mtx_fini(&s.hook_mtx);
	}
	assert_memory_equal(first, again, sizeof(first));
	assert_memory_equal(hook_image, "\177ELF", 4);
	assert_memory_equal(hook_shim, "#!/bin/sh", 9);
}

static void only_nested_sessions_mount_it(void **state)
{
	struct sandboxes s = {.config.state_dir = dir,
	    .hook_path = "/state/hook-1",
	    .agent_path = "/state/agent-1"};
	struct sandbox sb = {.id = "5f0c1b1e-0000-4000-8000-000000000001"};
	struct sandbox_spec spec = {.image = "an-image"};
	struct container_plan *p = calloc(1, sizeof(*p));
	struct err err = ERR_INIT;
	bool found;

	(void)state;
	for (int nested = 0; nested < 2; nested++) {
		spec.nested = nested;
		assert_int_equal(container_plan_make(p, &s, &spec, &sb,
				     NETWORK_NONE, NULL, &err),
		    0);
		found = false;
		for (size_t i = 0; p->binds[i] != NULL; i++)
			found |= strcmp(p->binds[i],
				     "/state/hook-1:/.runnerhub:ro") == 0;
		assert_int_equal(found, nested);
	}
	free(p);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_hook_client_is_placed_once),
	    cmocka_unit_test(only_nested_sessions_mount_it),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
