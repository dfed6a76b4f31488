/* Any bytes as GITHUB_ENV, GITHUB_OUTPUT and GITHUB_PATH, and as the
 * container's /etc/passwd and /etc/group. */
#include <stdint.h>
#include <string.h>

#include "agent/account.h"
#include "agent/filecmd.h"
#include "base/defs.h"
#include "base/mem.h"

#define SIZE_MAX_TRIED 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	const char *start, *end;
	unsigned line;
};

static void on_line(struct seen *seen, unsigned line)
{
	ASSERT(line > seen->line);
	seen->line = line;
}

static void on_pair(void *arg, unsigned line, const char *key, size_t key_len,
    const char *value, size_t value_len)
{
	struct seen *seen = arg;

	on_line(seen, line);
	ASSERT(key_len == 0 || memchr(key, '\0', key_len) == NULL);
	ASSERT(key_len == 0 || memchr(key, '=', key_len) == NULL);
	ASSERT(value >= seen->start && value + value_len <= seen->end);
	(void)filecmd_env_is_reserved(key, key_len);
}

static void on_bad(void *arg, unsigned line, const char *why)
{
	on_line(arg, line);
	ASSERT(why[0] != '\0');
}

static void parse(const char *text, size_t size,
    void (*fn)(const char *, size_t, const struct filecmd_sink *))
{
	struct seen seen = {text, text + size, 0};
	struct filecmd_sink sink = {&seen, on_pair, on_bad};

	fn(text, size, &sink);
}

static void resolve(const char *text)
{
	static const char *const users[] = {"", "app", "1000", "app:video"};
	struct account a;

	for (size_t i = 0; i < ARRAY_LEN(users); i++) {
		struct err err = ERR_INIT;

		if (account_resolve(users[i], text, text, &a, &err) < 0)
			ASSERT(err.kind == ERR_NOT_FOUND);
		else
			ASSERT(a.group_count >= 1 &&
			       a.group_count <= ACCOUNT_GROUPS_MAX &&
			       strlen(a.home) < ACCOUNT_HOME_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size > SIZE_MAX_TRIED)
		return 0;
	/* A copy of just this size: reading past it is noticed. */
	text = mem_strndup((const char *)data, size);
	parse(text, size, filecmd_parse_pairs);
	parse(text, size, filecmd_parse_paths);
	resolve(text);
	mem_free(text);
	return 0;
}
