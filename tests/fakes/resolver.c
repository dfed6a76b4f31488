/*
 * A resolver that says what a test wants, for LD_PRELOAD: FAKE_HOSTS is a file
 * of lines "name address [address ...]", whose first address is the answer to
 * the first question, the second to the second; the last one stays. "never"
 * for an address: no answer comes. Other names go to the real resolver.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int resolve_fn(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int asked; /* of names in the file; guarded by lock */

/* The n-th address of the line, or its last. */
static int pick(char *line, int n, char *ret, size_t size)
{
	char *save = NULL, *word = strtok_r(line, " \n", &save);
	int found = 0;

	while ((word = strtok_r(NULL, " \n", &save)) != NULL) {
		snprintf(ret, size, "%s", word);
		found = 1;
		if (n-- == 0)
			break;
	}
	return found;
}

static int look_up(const char *node, char *ret, size_t size)
{
	const char *path = getenv("FAKE_HOSTS");
	FILE *file = path != NULL ? fopen(path, "r") : NULL;
	size_t len = strlen(node);
	char line[512];
	int found = 0;

	pthread_mutex_lock(&lock);
	while (file != NULL && !found &&
	       fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, node, len) == 0 && line[len] == ' ')
			found = pick(line, asked++, ret, size);
	pthread_mutex_unlock(&lock);
	if (file != NULL)
		fclose(file);
	return found;
}

int getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
	resolve_fn *real = (resolve_fn *)dlsym(RTLD_NEXT, "getaddrinfo");
	char address[64];

	if (node != NULL && look_up(node, address, sizeof(address)))
		node = address;
	while (node == address && strcmp(address, "never") == 0)
		pause();
	return real(node, service, hints, res);
}
