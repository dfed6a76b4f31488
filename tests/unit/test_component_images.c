/*
 * components/: what the images of components weigh, and which names are ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "components/images.h"

enum { MB = 1000000, ROOM = 16 };

static struct pile new_pile(void)
{
	struct pile p = {.repo = "runnerhub-1a2b3c4d"};

	p.all.items = mem_calloc(ROOM, sizeof(*p.all.items));
	return p;
}

/* tags: up to two, separated by a blank; "": none. */
static void put(struct pile *p, const char *id, const char *parent,
    int64_t size, const char *tags)
{
	struct engine_image_item *i = &p->all.items[p->all.n++];
	const char *blank = strchr(tags, ' ');
	size_t n = 0;

	snprintf(i->id, sizeof(i->id), "%s", id);
	snprintf(i->parent, sizeof(i->parent), "%s", parent);
	i->size_bytes = size;
	i->tags = mem_calloc(3, sizeof(*i->tags));
	if (blank != NULL) {
		i->tags[n++] = mem_strndup(tags, (size_t)(blank - tags));
		tags = blank + 1;
	}
	if (tags[0] != '\0')
		i->tags[n] = mem_strdup(tags);
}

static int64_t weigh(
    const struct pile *p, const char *first, const char *second)
{
	const char *const names[] = {first, second};

	return pile_bytes(p, names, second != NULL ? 2 : 1);
}

static void only_our_names_are_ours(void **state)
{
	CLEANUP(pile_fini) struct pile p = new_pile();

	(void)state;
	assert_string_equal(pile_own(&p, "runnerhub-1a2b3c4d:a"), "a");
	assert_string_equal(
	    pile_own(&p, "localhost/runnerhub-1a2b3c4d:a"), "a");
	assert_string_equal(
	    pile_own(&p, "docker.io/library/runnerhub-1a2b3c4d:a"), "a");
	assert_null(pile_own(&p, "docker.io/runnerhub-1a2b3c4d:a"));
	assert_null(pile_own(&p, "runnerhub-1a2b3c4e:a"));
	assert_null(pile_own(&p, "runnerhub-1a2b3c4d5:a"));
	assert_null(pile_own(&p, "runnerhub-1a2b3c4d"));
	assert_null(pile_own(&p, "other/runnerhub-1a2b3c4d:a"));
	assert_true(image_is_stage_of("a-1.s2", "a-1"));
	assert_false(image_is_stage_of("a-1", "a-1"));
	assert_false(image_is_stage_of("a-12.s2", "a-1"));
	assert_false(image_is_stage_of("a-1.side", "a-1"));
}

/* base <- shared <- one, two; base <- stage of one. */
static struct pile family(void)
{
	struct pile p = new_pile();

	put(&p, "one", "shared", 130 * MB, "runnerhub-1a2b3c4d:one");
	put(&p, "base", "", 100 * MB, "busybox:latest");
	put(&p, "two", "shared", 115 * MB, "runnerhub-1a2b3c4d:two");
	put(&p, "shared", "base", 110 * MB, "");
	put(&p, "stage", "base", 140 * MB, "runnerhub-1a2b3c4d:one.s1");
	put(&p, "other", "base", 900 * MB, "runnerhub-ffffffff:one");
	pile_grow(&p);
	return p;
}

static void layers_count_once_and_bases_never(void **state)
{
	CLEANUP(pile_fini) struct pile p = family();

	(void)state;
	assert_int_equal(weigh(&p, "two", NULL), 15 * MB);
	assert_int_equal(weigh(&p, "one", NULL), (30 + 40) * MB);
	assert_int_equal(weigh(&p, "one", "two"), (30 + 40 + 5) * MB);
	assert_int_equal(weigh(&p, "none", NULL), 0);
}

static void what_has_another_name_too_frees_nothing(void **state)
{
	CLEANUP(pile_fini) struct pile p = new_pile();

	(void)state;
	put(&p, "base", "", 100 * MB, "busybox:latest");
	put(&p, "one", "base", 130 * MB, "runnerhub-1a2b3c4d:one mine:1");
	pile_grow(&p);
	assert_int_equal(weigh(&p, "one", NULL), 0);
}

static void podman_names_parents_in_its_own_way(void **state)
{
	CLEANUP(pile_fini) struct pile p = new_pile();

	(void)state;
	put(&p, "sha256:aa", "", 100 * MB, "docker.io/library/busybox:latest");
	put(&p, "sha256:bb", "aa", 130 * MB,
	    "docker.io/library/runnerhub-1a2b3c4d:one");
	pile_grow(&p);
	assert_int_equal(weigh(&p, "one", NULL), 30 * MB);
}

/* An engine that does not tell what an image was built on. */
static void without_a_parent_all_of_it_counts(void **state)
{
	CLEANUP(pile_fini) struct pile p = new_pile();

	(void)state;
	put(&p, "one", "", 130 * MB, "runnerhub-1a2b3c4d:one");
	put(&p, "two", "gone", 20 * MB, "runnerhub-1a2b3c4d:two");
	pile_grow(&p);
	assert_int_equal(weigh(&p, "one", "two"), 150 * MB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_our_names_are_ours),
	    cmocka_unit_test(layers_count_once_and_bases_never),
	    cmocka_unit_test(what_has_another_name_too_frees_nothing),
	    cmocka_unit_test(podman_names_parents_in_its_own_way),
	    cmocka_unit_test(without_a_parent_all_of_it_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
