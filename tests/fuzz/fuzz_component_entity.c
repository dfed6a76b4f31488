/* Any bytes as catalog-info.yaml, as an entity's JSON and as a reference. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "components/entity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct entity *e)
{
	CLEANUP(mem_free) char *text = entity_component_ref(e);
	struct entity_ref ref = {0};
	struct err err = ERR_INIT;

	/* what an entity is called can be asked for */
	ASSERT(entity_ref_parse(text, &ref, &err) == 0);
	ASSERT(entity_ref_equal(&ref, &e->ref));
	ASSERT(e->config_path != NULL && e->tags != NULL);
	entity_ref_fini(&ref);
}

static void as_yaml(const char *text, size_t size)
{
	CLEANUP(problems_fini) struct problems problems = {0};
	struct entity *v = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;

	if (entities_from_yaml(text, size, "fuzz.yml", "file:/srv/x.yml", &v,
		&n, &problems, &err) < 0) {
		ASSERT(problems.errors > 0 && err.msg[0] != '\0');
		return;
	}
	ASSERT(n > 0 && n <= ENTITIES_MAX);
	for (size_t i = 0; i < n; i++) {
		check(&v[i]);
		ASSERT(v[i].source_location != NULL);
	}
	entities_free(v, n);
}

static void as_json(const char *text, size_t size)
{
	json_t *o = json_loadb(text, size, 0, NULL);
	struct entity e = {0};
	struct err err = ERR_INIT;

	if (o != NULL && entity_from_json(o, &e, &err) == 0) {
		check(&e);
		entity_fini(&e);
	}
	json_decref(o);
}

static void as_ref(const char *text, size_t size)
{
	char *copy = mem_strndup(text, size);
	struct entity_ref ref = {0};
	struct err err = ERR_INIT;

	if (entity_ref_parse(copy, &ref, &err) == 0) {
		ASSERT(strpbrk(ref.name, "/:%") == NULL);
		entity_ref_fini(&ref);
	} else {
		ASSERT(strpbrk(err.msg, "\r\n\033") == NULL);
	}
	mem_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size > 0 ? (const char *)data : "";

	as_yaml(text, size);
	as_json(text, size);
	as_ref(text, size);
	return 0;
}
