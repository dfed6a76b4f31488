/*
 * The directories of a job inside the container, and the small files that
 * the agent puts there for a step and reads back. All file access happens
 * with the user's identity, never through a symbolic link.
 */
#ifndef AGENT_WORKPLACE_H
#define AGENT_WORKPLACE_H

#include "agent/account.h"
#include "base/buf.h"
#include "base/err.h"

#define WORKPLACE_HOME     "/github/home"
#define WORKPLACE_TEMP     "/github/temp"
#define WORKPLACE_COMMANDS "/github/file_commands"

struct workplace {
	struct account who;
	char *workspace;
	const char *home;   /* of who, or WORKPLACE_HOME */
	int temp, commands; /* directories */
};

/* Resolves the user and makes the directories, owned by that user. */
int workplace_prepare(struct workplace *ret, const char *user,
    const char *workspace, struct err *err) MUST_CHECK;

/* A fresh file of the user, mode 0700; what had the name is replaced. */
int workplace_write(const struct workplace *w, int dir, const char *name,
    const void *data, size_t len, struct err *err) MUST_CHECK;
/* 1: read, 0: gone, -1: not a regular file, or longer than out's maximum. */
int workplace_read(const struct workplace *w, int dir, const char *name,
    struct buf *out, struct err *err) MUST_CHECK;
void workplace_remove(const struct workplace *w, int dir, const char *name);

#endif
