/*
 * What a step is given to read: its standard input, or the first of its two
 * pipes. Bytes wait here, WIRE_INPUT_MAX at most, until the step takes them.
 * They may be secrets: what has been written is wiped.
 */
#ifndef AGENT_INPUT_H
#define AGENT_INPUT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/account.h"
#include "agent/outbox.h"
#include "agent/wire.h"
#include "base/buf.h"
#include "base/err.h"

#define INPUT_FDS 2

struct input {
	int pipe; /* the end that we write; -1: none, or closed */
	int sink; /* the end that we read of the step's other pipe; -1: none */
	bool takes;      /* the step was started with input */
	bool ended;      /* END has come: nothing follows */
	uint64_t got;    /* offset behind all that has come */
	uint64_t taken;  /* behind what went into the pipe, or was dropped */
	uint64_t told;   /* the last WIRE_TAKEN */
	struct buf held; /* [taken, got) at its end */
};

/* The step's ends, to be closed once it was started. */
struct input_ends {
	int reads, writes; /* -1: none */
};

/* Makes what `flags` (enum wire_run_flag) ask for, to be who's. Without them:
 * nothing. */
int input_open(struct input *in, uint32_t flags, const struct account *who,
    struct input_ends *ret, struct err *err) MUST_CHECK;
/* Wipes, closes. The step reads an end of file, and writes in vain. */
void input_close(struct input *in);
void input_ends_close(struct input_ends *e);

/* WIRE_INPUT behind its sequence number. -1: malformed. */
int input_take(struct input *in, struct wire_reader *body) MUST_CHECK;
/* Tells the hub when all is taken, or much. */
void input_tell(struct input *in, struct outbox *outbox, uint16_t step);

void input_prepare(const struct input *in, struct pollfd fds[INPUT_FDS]);
void input_service(struct input *in, const struct pollfd fds[INPUT_FDS]);

static inline void input_ends_close_guard(struct input_ends *e)
{
	input_ends_close(e);
}

#endif
