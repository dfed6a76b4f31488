/*
 * A step in a container of its own, for the files that run one:
 *   carry_side.c   its life: thread, container, signals, end
 *   side_image.c   the image, pulled or built
 *   side_output.c  what it says, into the log exactly once
 */
#ifndef JOBS_SIDE_H
#define JOBS_SIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/mask.h"
#include "jobs/container_output.h"
#include "jobs/place.h"

/* Labels of the container: which step, and how many bytes of the log's were
 * said before it ran (by pull or build). */
#define SIDE_STEP     "runnerhub.step"
#define SIDE_PREAMBLE "runnerhub.preamble"
#define SIDE_TAG_LEN  96

struct side {
	struct carry *carry;
	struct sandbox *sandbox; /* to wake */
	int step;
	json_t *object; /* the wish, secret; NULL: resumed */
	struct container_wish wish;
	struct place place;
	struct mask_set *masks;
	struct container_output output;
	uint64_t preamble;      /* bytes said before the container */
	char id[ENGINE_ID_LEN]; /* "": none was made */
	char tag[SIDE_TAG_LEN]; /* of an image that was built, or "" */
	bool resumed;

	struct ctx ctx;
	struct cancel cancel;
	pthread_t thread;
	atomic_bool over, leave, killed; /* killed: by a SIGKILL of ours */
	struct mtx mtx;
	bool running;  /* guarded by mtx, like all below */
	int signo;     /* came before it ran; 0: none */
	char why[512]; /* it is cut short; "": nobody has said */
};

/* -- side_image.c ------------------------------------------------------ */
/* The image's name is in *ret: the wish's own, or s->tag. */
int side_image(struct side *s, const char **ret, struct err *err) MUST_CHECK;

/* -- side_output.c ----------------------------------------------------- */
/* Masks of the job, what the log has of this step. */
int side_output_open(struct side *s, struct err *err) MUST_CHECK;
void side_output_close(struct side *s);
/* A piece of ours before the container runs; unmasked, on stdout. */
int side_say(struct side *s, const char *text, size_t len, struct err *err);
/* Hands over what the container says, from its first byte on, until it has
 * ended; begins again when the engine was away. */
int side_follow(struct side *s, struct err *err) MUST_CHECK;
/* A record of the hub's own; waits out a full disk. */
int side_append(
    struct side *s, const struct spool_record *rec, struct err *err) MUST_CHECK;

#endif
