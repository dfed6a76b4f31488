/* "kind:namespace/name": see entity.h. Pure. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "components/entity.h"
#include "components/entity_internal.h"

#define NAME_BYTES_MAX 63
#define LETTERS        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS         "0123456789"

bool entity_kind_is_valid(const char *kind)
{
	size_t n = strspn(kind, LETTERS DIGITS);

	return n > 0 && kind[n] == '\0' && n <= NAME_BYTES_MAX &&
	       strchr(DIGITS, kind[0]) == NULL;
}

bool entity_name_is_valid(const char *name)
{
	size_t n = strspn(name, LETTERS DIGITS "-_.");

	return n > 0 && name[n] == '\0' && n <= NAME_BYTES_MAX &&
	       strchr("-_.", name[0]) == NULL &&
	       strchr("-_.", name[n - 1]) == NULL;
}

static int refuse(const char *text, const char *why, struct err *err)
{
	char shown[64];

	return err_set(err, ERR_INVALID, "bad_entity_ref",
	    "entity reference %s: %s; expected kind:namespace/name or "
	    "kind:name, such as component:default/shop",
	    problem_quote(text, shown), why);
}

int entity_ref_parse(const char *text, struct entity_ref *ret, struct err *err)
{
	CLEANUP(mem_free) char *kind = NULL;
	CLEANUP(mem_free) char *namespace = NULL;
	const char *colon = strchr(text, ':'), *slash, *name;

	if (colon == NULL || colon == text)
		return refuse(text, "the kind is missing", err);
	slash = strchr(colon, '/');
	name = slash != NULL ? slash + 1 : colon + 1;
	kind = mem_strndup(text, (size_t)(colon - text));
	namespace = slash != NULL
			? mem_strndup(colon + 1, (size_t)(slash - colon - 1))
			: mem_strdup("default");
	if (*name == '\0')
		return refuse(text, "the name is missing", err);
	if (*namespace == '\0')
		return refuse(text, "the namespace is empty", err);
	if (!entity_kind_is_valid(kind))
		return refuse(
		    text, "a kind is letters and digits, at most 63", err);
	if (!entity_name_is_valid(namespace) || !entity_name_is_valid(name))
		return refuse(text, ENTITY_NAME_RULE, err);
	ret->kind = STEAL(kind);
	ret->namespace = STEAL(namespace);
	ret->name = mem_strdup(name);
	return 0;
}

void entity_ref_fini(struct entity_ref *r)
{
	mem_free(r->kind);
	mem_free(r->namespace);
	mem_free(r->name);
	*r = (struct entity_ref){0};
}

bool entity_ref_equal(const struct entity_ref *a, const struct entity_ref *b)
{
	return strcasecmp(a->kind, b->kind) == 0 &&
	       strcasecmp(a->namespace, b->namespace) == 0 &&
	       strcasecmp(a->name, b->name) == 0;
}

/* What its owner leaves out is a group, and of the entity's namespace. */
static char *owner_in_full(const struct entity *e)
{
	const char *colon = strchr(e->owner, ':');
	const char *name = colon != NULL ? colon + 1 : e->owner;
	CLEANUP(mem_free)
	char *kind = colon != NULL
			 ? mem_strndup(e->owner, (size_t)(colon - e->owner))
			 : mem_strdup("group");

	if (strchr(name, '/') != NULL)
		return mem_printf("%s:%s", kind, name);
	return mem_printf("%s:%s/%s", kind, e->ref.namespace, name);
}

char *entity_owner_ref(const struct entity *e)
{
	CLEANUP(mem_free) char *full = NULL;
	struct entity_ref ref = {0};
	struct err no_reference = ERR_INIT;

	if (e->owner == NULL)
		return NULL;
	full = owner_in_full(e);
	if (entity_ref_parse(full, &ref, &no_reference) < 0)
		return NULL;
	entity_ref_fini(&ref);
	for (char *c = full; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return STEAL(full);
}
