/*
 * The hook client and the relay are linked statically, to run on any machine
 * and in any image, and so cannot load OpenSSL. Where they are to speak TLS,
 * their like that can takes their place. Called first in main.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"

/* This program's own directory; the relay is a copy that is elsewhere. */
static void own_directory(char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
	char *slash;

	out[n > 0 ? n : 0] = '\0';
	slash = strrchr(out, '/');
	if (slash != NULL)
		*slash = '\0';
}

void client_become_tls(const char *name, char **argv)
{
	const char *url = getenv("RUNNERHUB_URL");
	char own[PATH_MAX], path[PATH_MAX];
	const char *const places[] = {
	    own, "/opt/runnerhub/bin", "/usr/local/bin", "/usr/bin"};
	int n;

	if (tls_is_built_in() || url == NULL ||
	    strncmp(url, "https://", strlen("https://")) != 0)
		return;
	own_directory(own);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		n = snprintf(path, sizeof(path), "%s/%s-tls", places[i], name);
		if (n > 0 && (size_t)n < sizeof(path))
			execv(path, argv); /* returns when it is not there */
	}
}
