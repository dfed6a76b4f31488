/*
 * app-config.yaml, the configuration of a developer portal, as far as the hub
 * has a use for it: who may be asked for sources, and where catalogs stand.
 * Everything else in it is passed over. Several files as the portal takes
 * them: a later one wins key by key, lists as a whole.
 *
 * Texts may hold ${VAR} and ${VAR:-default} ("$${" is "${"), and a map of one
 * key, $env or $file, stands for a text. Only what is taken is looked at: a
 * variable that is not set elsewhere in the file is none of our business.
 */
#ifndef COMPONENTS_APP_CONFIG_H
#define COMPONENTS_APP_CONFIG_H

#include "components/source.h"

struct app_location {
	bool is_url;
	const char *target; /* a URL, or a path or pattern, absolute */
	const char *where;  /* "app-config.yaml:12" */
};
/* runner.docker: what the portal's own runner gave a component. 0: not said. */
struct app_docker {
	int64_t build_ms, memory_bytes;
	double cpus;
};
struct app_config {
	struct integration *integrations; /* integrations.github */
	size_t nintegrations;
	struct app_location *locations; /* catalog.locations */
	size_t nlocations;
	const char *base_url; /* backend.baseUrl; NULL: none, or not asked */
	struct app_docker docker;
	const char **notes; /* what was met and is not taken; a line each */
	size_t nnotes;
	char **texts; /* all of the above; wiped when freed */
	size_t ntexts;
};
/* files: csv of paths, NULL: an empty configuration. Errors name file and
 * line, and never a value that may be a secret. */
int app_config_read(const char *files, bool with_base_url,
    struct app_config *ret, struct err *err) MUST_CHECK;
void app_config_fini(struct app_config *a);
static inline void app_config_fini_guard(struct app_config *a)
{
	app_config_fini(a);
}

#endif
