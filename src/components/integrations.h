/*
 * The GitHubs that sources and catalogs are read from: those of app-config's
 * integrations.github, and those that are there without any configuration.
 */
#ifndef COMPONENTS_INTEGRATIONS_H
#define COMPONENTS_INTEGRATIONS_H

#include "components/app_config.h"
#include "config/config.h"

/*
 * An entry for a host says everything about that host, a missing token
 * included. A host without one: that of github.url is asked with the hub's
 * GITHUB_TOKEN, and github.com without a token.
 */
int integrations_open(struct sources **ret, const struct options *o,
    const struct app_config *app, struct err *err) MUST_CHECK;

#endif
