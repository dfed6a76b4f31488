/* Any text as the address of a source: it is refused in words, or what comes
 * out of it can leave neither the repository nor the hosts. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "components/locate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_dots(const char *path)
{
	for (const char *at = path; at != NULL; at = strchr(at, '/')) {
		at += *at == '/';
		if (strcmp(at, "..") == 0 || strncmp(at, "../", 3) == 0)
			return true;
	}
	return false;
}

static void check_name(const char *name)
{
	ASSERT(*name != '\0' && strcmp(name, "..") != 0);
	ASSERT(strpbrk(name, "/\\%?#@: ") == NULL);
}

static void check(const struct location *l)
{
	if (l->kind == LOCATION_DIRECTORY) {
		ASSERT(l->directory[0] == '/' && l->directory[1] != '\0');
		ASSERT(!has_dots(l->directory) && l->host == NULL);
		return;
	}
	ASSERT(strcmp(l->host, "github.com") == 0 ||
	       strcmp(l->host, "ghe.example:8443") == 0);
	check_name(l->owner);
	check_name(l->repo);
	ASSERT(l->ref == NULL || l->ref_and_path == NULL);
	ASSERT(l->ref == NULL || (l->ref[0] != '-' && !has_dots(l->ref)));
	ASSERT(l->ref_and_path == NULL ||
	       (l->ref_and_path[0] != '/' && !has_dots(l->ref_and_path)));
	ASSERT(!l->is_file || l->ref_and_path != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const hosts[] = {
	    "github.com", "GHE.example:8443", NULL};
	char *text = mem_strndup(size > 0 ? (const char *)data : "", size);
	struct location l = {0};
	struct err err = ERR_INIT;

	if (location_parse(text, hosts, &l, &err) == 0) {
		check(&l);
		location_fini(&l);
	} else {
		ASSERT(strcmp(err.code, "INVALID_SOURCE_LOCATION") == 0);
		ASSERT(utf8_valid(err.msg, strlen(err.msg)));
		ASSERT(strpbrk(err.msg, "\r\n\033") == NULL);
	}
	mem_free(text);
	return 0;
}
