/*
 * Between rows and structs: a job's row, and the time inside a job's id.
 * Pure; any thread.
 */
#include <string.h>

#include "base/clock.h"
#include "store/store_internal.h"

int64_t job_id_time_ns(job_id id)
{
	int64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id.u.b[i];
	/* In a token it may be anybody's invention. */
	return ms > INT64_MAX / CLOCK_NS_PER_MS ? INT64_MAX
						: ms * CLOCK_NS_PER_MS;
}

static void id_of_ms(int64_t ms, uint8_t fill, char out[UUID_TEXT_LEN])
{
	struct uuid u;

	if (ms < 0)
		ms = 0;
	memset(u.b, fill, sizeof(u.b));
	for (int i = 0; i < 6; i++)
		u.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	uuid_text(u, out);
}

void job_id_floor(int64_t wall_ns, char out[UUID_TEXT_LEN])
{
	int64_t up = wall_ns > INT64_MAX - CLOCK_NS_PER_MS
			 ? INT64_MAX
			 : wall_ns + CLOCK_NS_PER_MS - 1;

	id_of_ms(up / CLOCK_NS_PER_MS, 0, out);
}

void job_id_ceiling(int64_t wall_ns, char out[UUID_TEXT_LEN])
{
	id_of_ms(wall_ns / CLOCK_NS_PER_MS, 0xff, out);
}

static int read_time(struct db_stmt *st, int64_t *ret)
{
	const char *text = db_col_text(st);

	*ret = 0;
	return text == NULL ? 0 : clock_parse_iso(text, ret);
}

static void read_phases(struct db_stmt *st, struct job_phases *p)
{
	p->queued = db_col_int(st);
	p->assigned = db_col_int(st);
	p->created = db_col_int(st);
	p->started = db_col_int(st);
	p->first_output = db_col_int(st);
	p->ended = db_col_int(st);
	p->removed = db_col_int(st);
}

static int corrupt(const char *id, const char *what, struct err *err)
{
	return err_set(err, ERR_INTERNAL, "store_corrupt",
	    "the stored job %s has an unreadable %s", id, what);
}

static void read_identity(struct db_stmt *st, struct job *j)
{
	j->github_job_id = db_col_int_null(st, &j->has_github_job_id);
	j->run_id = db_col_strdup(st);
	j->attempt = (int)db_col_int(st);
	j->repository = db_col_strdup(st);
	j->workflow = db_col_strdup(st);
	j->external_id = db_col_strdup(st);
	j->runner_name = db_col_strdup(st);
	j->runner_id = db_col_strdup(st);
	j->parent_id = db_col_strdup(st);
	j->labels = db_col_strdup(st);
	j->metadata = db_col_strdup(st);
	j->spec = db_col_strdup(st);
	j->is_session = db_col_int(st) != 0;
	j->priority = (int)db_col_int(st);
}

static void read_state(struct db_stmt *st, struct job *j)
{
	j->image = db_col_strdup(st);
	j->sandbox_id = db_col_strdup(st);
	j->container_id = db_col_strdup(st);
	j->tries = (int)db_col_int(st);
	j->not_before = db_col_int(st);
	j->reason_code = db_col_strdup(st);
	j->reason = db_col_strdup(st);
	j->exit_code = (int)db_col_int_null(st, &j->has_exit_code);
	j->result = db_col_strdup(st);
	j->cancel_requested = db_col_int(st) != 0;
	j->lease_until = db_col_int(st);
	j->session = db_col_strdup(st);
}

int job_read_row(struct db_stmt *st, struct job *j, struct err *err)
{
	const char *id = db_col_text(st);
	const char *status;

	if (uuid_parse(id, &j->id.u) < 0)
		return corrupt(id, "id", err);
	read_identity(st, j);
	status = db_col_text(st);
	if (job_status_parse(status, &j->status) < 0)
		return corrupt(id, "status", err);
	read_state(st, j);
	if (read_time(st, &j->created_at) < 0 ||
	    read_time(st, &j->started_at) < 0 ||
	    read_time(st, &j->completed_at) < 0 ||
	    read_time(st, &j->updated_at) < 0)
		return corrupt(id, "time", err);
	read_phases(st, &j->phases);
	j->has_secrets = db_col_int(st) != 0;
	return 0;
}
