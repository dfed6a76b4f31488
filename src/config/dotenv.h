/*
 * The `.env` file: NAME=value lines.
 *   - blank lines and lines that begin with # are skipped; "export " before
 *     a name is allowed
 *   - 'single quotes': everything literal; "double quotes": \n \t \" \\ \$
 *     are escapes; both may span lines
 *   - without quotes: blanks around are cut, " #" begins a comment
 *   - nothing is expanded
 */
#ifndef CONFIG_DOTENV_H
#define CONFIG_DOTENV_H

#include <stddef.h>

#include "base/err.h"

#define DOTENV_BYTES_MAX (256 * 1024)

/* file: for messages. cb is called per line in order; -1 stops. No message
 * shows a value: any of them may be a secret. */
int dotenv_parse(const char *file, const char *text, size_t len,
    int (*cb)(void *arg, const char *name, const char *value, int line,
	struct err *err),
    void *arg, struct err *err) MUST_CHECK;

#endif
