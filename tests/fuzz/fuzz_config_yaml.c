/*
 * Any bytes as a configuration file and as a YAML tree: it loads, or says in
 * one line why not; nothing leaks and the bounds hold. Values that name
 * files are left out by the callers below: a fuzzer must not read them.
 */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "config/config_internal.h"
#include "config/yaml_doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const struct yaml_item *item, int depth)
{
	size_t n = 0;

	ASSERT(depth <= YAML_DOC_DEPTH_MAX + 1);
	for (; item != NULL; item = item->next) {
		ASSERT(item->line >= 1);
		ASSERT((item->kind == YAML_SCALAR) == (item->text != NULL));
		n += 1 + count(item->first, depth + 1);
	}
	return n;
}

static void parse_tree(const char *text, size_t size)
{
	CLEANUP(yaml_doc_free) struct yaml_doc *doc = NULL;
	struct err err = ERR_INIT;

	if (yaml_doc_parse(&doc, "fuzz.yml", text, size, &err) < 0) {
		ASSERT(strncmp(err.msg, "fuzz.yml", 8) == 0);
		return;
	}
	ASSERT(count(yaml_doc_root(doc), 0) <= YAML_DOC_NODES_MAX);
}

static void load(const char *text, size_t size)
{
	struct config *c = mem_zalloc(sizeof(*c));
	struct err err = ERR_INIT;
	bool has_secret;

	c->slots = mem_calloc(option_count, sizeof(*c->slots));
	if (config_load_yaml(c, "fuzz.yml", text, size, &has_secret, &err) < 0)
		ASSERT(err.msg[0] != '\0' && strchr(err.msg, '\n') == NULL);
	config_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	if (size == 0)
		text = "";
	parse_tree(text, size);
	if (size == 0 || memmem(text, size, "File", 4) == NULL)
		load(text, size);
	return 0;
}
