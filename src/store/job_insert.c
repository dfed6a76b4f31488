/*
 * ~ Delegation, the hot path: store_job_insert copies what the row needs
 * into one block and seals the secrets on the caller's thread; the writer
 * thread only binds and steps. The unique key (repository, run, job,
 * attempt, and the session it is inside of) makes a repeat harmless.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"

/* The texts of a row, in the order in which the statement binds them. */
enum text {
	T_REPOSITORY,
	T_WORKFLOW,
	T_EXTERNAL_ID,
	T_RUN_ID,
	T_RUNNER_NAME,
	T_RUNNER_ID,
	T_PARENT_ID,
	T_IMAGE,
	T_LABELS,
	T_METADATA,
	T_SPEC,
	T_COUNT,
};
struct text_ref {
	char *data; /* NULL: none */
	size_t len;
};

#define INSERT_MAGIC 0x4a6f6249u
struct insert {
	struct write write; /* first: the writer's view */
	unsigned magic;
	store_insert_done done;
	void *arg;
	job_id id;
	struct job numbers; /* only its numbers; every pointer is NULL */
	int64_t spec_hash;
	int64_t now_ns;
	char id_text[UUID_TEXT_LEN];
	char created[CLOCK_ISO_LEN];
	struct text_ref text[T_COUNT];
	uint8_t *sealed;
	size_t sealed_len;
	/* the outcome, set by run */
	enum job_insert_result result;
	job_id found;
	enum job_status found_status;
	char block[]; /* the texts and the sealed secrets */
};

static struct insert *insert_of(struct write *w)
{
	struct insert *in = (struct insert *)w;

	MAGIC_CHECK(in, INSERT_MAGIC);
	return in;
}

/* -- on the caller's thread -------------------------------------------- */

static void collect_texts(const struct job *j, const char *ret[T_COUNT])
{
	ASSERT(j->repository != NULL && j->external_id != NULL &&
	       j->run_id != NULL);
	ret[T_REPOSITORY] = j->repository;
	ret[T_WORKFLOW] = j->workflow;
	ret[T_EXTERNAL_ID] = j->external_id;
	ret[T_RUN_ID] = j->run_id;
	ret[T_RUNNER_NAME] = j->runner_name;
	ret[T_RUNNER_ID] = j->runner_id;
	ret[T_PARENT_ID] = j->parent_id;
	ret[T_IMAGE] = j->image;
	ret[T_LABELS] = j->labels != NULL ? j->labels : "[]";
	ret[T_METADATA] = j->metadata != NULL ? j->metadata : "{}";
	ret[T_SPEC] = j->spec != NULL ? j->spec : "{}";
}

static struct job numbers_of(const struct job *j)
{
	struct job n = *j;

	n.external_id = n.run_id = n.repository = n.workflow = NULL;
	n.runner_name = n.runner_id = n.parent_id = NULL;
	n.labels = n.metadata = n.spec = n.session = NULL;
	n.image = n.sandbox_id = n.container_id = NULL;
	n.reason_code = n.reason = n.result = NULL;
	return n;
}

static struct insert *insert_new(struct store *s, const struct job_new *job)
{
	const char *from[T_COUNT];
	size_t len[T_COUNT], size = 0;
	size_t sealed_len =
	    job->secrets != NULL ? job->secrets_len + SEAL_OVERHEAD_BYTES : 0;
	struct insert *in;
	char *p;

	collect_texts(&job->job, from);
	for (int i = 0; i < T_COUNT; i++) {
		len[i] = from[i] != NULL ? strlen(from[i]) : 0;
		size += len[i] + 1;
	}
	in = mem_alloc(sizeof(*in) + size + sealed_len);
	memset(in, 0, sizeof(*in));
	in->write.size_bytes = sizeof(*in) + size + sealed_len;
	p = in->block;
	for (int i = 0; i < T_COUNT; i++) {
		if (from[i] == NULL)
			continue;
		in->text[i] = (struct text_ref){p, len[i]};
		p = (char *)mempcpy(p, from[i], len[i] + 1);
	}
	if (sealed_len > 0) {
		in->sealed = (uint8_t *)p;
		in->sealed_len = sealed_len;
		seal(&s->sealer, job->job.id.u, job->secrets, job->secrets_len,
		    in->sealed);
	}
	return in;
}

/* -- on the writer thread ---------------------------------------------- */

static void bind_texts(
    struct db_stmt *st, const struct insert *in, int from, int to)
{
	for (int i = from; i <= to; i++)
		db_bind_textn(st, in->text[i].data, in->text[i].len);
}

/* 1: inserted, 0: the key is taken. */
static int insert_row(struct db *db, const struct insert *in, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO jobs (repository, workflow_name, job_name, run_id,"
	    " runner_name, runner_id, parent_id, image, labels, metadata, spec,"
	    " id, github_job_id, attempt, status, is_session, has_secrets,"
	    " priority, spec_hash, lease_until_ns, not_before_ns, created_at,"
	    " updated_at, phase_queued_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?,"
	    " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	    " ON CONFLICT (repository, run_id, job_name, attempt,"
	    " COALESCE(parent_id, '')) DO NOTHING";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	const struct job *j = &in->numbers;

	TRY(db_use(db, sql, &st, err));
	bind_texts(st, in, 0, T_COUNT - 1);
	db_bind_textn(st, in->id_text, UUID_TEXT_LEN - 1);
	if (j->has_github_job_id)
		db_bind_int(st, j->github_job_id);
	else
		db_bind_null(st);
	db_bind_int(st, j->attempt);
	db_bind_text(st, job_status_name(JOB_QUEUED));
	db_bind_int(st, j->is_session);
	db_bind_int(st, in->sealed != NULL);
	db_bind_int(st, j->priority);
	db_bind_int(st, in->spec_hash);
	db_bind_int_or_null(st, j->lease_until);
	db_bind_int_or_null(st, j->not_before);
	db_bind_textn(st, in->created, CLOCK_ISO_LEN - 1);
	db_bind_textn(st, in->created, CLOCK_ISO_LEN - 1);
	db_bind_int(st, j->phases.queued);
	TRY(db_run(st, err));
	return db_changes(st) > 0;
}

static int insert_secrets(
    struct db *db, const struct insert *in, struct err *err)
{
	static const char sql[] =
	    "INSERT INTO job_secrets (job_id, sealed) VALUES (?, ?)";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	if (in->sealed == NULL)
		return 0;
	TRY(db_use(db, sql, &st, err));
	db_bind_textn(st, in->id_text, UUID_TEXT_LEN - 1);
	db_bind_blob(st, in->sealed, in->sealed_len);
	return db_run(st, err);
}

static int read_existing(
    struct db_stmt *st, struct insert *in, int64_t *ret_hash, struct err *err)
{
	const char *id = db_col_text(st);
	const char *status = db_col_text(st);

	if (uuid_parse(id, &in->found.u) < 0 ||
	    job_status_parse(status, &in->found_status) < 0)
		return err_set(err, ERR_INTERNAL, "store_corrupt",
		    "the stored job %s has the unknown status %s", id, status);
	*ret_hash = db_col_int(st);
	return 0;
}

/* The key is taken: by the same content, or by another. */
static int find_existing(struct db *db, struct insert *in, struct err *err)
{
	static const char sql[] =
	    "SELECT id, status, spec_hash FROM jobs WHERE repository = ?"
	    " AND run_id = ? AND job_name = ? AND attempt = ?"
	    " AND COALESCE(parent_id, '') = COALESCE(?, '')";
	CLEANUP(db_done) struct db_stmt *st = NULL;
	char other[UUID_TEXT_LEN];
	int64_t hash = 0;
	int rc;

	TRY(db_use(db, sql, &st, err));
	bind_texts(st, in, T_REPOSITORY, T_REPOSITORY);
	bind_texts(st, in, T_RUN_ID, T_RUN_ID);
	bind_texts(st, in, T_EXTERNAL_ID, T_EXTERNAL_ID);
	db_bind_int(st, in->numbers.attempt);
	bind_texts(st, in, T_PARENT_ID, T_PARENT_ID);
	rc = db_step(st, err);
	TRY(rc);
	ASSERT(rc == 1);
	TRY(read_existing(st, in, &hash, err));
	in->result = JOB_EXISTED;
	if (hash == in->spec_hash)
		return 0;
	return err_set(err, ERR_CONFLICT, "job_conflict",
	    "job %.80s of run %.80s, attempt %d, of %.120s is there already "
	    "as %s with other content: send the same, or another attempt",
	    in->text[T_EXTERNAL_ID].data, in->text[T_RUN_ID].data,
	    in->numbers.attempt, in->text[T_REPOSITORY].data,
	    uuid_text(in->found.u, other));
}

static int run_insert(struct tx *tx, struct write *w, struct err *err)
{
	struct insert *in = insert_of(w);
	struct job_event event = {
	    .job = in->id,
	    .repository = in->text[T_REPOSITORY].data,
	    .at = in->now_ns,
	    .type = (char *)"delegated",
	    .to = (char *)job_status_name(JOB_QUEUED),
	};
	int rc = insert_row(tx->db, in, err);

	TRY(rc);
	if (rc == 0)
		return find_existing(tx->db, in, err);
	TRY(insert_secrets(tx->db, in, err));
	TRY(event_add(tx, w, &event, err));
	tx->counters.present[JOB_QUEUED]++;
	in->result = JOB_INSERTED;
	in->found = in->id;
	in->found_status = JOB_QUEUED;
	return 0;
}

static void finish_insert(struct write *w)
{
	struct insert *in = insert_of(w);
	bool failed = w->err.kind != ERR_NONE;

	in->done(in->arg, failed ? JOB_INSERT_FAILED : in->result, in->found,
	    in->found_status, failed ? &w->err : NULL);
	in->magic = 0;
	mem_free(in);
}

int store_job_insert(struct store *s, const struct job_new *job,
    store_insert_done done, void *arg, struct err *err)
{
	struct insert *in;

	MAGIC_CHECK(s, STORE_MAGIC);
	ASSERT(job->job.id.u.b[6] >> 4 == 7); /* its time is created_at */
	in = insert_new(s, job);
	in->magic = INSERT_MAGIC;
	in->write.run = run_insert;
	in->write.finish = finish_insert;
	in->done = done;
	in->arg = arg;
	in->id = job->job.id;
	in->numbers = numbers_of(&job->job);
	in->spec_hash = (int64_t)(job->spec_hash & INT64_MAX);
	in->now_ns = clock_wall_ns();
	if (in->numbers.phases.queued == 0)
		in->numbers.phases.queued = in->now_ns;
	uuid_text(in->id.u, in->id_text);
	clock_iso(job_id_time_ns(in->id), in->created);
	if (writer_submit(s, &in->write, err) == 0)
		return 0;
	mem_free(in);
	return -1;
}
