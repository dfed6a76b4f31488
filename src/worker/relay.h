/*
 * One job on its way: what the threads of a relay share.
 *
 *   main      relay.c     first frame, session, worker, output, end
 *   listener  listener.c  later frames, signals, the listener's own death
 *   beat      beat.c      renews the lease
 */
#ifndef WORKER_RELAY_H
#define WORKER_RELAY_H

#include "base/thread.h"
#include "client/session.h"
#include "worker/frames.h"
#include "worker/settings.h"

enum relay_state {
	RELAY_OPENING, /* no container yet */
	RELAY_FEEDING, /* the message is on its way to the worker */
	RELAY_RUNNING, /* the worker has it, and gets what else comes */
};

struct relay {
	const struct settings *settings;
	struct client *client;
	int fd_in;     /* from the listener */
	int fd_signal; /* signalfd of those that end a relay */
	int fd_parent; /* pidfd of the listener, -1: this kernel has none */
	pid_t parent;
	struct frame_reader reader; /* the main thread's, then listener.c's */
	bool fd_in_open;

	struct cancel end; /* nothing more to do: threads return */
	int fd_wake;       /* eventfd: the state changed */
	struct mtx mtx;
	enum relay_state state;  /* guarded by mtx */
	struct session *session; /* main's while OPENING, then it stays */
	char why[480]; /* guarded by mtx: why it was given up, "": it was not */
	int step;      /* set before RUNNING, as offset */
	uint64_t offset; /* of input, listener.c's once RUNNING */
};

/* Gives everything up; the first reason stays. Any thread. */
void relay_give_up(struct relay *r, const char *fmt, ...) PRINTF(2, 3);
enum relay_state relay_state(struct relay *r);

/* Has the listener died? */
bool relay_is_orphan(const struct relay *r);

void *listener_main(void *relay);
void *beat_main(void *relay);

/*
 * The whole life of a relay. Returns what the process is to end with: 100 to
 * 105 only when the worker ended so. Says on stderr what went wrong.
 */
int relay_run(const struct settings *s, int fd_in);

#endif
