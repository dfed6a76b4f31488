/* components/dockerfile: from which images a Dockerfile is made, as the
 * classic builder would read it, and what only BuildKit knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "components/bases.h"
#include "components/dockerfile.h"

static struct buf asked;

static int note(void *arg, const char *ref, struct err *err)
{
	const char *refused = arg;

	buf_append_str(&asked, ref);
	buf_append_char(&asked, '|');
	if (refused != NULL && strcmp(ref, refused) == 0)
		return err_set(err, ERR_INVALID, NULL, "not that one");
	return 0;
}

static const struct descriptor_pair args[] = {
    {(char *)(uintptr_t) "BASE", (char *)(uintptr_t) "given"},
    {(char *)(uintptr_t) "EMPTY", (char *)(uintptr_t) ""}};

static void assert_asks(const char *text, const char *want)
{
	const struct dockerfile_rules rules = {
	    .args = args, .nargs = ARRAY_LEN(args), .image = note};
	struct err err = ERR_INIT;

	buf_init(&asked, 65536);
	if (dockerfile_check(text, strlen(text), "Dockerfile", &rules, &err) <
	    0)
		fail_msg("%s: %s", text, err.msg);
	assert_string_equal(buf_str(&asked), want);
	buf_fini(&asked);
}

static void images_are_found(void **state)
{
	(void)state;
	assert_asks("FROM node:20\nRUN true\n", "node:20|");
	assert_asks("from --platform=linux/amd64 a\nFrom b AS two\n", "a|b|");
	assert_asks("\xef\xbb\xbf# note\n\r\n  FROM a\r\n", "a|");
	assert_asks("FROM scratch\nFROM", "");
	assert_asks("FROM \\\n# in between\n\n  a\\\nb\n", "ab|");
	assert_asks("# escape=`\nFROM a\\b`\nc", "a\\bc|");
	assert_asks("# a note\n# escape=`\nFROM a`\n", "a`|");
	assert_asks("FROM \"q\"'u'\\o\n", "quo|");
	assert_asks("ONBUILD COPY --from=x /a /b\nFROM y", "x|y|");
}

static void stages_are_no_images(void **state)
{
	(void)state;
	assert_asks("FROM a AS Build\nFROM build\nCOPY --from=BUILD /a /b\n"
		    "COPY --from=0 /a /b\nCOPY --chown=1 --from=c /a /b\n",
	    "a|c|");
	assert_asks("FROM later\nFROM b AS later\n", "later|b|");
}

static void arguments_are_put_in(void **state)
{
	(void)state;
	assert_asks("ARG BASE=x\nFROM $BASE\n", "given|");
	assert_asks("ARG BASE\nFROM ${BASE}:1\n", "given:1|");
	assert_asks("FROM a$BASE\n", "a|"); /* not declared */
	assert_asks("ARG OTHER=o\nARG T=${OTHER}-t\nFROM ${T}\n", "o-t|");
	assert_asks("ARG A=1 B=\"2\"\nFROM $A$B\n", "12|");
	assert_asks("ARG EMPTY=x\nFROM ${EMPTY:-d${NONE:-e}}\n", "de|");
	assert_asks("ARG BASE\nFROM ${BASE:+y}${NONE:+n}\n", "y|");
	assert_asks("FROM '$BASE'\\$x\n", "$BASE$x|");
	/* One inside of a stage is none for FROM lines. */
	assert_asks("FROM a\nARG BASE=x\nFROM z$BASE\n", "a|z|");
}

static void refuse(const char *text, const char *refused, const char *want)
{
	const struct dockerfile_rules rules = {
	    .image = note, .arg = (void *)(uintptr_t)refused};
	struct err err = ERR_INIT;

	buf_init(&asked, 65536);
	assert_int_equal(dockerfile_check(text, strlen(text), "app/Dockerfile",
			     &rules, &err),
	    -1);
	assert_string_equal(err.code, "INVALID_CONFIGURATION");
	if (strstr(err.msg, want) != err.msg)
		fail_msg("%s is not %s", err.msg, want);
	buf_fini(&asked);
}

/* What builders take from `evil` however it is spelt: as Docker 20.10 reads it,
 * and mounts, which Podman knows. */
static void no_spelling_hides_an_image(void **state)
{
	static const struct dockerfile_rules podman = {
	    .buildkit = true, .image = note};
	static const char mounts[] =
	    "FROM a AS b\nRUN --mount=type=bind,from=evil,target=/x true\n"
	    "RUN --mount=from=b --mount=target=/y,\"from=evil2\" true\n"
	    "FROM c\nRUN --mount=type=cache,target=/x --mount=from=B true\n";
	static const char nul[] = "ARG A=1\0 B=evil\nFROM $B\n";
	static const char *const no_directives[] = {
	    "# hello world = x\n", "# foo=\n", "#\xc2\xa0", "# 1=2\n"};
	struct err err = ERR_INIT;

	(void)state;
	assert_asks("FROM a AS evil\nCOPY --from=evil /a /b\n", "a|evil|");
	assert_asks("FROM a\nRUN true \\\\\nFROM evil\n", "a|evil|a|");
	assert_asks("FROM a\nRUN true \\\f\nFROM evil\n", "a|evil|a|");
	assert_asks("FROM a\nRUN true \\\r\r\nFROM evil\n", "a|evil|a|");
	for (size_t i = 0; i < ARRAY_LEN(no_directives); i++) {
		char text[128];

		snprintf(text, sizeof(text),
		    "%s# escape=`\nFROM a\nRUN true `\nFROM evil\n",
		    no_directives[i]);
		assert_asks(text, "a|evil|");
	}
	assert_asks("\xc2\xa0 FROM evil\n", "evil|");
	assert_asks("\xe2\x80\x83# x \\\nFROM evil\n", "evil|");
	assert_asks("FROM a\nCOPY --fr\\om=evil /a /b\n", "a|evil|");
	assert_asks("FROM a\nCOPY --fr'om'=evil /a /b\n", "a|evil|");
	assert_asks("FROM a\nCOPY --chown=1\xa0--from=evil /a /b\n", "a|evil|");
	assert_asks(
	    "# escape=`\nFROM a\nCOPY --chown=1` --from=evil / /\n", "a|evil|");
	assert_asks("FROM --platform=linux/amd64\xa0 evil\n", "evil|");
	assert_asks("FROM \xa0"
		    "evil\n",
	    "evil|");
	assert_asks("ARG A=1\xc2\xa0"
		    "B=evil\nFROM $B\n",
	    "evil|");
	assert_asks("ARG A='x\\' B=evil'y'\nFROM ${B:-a}\n", "evily|");
	assert_int_equal(
	    dockerfile_check(nul, sizeof(nul) - 1, "D", &podman, &err), -1);
	assert_string_equal(
	    err.msg, "D: it has a NUL byte, so it is no Dockerfile");
	err_clear(&err);
	buf_init(&asked, 64);
	assert_int_equal(
	    dockerfile_check(mounts, strlen(mounts), "D", &podman, &err), 0);
	assert_string_equal(buf_str(&asked), "a|evil|b|evil2|c|");
	buf_fini(&asked);
}

static void a_refusal_names_file_line_and_image(void **state)
{
	(void)state;
	refuse("# x\nFROM a\n\nCOPY \\\n --from=b x y\n", "b",
	    "app/Dockerfile:4: COPY b: not that one");
	refuse("ARG X=ba\nFROM ${X}d", "bad",
	    "app/Dockerfile:2: FROM bad: not that one");
	refuse("FROM ${X#y}", NULL,
	    "app/Dockerfile:1: FROM ${X#y}: what image that is cannot be told");
	refuse("ARG X=a\nARG X\nFROM ${X:-evil}", NULL,
	    "app/Dockerfile:2: ARG : a variable that has a value is declared");
	refuse("FROM ${X", NULL, "app/Dockerfile:1: FROM ${X: what image");
}

static void what_needs_buildkit_is_told(void **state)
{
	static const char heredoc[] = "FROM a\nRUN <<EOF\necho\nEOF\n";
	const struct dockerfile_rules knows = {.buildkit = true, .image = note};
	struct err err = ERR_INIT;

	(void)state;
	refuse("FROM a\nRUN --mount=type=cache,target=/x make\n", NULL,
	    "app/Dockerfile:2: RUN --mount: needs BuildKit");
	refuse("FROM a\nCOPY --link a b\n", NULL,
	    "app/Dockerfile:2: COPY --link: needs BuildKit");
	refuse(heredoc, NULL, "app/Dockerfile:2: RUN <<: needs BuildKit");
	refuse("FROM a\nCOPY <<-'E' /x\n\tone\n\tE\n", NULL,
	    "app/Dockerfile:2: COPY <<: needs BuildKit");
	/* A shell's shift, or a document within one line's commands. */
	assert_asks("FROM a\nRUN echo $((1<<EOF))\nRUN cat <<EOF\n", "a|");
	buf_init(&asked, 64);
	assert_int_equal(
	    dockerfile_check(heredoc, strlen(heredoc), "D", &knows, &err), 0);
	buf_fini(&asked);
}

static void images_of_hubs_are_known_by_name(void **state)
{
	static const char *const theirs[] = {"runnerhub-1a2b3c4d:a-b",
	    "docker.io/library/runnerhub-1a2b3c4d:x", "localhost/runnerhub-x",
	    "runnerhub-step/x:y", "index.docker.io/runnerhub-hook/a"};
	static const char *const others[] = {"runnerhub/test", "node",
	    "ghcr.io/runnerhub-x/y", "my-runnerhub-x"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
		assert_true(bases_is_of_a_hub(theirs[i]));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(bases_is_of_a_hub(others[i]));
}

static void patterns_name_what_is_allowed(void **state)
{
	static const char list[] = "docker.io/library/*, ghcr.io/acme/*:1.*,b*";

	(void)state;
	assert_true(bases_is_allowed(NULL, "anything"));
	assert_true(bases_is_allowed("", "anything"));
	assert_true(bases_is_allowed(list, "node:20"));
	assert_true(bases_is_allowed(list, "docker.io/node"));
	assert_true(bases_is_allowed(list, "ghcr.io/acme/x:1.5"));
	assert_true(bases_is_allowed(list, "busy/x"));
	assert_false(bases_is_allowed(list, "ghcr.io/acme/x:2"));
	assert_false(bases_is_allowed(list, "some/node"));
	assert_false(bases_is_allowed(list, "evil.io/docker.io/library/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(images_are_found),
	    cmocka_unit_test(stages_are_no_images),
	    cmocka_unit_test(arguments_are_put_in),
	    cmocka_unit_test(no_spelling_hides_an_image),
	    cmocka_unit_test(a_refusal_names_file_line_and_image),
	    cmocka_unit_test(what_needs_buildkit_is_told),
	    cmocka_unit_test(images_of_hubs_are_known_by_name),
	    cmocka_unit_test(patterns_name_what_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
