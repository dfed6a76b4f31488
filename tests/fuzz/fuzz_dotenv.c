/* Any bytes as a `.env` file: names have their form, lines go up. */
#include <stdint.h>
#include <string.h>

#include "config/dotenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	int line;
	size_t bytes;
};

static int on_pair(
    void *arg, const char *name, const char *value, int line, struct err *err)
{
	struct seen *seen = arg;

	(void)err;
	ASSERT(line > seen->line);
	ASSERT(name[0] != '\0' && (name[0] < '0' || name[0] > '9'));
	ASSERT(strpbrk(name, " \t\r\n=#'\"") == NULL);
	seen->line = line;
	seen->bytes += strlen(name) + strlen(value);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = {0};
	struct err err = ERR_INIT;

	if (dotenv_parse(".env", size > 0 ? (const char *)data : "", size,
		on_pair, &seen, &err) < 0)
		ASSERT(strncmp(err.msg, ".env", 4) == 0);
	ASSERT(seen.bytes <= size);
	return 0;
}
