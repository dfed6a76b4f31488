/* Any bytes as a Dockerfile: whatever it says, it is read to its end, and each
 * image that is asked for has a name within bounds. */
#include <stdint.h>
#include <string.h>

#include "components/dockerfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int ask(void *arg, const char *ref, struct err *err)
{
	(void)arg;
	ASSERT(ref[0] != '\0' && strlen(ref) <= 1024);
	if (strstr(ref, "refuse") == NULL)
		return 0;
	return err_set(err, ERR_INVALID, NULL, "refused");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct descriptor_pair args[] = {
	    {(char *)(uintptr_t) "A", (char *)(uintptr_t) "given"}};
	struct dockerfile_rules rules = {
	    .args = args, .nargs = 1, .image = ask};
	struct err err = ERR_INIT;

	if (size > DOCKERFILE_BYTES_MAX)
		return 0;
	for (int i = 0; i < 2; i++) {
		rules.buildkit = i == 1;
		err_clear(&err);
		if (dockerfile_check((const char *)data, size, "Dockerfile",
			&rules, &err) < 0)
			ASSERT(strncmp(err.msg, "Dockerfile:", 11) == 0);
	}
	return 0;
}
