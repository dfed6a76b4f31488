/*
 * The files through which a step speaks to later ones: GITHUB_ENV,
 * GITHUB_OUTPUT (NAME=VALUE lines, or NAME<<DELIMITER, lines, DELIMITER) and
 * GITHUB_PATH (a directory per line). Pure parsing.
 */
#ifndef AGENT_FILECMD_H
#define AGENT_FILECMD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/defs.h"

struct filecmd_sink {
	void *arg;
	/* Borrowed, no NUL inside. line: where the setting starts. */
	void (*pair)(void *arg, unsigned line, const char *key, size_t key_len,
	    const char *value, size_t value_len);
	void (*bad)(void *arg, unsigned line, const char *why);
};

/* Bad lines are reported and passed over; an unfinished heredoc ends it. */
void filecmd_parse_pairs(
    const char *text, size_t len, const struct filecmd_sink *sink);
/* Each directory as a pair with the key "". */
void filecmd_parse_paths(
    const char *text, size_t len, const struct filecmd_sink *sink);
/* NODE_OPTIONS, GITHUB_* and RUNNER_* may not be set through GITHUB_ENV. */
bool filecmd_env_is_reserved(const char *key, size_t len);

#endif
