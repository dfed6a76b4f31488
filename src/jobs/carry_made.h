/*
 * A session in the making, for carry_make.c (makes it), carry_made.c (waits
 * until it is well, writes down what it is) and carry_unmake.c.
 */
#ifndef JOBS_CARRY_MADE_H
#define JOBS_CARRY_MADE_H

#include "jobs/place.h"

struct made_service {
	struct container_wish wish;
	char kind[24]; /* "svc0" */
	char *alias;   /* by its image */
	char id[ENGINE_ID_LEN];
	json_t *document; /* the engine's, once it is well */
};

struct making {
	struct carry *carry;
	struct place place;
	bool has_network;
	json_t *wish;       /* as sealed; borrowed by the wishes below */
	json_t *registries; /* credentials, or NULL */
	struct container_wish container;
	json_t *document; /* of the session's container, once it is well */
	struct made_service *services;
	size_t nservices;
	char *externals; /* nested: volume of the image's own programs */
};

/* -- carry_made.c ------------------------------------------------------ */
/* Until the container runs and every health check says well; the logs of one
 * that is not go into the job's. */
int made_await_health(struct making *m, struct err *err) MUST_CHECK;
/* Puts what was made into the store as the job's "session". */
int made_store(struct making *m, struct err *err) MUST_CHECK;

/* -- carry_unmake.c ---------------------------------------------------- */
/* Everything that bears the session's label but its sandbox, which is its
 * owner's: containers, images, network, volumes. Goes on after a failure and
 * returns the first. */
int session_remove(struct hub *h, const struct ctx *ctx, job_id id,
    struct err *err) MUST_CHECK;

#endif
