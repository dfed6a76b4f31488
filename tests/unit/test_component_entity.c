/* Entities of a catalog: references, JSON of a portal, catalog-info.yaml. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "components/entity.h"

/* -- references -------------------------------------------------------- */

static void references(void **state)
{
	static const struct {
		const char *text, *kind, *namespace, *name;
	} cases[] = {
	    {"component:default/demo", "component", "default", "demo"},
	    {"Component:demo", "Component", "default", "demo"},
	    {"Component:Team-A/Demo.Web_1", "Component", "Team-A",
		"Demo.Web_1"},
	    {"API:x", "API", "default", "x"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct entity_ref ref = {0};
		struct err err = ERR_INIT;

		if (entity_ref_parse(cases[i].text, &ref, &err) < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(ref.kind, cases[i].kind);
		assert_string_equal(ref.namespace, cases[i].namespace);
		assert_string_equal(ref.name, cases[i].name);
		entity_ref_fini(&ref);
	}
}

static void owners_are_references_in_full(void **state)
{
	static const struct {
		char *owner;
		const char *full;
	} cases[] = {
	    {"team-a", "group:shop/team-a"},
	    {"other/Team-A", "group:other/team-a"},
	    {"user:Jane", "user:shop/jane"},
	    {"User:default/jane", "user:default/jane"},
	    {"team a", NULL},
	    {NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct entity e = {.ref = {.namespace = (char[]){"Shop"}},
		    .owner = cases[i].owner};
		CLEANUP(mem_free) char *full = entity_owner_ref(&e);

		if (cases[i].full == NULL)
			assert_null(full);
		else
			assert_string_equal(full, cases[i].full);
	}
}

static void bad_references(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {{"", "the kind is missing"},
	    {"demo", "the kind is missing"},
	    {"default/demo", "the kind is missing"},
	    {":demo", "the kind is missing"},
	    {"component:", "the name is missing"},
	    {"component:default/", "the name is missing"},
	    {"component:/demo", "the namespace is empty"},
	    {"com ponent:demo", "a kind is letters"},
	    {"1x:demo", "a kind is letters"},
	    {"component:a/b/c", "a name is letters"},
	    {"component:a:b", "a name is letters"},
	    {"component:-a", "a name is letters"},
	    {"component:a.", "a name is letters"},
	    {"component:../x", "a name is letters"},
	    {"component:a%2fb", "a name is letters"},
	    {"component:a\r\nb", "a name is letters"},
	    {"component:0123456789012345678901234567890123456789012345678901234"
	     "567890123",
		"a name is letters"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct entity_ref ref = {0};
		struct err err = ERR_INIT;

		if (entity_ref_parse(cases[i].text, &ref, &err) == 0)
			fail_msg("\"%s\" was taken", cases[i].text);
		assert_int_equal(err.kind, ERR_INVALID);
		if (strstr(err.msg, cases[i].why) == NULL)
			fail_msg("\"%s\": %s", cases[i].text, err.msg);
		assert_null(strpbrk(err.msg, "\r\n"));
	}
}

static void references_compare_without_case(void **state)
{
	struct entity_ref a = {
	    (char *)"Component", (char *)"default", (char *)"Demo"};
	struct entity_ref b = {
	    (char *)"component", (char *)"Default", (char *)"demo"};
	struct entity_ref c = {
	    (char *)"component", (char *)"other", (char *)"demo"};

	(void)state;
	assert_true(entity_ref_equal(&a, &b));
	assert_false(entity_ref_equal(&a, &c));
	c = b;
	c.kind = (char *)"api";
	assert_false(entity_ref_equal(&a, &c));
	c = b;
	c.name = (char *)"demo2";
	assert_false(entity_ref_equal(&a, &c));
}

/* -- JSON -------------------------------------------------------------- */

static int from_text(const char *text, struct entity *e, struct err *err)
{
	json_t *o = json_loads(text, 0, NULL);
	int rc;

	assert_non_null(o);
	rc = entity_from_json(o, e, err);
	json_decref(o);
	return rc;
}

static void json_of_a_portal(void **state)
{
	CLEANUP(entity_fini) struct entity e = {0};
	CLEANUP(mem_free) char *ref = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
	    from_text(
		"{\"kind\":\"Component\",\"metadata\":{\"name\":\"Demo-web\","
		"\"namespace\":\"Team\",\"title\":\"Demo\",\"description\":"
		"\"d\",\"uid\":\"1\",\"tags\":[\"a\",7,\"b\"],\"links\":"
		"[{\"url\":\"https://x\"}],\"annotations\":{"
		"\"runner.backstage.io/enabled\":\"true\","
		"\"runner.backstage.io/config-path\":\"ci/run.yml\","
		"\"backstage.io/source-location\":\"url:https://g/o/r/\","
		"\"backstage.io/managed-by-location\":\"url:https://g/o/r/x\"}"
		"},\"spec\":{\"owner\":\"team-a\",\"system\":\"s\","
		"\"lifecycle\":\"production\",\"type\":\"service\"}}",
		&e, &err),
	    0);
	ref = entity_component_ref(&e);
	assert_string_equal(ref, "Component:Team/Demo-web");
	assert_string_equal(e.title, "Demo");
	assert_string_equal(e.description, "d");
	assert_string_equal(e.owner, "team-a");
	assert_string_equal(e.system, "s");
	assert_string_equal(e.lifecycle, "production");
	assert_string_equal(e.type, "service");
	assert_string_equal(e.tags[0], "a");
	assert_string_equal(e.tags[1], "b");
	assert_null(e.tags[2]);
	assert_true(e.enabled);
	assert_string_equal(e.config_path, "ci/run.yml");
	assert_string_equal(e.source_location, "url:https://g/o/r/");
	assert_string_equal(e.managed_by, "url:https://g/o/r/x");
	assert_int_equal(json_array_size(e.links), 1);
}

static void json_with_little_in_it(void **state)
{
	static const char *const not_enabled[] = {"true", "\"True\"",
	    "\"false\"", "\"yes\"", "\" true\"", "null", "1"};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(not_enabled); i++) {
		CLEANUP(entity_fini) struct entity e = {0};
		struct err err = ERR_INIT;

		snprintf(text, sizeof(text),
		    "{\"kind\":\"Component\",\"metadata\":{\"name\":\"x\","
		    "\"title\":3,\"links\":{},\"annotations\":{"
		    "\"runner.backstage.io/enabled\":%s}},\"spec\":[]}",
		    not_enabled[i]);
		assert_int_equal(from_text(text, &e, &err), 0);
		assert_false(e.enabled);
		assert_string_equal(e.ref.namespace, "default");
		assert_string_equal(e.config_path, ".runner/config.yml");
		assert_null(e.title);
		assert_null(e.owner);
		assert_null(e.source_location);
		assert_null(e.links);
		assert_null(e.tags[0]);
	}
}

static void json_that_is_no_entity(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {{"[]", "no good kind"}, {"{}", "no good kind"},
	    {"{\"kind\":3}", "no good kind"},
	    {"{\"kind\":\"A b\"}", "no good kind"},
	    {"{\"kind\":\"A\"}", "no good metadata.name"},
	    {"{\"kind\":\"A\",\"metadata\":{\"name\":\"../x\"}}",
		"no good metadata.name"},
	    {"{\"kind\":\"A\",\"metadata\":{\"name\":\"x\",\"namespace\":\"/"
	     "\"}}",
		"no good metadata.namespace"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct entity e = {0};
		struct err err = ERR_INIT;

		assert_int_equal(from_text(cases[i].text, &e, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		if (strstr(err.msg, cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].text, err.msg);
	}
}

/* -- YAML -------------------------------------------------------------- */

struct result {
	struct entity *v;
	size_t n;
	struct buf problems; /* "line:column[ warning]: text" lines */
	int rc;
	struct err err;
};

static void result_fini(struct result *r)
{
	if (r->rc == 0)
		entities_free(r->v, r->n);
	buf_fini(&r->problems);
}

static void result_fini_guard(struct result *r)
{
	result_fini(r);
}

static void read_yaml(
    const char *text, size_t len, const char *location, struct result *r)
{
	CLEANUP(problems_fini) struct problems p = {0};

	*r = (struct result){.problems = {.max = 1 << 20}, .err = ERR_INIT};
	r->rc = entities_from_yaml(text, len, "catalog-info.yaml", location,
	    &r->v, &r->n, &p, &r->err);
	for (size_t i = 0; i < p.n; i++)
		assert_int_equal(
		    buf_printf(&r->problems, "%d:%d%s: %s\n", p.v[i].line,
			p.v[i].column, p.v[i].warning ? " warning" : "",
			p.v[i].text),
		    0);
}

#define SPEC "spec: {type: service, lifecycle: production, owner: team-a}\n"
#define HEAD "apiVersion: backstage.io/v1alpha1\nkind: Component\n"

static void documents_of_a_file(void **state)
{
	static const char text[] =
	    "\xef\xbb\xbf# ours\r\n"
	    "%YAML 1.1\r\n"
	    "---\r\n" HEAD "metadata:\n  name: one\n  tags: [a, yes]\n"
	    "  description: |\n    a\n     --- b\n"
	    "  links:\n    - {url: https://x, n: 3, f: 1.5, t: true, z: ~}\n"
	    "  annotations:\n    runner.backstage.io/enabled: 'true'\n" SPEC
	    "---\n"
	    "# nothing\n"
	    "--- # the second\n"
	    "kind: System\napiVersion: v1\nmetadata: {name: two}\n"
	    "---";
	CLEANUP(result_fini) struct result r;
	CLEANUP(mem_free) char *links = NULL;

	(void)state;
	read_yaml(
	    text, sizeof(text) - 1, "url:https://g/o/r/blob/main/c.yaml", &r);
	assert_string_equal(buf_str(&r.problems), "");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.v[0].ref.name, "one");
	assert_true(r.v[0].enabled);
	assert_string_equal(r.v[0].tags[1], "yes");
	assert_string_equal(r.v[0].description, "a\n --- b\n");
	assert_string_equal(r.v[0].owner, "team-a");
	assert_string_equal(
	    r.v[0].source_location, "url:https://g/o/r/blob/main/c.yaml");
	assert_string_equal(
	    r.v[0].managed_by, "url:https://g/o/r/blob/main/c.yaml");
	links = json_dumps(r.v[0].links, JSON_COMPACT);
	assert_string_equal(links,
	    "[{\"url\":\"https://x\",\"n\":3,\"f\":1.5,\"t\":true,\"z\":null}"
	    "]");
	assert_string_equal(r.v[1].ref.kind, "System");
	assert_false(r.v[1].enabled);
}

/* A broken document in the middle, and one that is no entity. */
static void the_others_are_read(void **state)
{
	static const char text[] = HEAD
	    "metadata: {name: one}\n" SPEC "---\n" HEAD "metadata: {name: [}\n"
	    "---\n" HEAD "metadata: {name: a b}\n" SPEC "---\n"
	    "just text\n"
	    "---\n" HEAD "metadata: {name: five}\n" SPEC;
	CLEANUP(result_fini) struct result r;

	(void)state;
	read_yaml(text, sizeof(text) - 1, NULL, &r);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.v[0].ref.name, "one");
	assert_string_equal(r.v[1].ref.name, "five");
	assert_null(r.v[0].source_location);
	assert_non_null(
	    strstr(buf_str(&r.problems), "8:19: did not find expected node"));
	assert_non_null(strstr(buf_str(&r.problems),
	    "12:18: metadata.name: \"a b\" is not accepted"));
	assert_non_null(
	    strstr(buf_str(&r.problems), "15:1: expected an entity"));
}

static void mistakes_have_a_place(void **state)
{
	static const struct {
		const char *text, *problem;
	} cases[] = {
	    {"", "0:0: the file holds no entity"},
	    {"---\n---\n# x\n", "0:0: the file holds no entity"},
	    {"[]", "1:1: expected an entity"},
	    {"a: 1", "1:1: apiVersion is required"},
	    {"a: 1", "1:1: kind is required"},
	    {"a: 1", "1:1: metadata is required"},
	    {"kind: 3", "1:7: kind: \"3\" is not accepted"},
	    {"kind: [a]", "1:7: kind: expected a text, found a list"},
	    {"metadata: x", "1:11: metadata is required"},
	    {"metadata: {}", "1:11: metadata.name is required"},
	    {"metadata: {name: ''}", "metadata.name: \"\" is not accepted"},
	    {"metadata: {name: x, namespace: a/b}",
		"1:32: metadata.namespace: \"a/b\" is not accepted"},
	    {"metadata: {name: x, title: 3}",
		"1:28: metadata.title: \"3\" is no text: put it in quotes"},
	    {"metadata: {name: x, description: {a: b}}",
		"metadata.description: expected a text, found a map"},
	    {"metadata: {name: x, tags: a}", "metadata.tags: expected a list"},
	    {"metadata: {name: x, tags: [1]}", "metadata.tags: \"1\" is no"},
	    {"metadata: {name: x, links: a}", "metadata.links: expected"},
	    {"metadata: {name: x, annotations: []}",
		"metadata.annotations: expected a map"},
	    {"metadata:\n  annotations:\n    runner.backstage.io/enabled: true",
		"3:34: metadata.annotations.runner.backstage.io/enabled: "
		"\"true\" is no text: put it in quotes"},
	    {"metadata:\n  annotations:\n    runner.backstage.io/config-path: "
	     "a/../../b",
		"expected a path within the repository"},
	    {"metadata:\n  annotations:\n    runner.backstage.io/config-path: "
	     "/etc/passwd",
		"expected a path within the repository"},
	    {"spec: []", "1:7: spec: expected a map"},
	    {"spec: {owner: 3}", "1:15: spec.owner: \"3\" is no text"},
	    {HEAD "metadata: {name: x}\n",
		"1:1 warning: spec.owner is missing: a portal's catalog"},
	    {HEAD "metadata: {name: x}\nspec: {type: a, owner: b}\n",
		"4:7 warning: spec.lifecycle is missing"},
	    {"a: &x 1", "1:4: anchors and aliases are not accepted"},
	    {"kind: a\nkind: b", "2:1: this key stands here a second time"},
	    {"kind: a\n...\nkind: b\n",
		"3:1: did not find expected <document start>"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(result_fini) struct result r;

		read_yaml(cases[i].text, strlen(cases[i].text), NULL, &r);
		if (strstr(buf_str(&r.problems), cases[i].problem) == NULL)
			fail_msg("%s\nexpected %s\ngot %s", cases[i].text,
			    cases[i].problem, buf_str(&r.problems));
		if (r.rc < 0) {
			assert_string_equal(r.err.code, "bad_entity");
			assert_int_equal(
			    strncmp(r.err.msg, "catalog-info.yaml", 17), 0);
		}
	}
}

static void relative_sources(void **state)
{
	static const struct {
		const char *annotation, *location, *source;
	} cases[] = {
	    {"dir:.", "file:/srv/app/catalog-info.yaml", "file:/srv/app/."},
	    {"dir:./web", "file:/srv/app/c.yaml", "file:/srv/app/./web"},
	    {"file:web", "file:/srv/app/c.yaml", "file:/srv/app/web"},
	    {"file:/else", "file:/srv/app/c.yaml", "file:/else"},
	    {"url:https://g/o/r", "file:/srv/c.yaml", "url:https://g/o/r"},
	    {"dir:.", "url:https://g/o/r/c.yaml", "dir:."},
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(result_fini) struct result r;

		snprintf(text, sizeof(text),
		    HEAD "metadata: {name: x, annotations: "
			 "{backstage.io/source-location: '%s'}}\n" SPEC,
		    cases[i].annotation);
		read_yaml(text, strlen(text), cases[i].location, &r);
		assert_int_equal(r.rc, 0);
		assert_string_equal(r.v[0].source_location, cases[i].source);
		assert_string_equal(r.v[0].managed_by, cases[i].location);
	}
}

static void documents_are_bounded(void **state)
{
	CLEANUP(buf_fini) struct buf text = {.max = 4 << 20};
	CLEANUP(result_fini) struct result many;
	CLEANUP(result_fini) struct result big;

	(void)state;
	for (int i = 0; i <= ENTITIES_MAX; i++)
		assert_int_equal(buf_printf(&text,
				     "---\nkind: A\napiVersion: b\n"
				     "metadata: {name: e%d}\n",
				     i),
		    0);
	read_yaml(buf_str(&text), text.len, NULL, &many);
	assert_int_equal(many.rc, 0);
	assert_int_equal(many.n, ENTITIES_MAX);
	assert_string_equal(many.v[999].ref.name, "e999");
	assert_string_equal(
	    buf_str(&many.problems), "4001:1: more than 1000 documents\n");
	while (text.len <= ENTITIES_BYTES_MAX)
		assert_int_equal(buf_append_str(&text, "# comment\n"), 0);
	read_yaml(buf_str(&text), text.len, NULL, &big);
	assert_int_equal(big.rc, -1);
	assert_string_equal(
	    buf_str(&big.problems), "0:0: the file is larger than 1024 KiB\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(references),
	    cmocka_unit_test(bad_references),
	    cmocka_unit_test(owners_are_references_in_full),
	    cmocka_unit_test(references_compare_without_case),
	    cmocka_unit_test(json_of_a_portal),
	    cmocka_unit_test(json_with_little_in_it),
	    cmocka_unit_test(json_that_is_no_entity),
	    cmocka_unit_test(documents_of_a_file),
	    cmocka_unit_test(the_others_are_read),
	    cmocka_unit_test(mistakes_have_a_place),
	    cmocka_unit_test(relative_sources),
	    cmocka_unit_test(documents_are_bounded)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
