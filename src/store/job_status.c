/*
 * The job's states: names, and which may follow which. Pure; any thread.
 * Also the destructors of the plain structs of jobs.h.
 */
#include <string.h>

#include "base/mem.h"
#include "store/jobs.h"

/* The names are stored: never rename. */
static const char *const names[JOB_STATUS_COUNT] = {
    [JOB_PENDING] = "pending",
    [JOB_QUEUED] = "queued",
    [JOB_ASSIGNED] = "assigned",
    [JOB_RUNNING] = "running",
    [JOB_COMPLETED] = "completed",
    [JOB_FAILED] = "failed",
    [JOB_CANCELLED] = "cancelled",
};

#define BIT(s) (1u << (s))
static const unsigned followers[JOB_STATUS_COUNT] = {
    [JOB_PENDING] = BIT(JOB_QUEUED) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED),
    [JOB_QUEUED] = BIT(JOB_ASSIGNED) | BIT(JOB_PENDING) | BIT(JOB_FAILED) |
		   BIT(JOB_CANCELLED),
    [JOB_ASSIGNED] = BIT(JOB_RUNNING) | BIT(JOB_PENDING) | BIT(JOB_FAILED) |
		     BIT(JOB_CANCELLED),
    [JOB_RUNNING] = BIT(JOB_COMPLETED) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED),
};

static bool is_status(enum job_status s)
{
	return s >= JOB_PENDING && s < JOB_STATUS_COUNT;
}

const char *job_status_name(enum job_status s)
{
	ASSERT(is_status(s));
	return names[s];
}

int job_status_parse(const char *name, enum job_status *ret)
{
	for (int i = JOB_PENDING; i < JOB_STATUS_COUNT; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret = (enum job_status)i;
			return 0;
		}
	}
	return -1;
}

bool job_status_is_final(enum job_status s)
{
	return is_status(s) && followers[s] == 0;
}

bool job_status_may_follow(enum job_status from, enum job_status to)
{
	return is_status(from) && is_status(to) &&
	       (followers[from] & BIT(to)) != 0;
}

void job_fini(struct job *j)
{
	char *const owned[] = {j->external_id, j->run_id, j->repository,
	    j->workflow, j->runner_name, j->runner_id, j->parent_id, j->labels,
	    j->metadata, j->spec, j->image, j->sandbox_id, j->container_id,
	    j->reason_code, j->reason, j->result, j->session};

	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		mem_free(owned[i]);
	memset(j, 0, sizeof(*j));
}

void job_list_free(struct job_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		job_fini(&l->items[i]);
	mem_free(l->items);
	memset(l, 0, sizeof(*l));
}

void job_event_fini(struct job_event *e)
{
	char *const owned[] = {e->repository, e->type, e->from, e->to,
	    e->reason_code, e->reason, e->data};

	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		mem_free(owned[i]);
	memset(e, 0, sizeof(*e));
}

void job_event_list_free(struct job_event_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		job_event_fini(&l->items[i]);
	mem_free(l->items);
	memset(l, 0, sizeof(*l));
}
