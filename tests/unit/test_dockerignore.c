/* Patterns of .dockerignore files, and contexts packed under them. */
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
#include "containers/context.h"
#include "containers/dockerignore.h"

static void patterns_match(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool match;
	} cases[] = {
	    {"a", "a", true},
	    {"a", "ab", false},
	    {"a", "b/a", false},
	    {"*", "a", true},
	    {"*", "a/b", false},
	    {"*.md", "README.md", true},
	    {"*.md", "docs/README.md", false},
	    {"*/*.md", "docs/README.md", true},
	    {"**/*.md", "docs/README.md", true},
	    {"**/*.md", "README.md", true},
	    {"**", "a/b/c", true},
	    {"a/**", "a/b/c", true},
	    {"a/**/c", "a/c", true},
	    {"a/**/c", "a/b/b/c", true},
	    {"a/**/c", "a/bc", false},
	    {"**/node_modules", "x/y/node_modules", true},
	    {"**/node_modules", "x/my_node_modules", false},
	    {"a?c", "abc", true},
	    {"a?c", "a/c", false},
	    {"[a-c]x", "bx", true},
	    {"[a-c]x", "dx", false},
	    {"[^a-c]x", "dx", true},
	    {"[^a-c]x", "/x", false},
	    {"[]]", "]", true},
	    {"\\*", "*", true},
	    {"\\*", "a", false},
	    {"a.b", "axb", false},
	    {"", "", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (dockerignore_match(cases[i].pattern, cases[i].path) !=
		    cases[i].match)
			fail_msg("\"%s\" and \"%s\"", cases[i].pattern,
			    cases[i].path);
}

/* A pattern that makes a matcher try each way would never come back. */
static void a_nasty_pattern_takes_no_time(void **state)
{
	char pattern[4001] = "", path[2001] = "";

	(void)state;
	for (size_t i = 0; i + 2 <= 4000; i += 2)
		memcpy(pattern + i, "*a", 2);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 2] = 'b';
	assert_false(dockerignore_match(pattern, path));
}

/* Nor one by one for each directory above. */
static void nor_below_many_directories(void **state)
{
	struct dockerignore d = {.v = NULL};
	struct err err = ERR_INIT;
	char text[64001] = "", path[3001] = "";

	(void)state;
	for (size_t i = 0; i + 2 <= 64000; i += 2)
		memcpy(text + i, i % 4000 == 3998 ? "?\n" : "*a", 2);
	for (size_t i = 0; i + 2 <= 3000; i += 2)
		memcpy(path + i, "a/", 2);
	path[2999] = '\0';
	assert_int_equal(dockerignore_read(&d, text, 64000, &err), 0);
	assert_int_equal(d.n, 16);
	assert_false(dockerignore_leaves_out(&d, path));
	dockerignore_fini(&d);
}

static bool left_out(const char *text, const char *path)
{
	struct dockerignore d = {.v = NULL};
	struct err err = ERR_INIT;
	bool out;

	assert_int_equal(dockerignore_read(&d, text, strlen(text), &err), 0);
	out = dockerignore_leaves_out(&d, path);
	dockerignore_fini(&d);
	return out;
}

static void the_last_line_decides(void **state)
{
	static const char text[] = "\xef\xbb\xbf# all but one\n"
				   "*.md\r\n"
				   "!README*.md\n"
				   "README-secret.md\n"
				   "\n"
				   "  /build//  \n"
				   "!build/keep\n";

	(void)state;
	assert_true(left_out(text, "a.md"));
	assert_false(left_out(text, "README.md"));
	assert_true(left_out(text, "README-secret.md"));
	assert_true(left_out(text, "build"));
	assert_true(left_out(text, "build/x/y"));
	assert_false(left_out(text, "build/keep"));
	assert_false(left_out(text, "build/keep/this"));
	assert_false(left_out(text, "src/main.c"));
	assert_false(left_out("", "a"));
	assert_false(left_out("/\n.\n", "a"));
}

static void bad_files_are_refused(void **state)
{
	struct dockerignore d = {.v = NULL};
	char *many = mem_zalloc(2 * (DOCKERIGNORE_LINES_MAX + 1) + 1);
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(dockerignore_read(&d, "[a\n", 3, &err), -1);
	assert_string_equal(err.code, "bad_dockerignore");
	dockerignore_fini(&d);
	assert_int_equal(dockerignore_read(&d, "a\\", 2, &err), -1);
	dockerignore_fini(&d);
	for (size_t i = 0; i <= DOCKERIGNORE_LINES_MAX; i++)
		memcpy(many + 2 * i, "a\n", 2);
	assert_int_equal(dockerignore_read(&d, many, strlen(many), &err), -1);
	assert_string_equal(err.code, "dockerignore_too_large");
	dockerignore_fini(&d);
	mem_free(many);
}

/* -- contexts ---------------------------------------------------------- */

static void put_file(const char *root, const char *name, const char *text)
{
	struct err err = ERR_INIT;
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(
	    fs_replace_file(path, text, strlen(text), 0644, &err), 0);
}

static void put_folder(const char *root, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* " name name ", in no order. */
static void names_of(int fd, char *out, size_t size)
{
	char block[TAR_BLOCK];

	snprintf(out, size, " ");
	while (read(fd, block, sizeof(block)) == sizeof(block) &&
	       block[0] != '\0') {
		unsigned long long bytes = strtoull(block + 124, NULL, 8);
		size_t len = strlen(out);

		snprintf(out + len, size - len, "%.100s ", block);
		assert_true(lseek(fd,
				(off_t)((bytes + TAR_BLOCK - 1) / TAR_BLOCK *
					TAR_BLOCK),
				SEEK_CUR) >= 0);
	}
}

static void pack(
    const char *root, const char *dockerfile, char *out, size_t size)
{
	const struct ctx ctx = ctx_root();
	struct err err = ERR_INIT;
	int fd = -1;

	assert_int_equal(
	    context_tar(&ctx, root, dockerfile, NULL, &fd, &err), 0);
	names_of(fd, out, size);
	fd_close(fd);
}

static void contexts_are_packed_without_what_is_ignored(void **state)
{
	char root[] = "/tmp/test-context-XXXXXX", names[1000], command[100];

	(void)state;
	assert_non_null(mkdtemp(root));
	put_file(root, "Dockerfile", "FROM scratch");
	put_file(root, "main.c", "int main;");
	put_folder(root, "build");
	put_file(root, "build/a.o", "x");
	put_file(root, "build/keep", "x");
	put_folder(root, "docker");
	put_file(root, "docker/Dockerfile", "FROM scratch");
	put_file(root, "docker/note", "x");
	pack(root, "Dockerfile", names, sizeof(names));
	assert_non_null(strstr(names, " build/a.o "));

	put_file(root, ".dockerignore", "*\n!main.c\n");
	pack(root, "Dockerfile", names, sizeof(names));
	assert_non_null(strstr(names, " Dockerfile "));
	assert_non_null(strstr(names, " .dockerignore "));
	assert_non_null(strstr(names, " main.c "));
	assert_null(strstr(names, " build"));
	assert_null(strstr(names, " docker"));

	put_file(root, ".dockerignore", "*\n");
	pack(root, "docker/Dockerfile", names, sizeof(names));
	assert_non_null(strstr(names, " docker/Dockerfile "));
	assert_null(strstr(names, " docker/note "));
	assert_null(strstr(names, " main.c "));

	put_file(root, ".dockerignore", "build\n!build/keep");
	pack(root, "Dockerfile", names, sizeof(names));
	assert_non_null(strstr(names, " build/keep "));
	assert_null(strstr(names, " build/a.o "));
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

/* A link called .dockerignore is not read: it could lead anywhere. */
static void a_link_is_no_list(void **state)
{
	char root[] = "/tmp/test-context-XXXXXX", path[100], names[1000];
	char command[100];

	(void)state;
	assert_non_null(mkdtemp(root));
	put_file(root, "Dockerfile", "FROM scratch");
	put_file(root, "list", "*\n");
	snprintf(path, sizeof(path), "%s/.dockerignore", root);
	assert_int_equal(symlink("list", path), 0);
	pack(root, "Dockerfile", names, sizeof(names));
	assert_non_null(strstr(names, " list "));
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static void a_large_or_late_context_is_refused(void **state)
{
	char root[] = "/tmp/test-context-XXXXXX", command[100];
	const struct ctx ctx = ctx_root(), late = ctx_with_timeout(&ctx, 0);
	struct err err = ERR_INIT;
	int fd = -1, top;

	(void)state;
	assert_non_null(mkdtemp(root));
	put_file(root, "Dockerfile", "FROM scratch # and some more text");
	top = open(root, O_PATH | O_DIRECTORY);
	assert_true(top >= 0);
	assert_int_equal(
	    context_tar_at(&ctx, top, "Dockerfile", NULL, 16, &fd, &err), -1);
	assert_string_equal(err.code, "context_too_large");
	err_clear(&err);
	assert_int_equal(
	    context_tar_at(&late, top, "Dockerfile", NULL, 1 << 20, &fd, &err),
	    -1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	fd_close(top);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(patterns_match),
	    cmocka_unit_test(a_nasty_pattern_takes_no_time),
	    cmocka_unit_test(nor_below_many_directories),
	    cmocka_unit_test(the_last_line_decides),
	    cmocka_unit_test(bad_files_are_refused),
	    cmocka_unit_test(contexts_are_packed_without_what_is_ignored),
	    cmocka_unit_test(a_link_is_no_list),
	    cmocka_unit_test(a_large_or_late_context_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
