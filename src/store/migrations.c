/*
 * The schema's history: an append-only array, one transaction each. Never
 * edit a released entry; tests keep a database of every released schema.
 * Called once by store_open, on its thread.
 *
 * Table and column names of jobs and runners are a public contract (people
 * query them): times there are ISO 8601 text, finer moments have columns
 * of their own (*_ns: nanoseconds since 1970).
 */
#include "store/store_internal.h"

/* What a full table costs: lists run on (status, id, repository) and
 * (repository, id); the open jobs have an index that ended ones are not in,
 * so starting and scheduling cost the same beside a million ended jobs. */
static const char SCHEMA_1[] =
    "CREATE TABLE jobs ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " github_job_id BIGINT,"
    " repository TEXT NOT NULL,"
    " workflow_name TEXT,"
    " job_name TEXT NOT NULL,"
    " run_id TEXT NOT NULL,"
    " attempt INTEGER NOT NULL,"
    " status TEXT NOT NULL,"
    " runner_id TEXT,"
    " runner_name TEXT,"
    " container_id TEXT,"
    " sandbox_id TEXT,"
    " image TEXT,"
    " labels TEXT NOT NULL,"
    " metadata TEXT NOT NULL,"
    " is_session SMALLINT NOT NULL,"
    " has_secrets SMALLINT NOT NULL,"
    " priority INTEGER NOT NULL,"
    " spec_hash BIGINT NOT NULL,"
    " tries INTEGER NOT NULL DEFAULT 0,"
    " not_before_ns BIGINT,"
    " lease_until_ns BIGINT,"
    " cancel_requested SMALLINT NOT NULL DEFAULT 0,"
    " first_step_begun SMALLINT NOT NULL DEFAULT 0,"
    " exit_code INTEGER,"
    " reason_code TEXT,"
    " reason TEXT,"
    " created_at TEXT NOT NULL,"
    " started_at TEXT,"
    " completed_at TEXT,"
    " updated_at TEXT NOT NULL,"
    " phase_queued_ns BIGINT,"
    " phase_assigned_ns BIGINT,"
    " phase_created_ns BIGINT,"
    " phase_started_ns BIGINT,"
    " phase_first_output_ns BIGINT,"
    " phase_ended_ns BIGINT,"
    " phase_removed_ns BIGINT,"
    " result TEXT,"
    " spec TEXT NOT NULL);"
    "CREATE UNIQUE INDEX jobs_by_key"
    " ON jobs (repository, run_id, job_name, attempt);"
    "CREATE INDEX jobs_by_repository ON jobs (repository, id);"
    "CREATE INDEX jobs_by_status ON jobs (status, id, repository);"
    "CREATE INDEX jobs_open ON jobs (id) WHERE completed_at IS NULL;"

    "CREATE TABLE job_secrets ("
    " job_id TEXT NOT NULL PRIMARY KEY,"
    " sealed BLOB NOT NULL);"

    "CREATE TABLE job_events ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " job_id TEXT NOT NULL,"
    " repository TEXT NOT NULL,"
    " at_ns BIGINT NOT NULL,"
    " type TEXT NOT NULL,"
    " from_status TEXT,"
    " to_status TEXT,"
    " reason_code TEXT,"
    " reason TEXT,"
    " data TEXT);"
    "CREATE INDEX job_events_by_job ON job_events (job_id);"

    "CREATE TABLE runners ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " type TEXT NOT NULL,"
    " status TEXT NOT NULL,"
    " container_id TEXT,"
    " labels TEXT NOT NULL,"
    " repository TEXT,"
    " github_runner_id BIGINT,"
    " last_heartbeat TEXT,"
    " created_at TEXT NOT NULL,"
    " updated_at TEXT NOT NULL);"

    "CREATE TABLE counters ("
    " name TEXT NOT NULL PRIMARY KEY,"
    " value BIGINT NOT NULL);"
    "CREATE TABLE store_keys ("
    " name TEXT NOT NULL PRIMARY KEY,"
    " sealed BLOB NOT NULL);";

/* Sessions inside sessions, and runners with tokens. Few jobs have either
 * id: the indexes hold those alone. What a job opens inside its session has
 * keys of its own: it can take nobody else's. */
static const char SCHEMA_2[] =
    "ALTER TABLE jobs ADD COLUMN parent_id TEXT;"
    "ALTER TABLE jobs ADD COLUMN session TEXT;"
    "DROP INDEX jobs_by_key;"
    "CREATE UNIQUE INDEX jobs_by_key ON jobs"
    " (repository, run_id, job_name, attempt, COALESCE(parent_id, ''));"
    "CREATE INDEX jobs_by_runner ON jobs (runner_id, id)"
    " WHERE runner_id IS NOT NULL;"
    "CREATE INDEX jobs_by_parent ON jobs (parent_id, id)"
    " WHERE parent_id IS NOT NULL;"
    "ALTER TABLE runners ADD COLUMN token_hash BLOB;"
    "ALTER TABLE runners ADD COLUMN roots TEXT NOT NULL DEFAULT '[]';"
    "ALTER TABLE runners ADD COLUMN made TEXT;"
    "ALTER TABLE runners ADD COLUMN job_id TEXT;";

/* Instances of components, listed in the order of their creation. */
static const char SCHEMA_3[] =
    "CREATE TABLE instances ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE,"
    " component_ref TEXT NOT NULL,"
    " status TEXT NOT NULL,"
    " stop_requested SMALLINT NOT NULL DEFAULT 0,"
    " container_id TEXT,"
    " image TEXT,"
    " commit_sha TEXT,"
    " ports TEXT NOT NULL,"
    " progress TEXT,"
    " error_code TEXT,"
    " error TEXT,"
    " plan TEXT,"
    " exit_code INTEGER,"
    " oom_killed SMALLINT NOT NULL DEFAULT 0,"
    " log_offset BIGINT,"
    " started_at TEXT NOT NULL,"
    " stopped_at TEXT,"
    " updated_at TEXT NOT NULL);"
    "CREATE INDEX instances_active ON instances (seq)"
    " WHERE status IN ('starting', 'running', 'stopping');";

/* Whose a component is, who started it, how often it was restarted. */
static const char SCHEMA_4[] =
    "ALTER TABLE instances ADD COLUMN owner TEXT;"
    "ALTER TABLE instances ADD COLUMN started_by TEXT;"
    "ALTER TABLE instances ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;";

/* What people keep in the hub for components. */
static const char SCHEMA_5[] = "CREATE TABLE named_secrets ("
			       " name TEXT NOT NULL PRIMARY KEY,"
			       " sealed BLOB NOT NULL,"
			       " created_at TEXT NOT NULL,"
			       " updated_at TEXT NOT NULL);";

/* Who did what: rows are only added, and taken from the front when they are
 * old. A page looks at a bounded run of them, so no filter needs an index. */
static const char SCHEMA_6[] = "CREATE TABLE audit_logs ("
			       " seq INTEGER PRIMARY KEY,"
			       " created_at TEXT NOT NULL,"
			       " actor TEXT NOT NULL,"
			       " address TEXT NOT NULL,"
			       " action TEXT NOT NULL,"
			       " object TEXT,"
			       " result TEXT NOT NULL,"
			       " status INTEGER NOT NULL,"
			       " request_id TEXT,"
			       " detail TEXT,"
			       " hash BLOB NOT NULL);";

/* People, how they are logged in, and the tokens of their programs. */
static const char SCHEMA_7[] =
    "CREATE TABLE users ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " name TEXT NOT NULL,"
    " name_key TEXT NOT NULL UNIQUE,"
    " role TEXT NOT NULL,"
    " password TEXT NOT NULL,"
    " disabled SMALLINT NOT NULL DEFAULT 0,"
    " created_at TEXT NOT NULL,"
    " updated_at TEXT NOT NULL,"
    " last_login_at TEXT);"
    "CREATE TABLE logins ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " user_id TEXT NOT NULL,"
    " token_hash BLOB NOT NULL,"
    " previous_hash BLOB,"
    " renewed_ns BIGINT NOT NULL,"
    " address TEXT NOT NULL,"
    " created_at TEXT NOT NULL,"
    " expires_ns BIGINT NOT NULL);"
    "CREATE INDEX logins_by_user ON logins (user_id);"
    "CREATE INDEX logins_by_expiry ON logins (expires_ns);"
    "CREATE TABLE api_tokens ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " name TEXT NOT NULL,"
    " user_id TEXT,"
    " role TEXT NOT NULL,"
    " token_hash BLOB NOT NULL,"
    " created_at TEXT NOT NULL,"
    " expires_ns BIGINT,"
    " used_ns BIGINT);"
    "CREATE INDEX api_tokens_by_user ON api_tokens (user_id, id);";

/* What somebody sets while the hub runs: see settings.h. */
static const char SCHEMA_8[] = "CREATE TABLE settings ("
			       " name TEXT NOT NULL PRIMARY KEY,"
			       " value TEXT NOT NULL,"
			       " updated_at TEXT NOT NULL);";

/* Whom the hub tells of events, what waits to be told, and what happened
 * beside the history of jobs. */
static const char SCHEMA_9[] =
    "CREATE TABLE webhooks ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " origin TEXT NOT NULL,"
    " sealed BLOB NOT NULL,"
    " format TEXT NOT NULL,"
    " events TEXT NOT NULL,"
    " repository TEXT,"
    " enabled SMALLINT NOT NULL,"
    " delivered BIGINT NOT NULL DEFAULT 0,"
    " failed BIGINT NOT NULL DEFAULT 0,"
    " dropped BIGINT NOT NULL DEFAULT 0,"
    " created_at TEXT NOT NULL,"
    " updated_at TEXT NOT NULL);"
    "CREATE TABLE webhook_deliveries ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL,"
    " webhook_id TEXT NOT NULL,"
    " event TEXT NOT NULL,"
    " trace TEXT,"
    " body TEXT NOT NULL,"
    " state TEXT NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " created_ns BIGINT NOT NULL,"
    " due_ns BIGINT NOT NULL,"
    " updated_ns BIGINT NOT NULL,"
    " status INTEGER,"
    " error TEXT);"
    "CREATE INDEX webhook_deliveries_by_webhook"
    " ON webhook_deliveries (webhook_id, seq);"
    "CREATE INDEX webhook_deliveries_due"
    " ON webhook_deliveries (webhook_id, due_ns) WHERE state = 'waiting';"
    "CREATE TABLE notices ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at_ns BIGINT NOT NULL,"
    " type TEXT NOT NULL,"
    " repository TEXT,"
    " data TEXT NOT NULL);";

/* The keys of what is sealed, sealed with the operator's: see keyring.h. */
static const char SCHEMA_10[] = "CREATE TABLE seal_keys ("
				" purpose TEXT NOT NULL,"
				" id BIGINT NOT NULL,"
				" since_ns BIGINT NOT NULL,"
				" sealed BLOB NOT NULL,"
				" PRIMARY KEY (purpose, id));";

/* Figures over time read the first alone, a search in the names of jobs the
 * second. Neither changes between a job's delegation and its end: what the
 * first holds changes with the end, what the second holds never. */
static const char SCHEMA_11[] =
    "CREATE INDEX jobs_by_end ON jobs (completed_at, status,"
    " phase_queued_ns, phase_started_ns, phase_ended_ns)"
    " WHERE completed_at IS NOT NULL;"
    "CREATE INDEX jobs_by_words ON jobs"
    " (id, repository, workflow_name, job_name, runner_name);";

/* Who may be given a named secret. Those of before are for components. */
static const char SCHEMA_12[] =
    "ALTER TABLE named_secrets ADD COLUMN used_by TEXT NOT NULL"
    " DEFAULT 'components';"
    "ALTER TABLE named_secrets ADD COLUMN repositories TEXT NOT NULL"
    " DEFAULT '';";

/* A token that is as good as its user's login. */
static const char SCHEMA_13[] =
    "ALTER TABLE api_tokens ADD COLUMN personal INTEGER NOT NULL DEFAULT 0;";

static const char *const migrations[] = {
    SCHEMA_1,
    SCHEMA_2,
    SCHEMA_3,
    SCHEMA_4,
    SCHEMA_5,
    SCHEMA_6,
    SCHEMA_7,
    SCHEMA_8,
    SCHEMA_9,
    SCHEMA_10,
    SCHEMA_11,
    SCHEMA_12,
    SCHEMA_13,
};
#define NEWEST ((int)ARRAY_LEN(migrations))

static const char CREATE_VERSION[] =
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)";
static const char READ_VERSION[] = "SELECT version FROM schema_version";

static int read_version(struct db *db, int *ret, struct err *err)
{
	CLEANUP(db_done) struct db_stmt *st = NULL;
	int rc;

	TRY(db_use(db, READ_VERSION, &st, err));
	rc = db_step(st, err);
	TRY(rc);
	*ret = rc == 1 ? (int)db_col_int(st) : 0;
	return 0;
}

static int write_version(struct db *db, int version, struct err *err)
{
	static const char insert[] =
	    "INSERT INTO schema_version (version) VALUES (?)";
	static const char update[] = "UPDATE schema_version SET version = ?";
	CLEANUP(db_done) struct db_stmt *st = NULL;

	TRY(db_use(db, version == 1 ? insert : update, &st, err));
	db_bind_int(st, version);
	return db_run(st, err);
}

static int step_up(struct db *db, int from, struct err *err)
{
	TRY(db_begin(db, err));
	if (db_exec(db, migrations[from], err) < 0 ||
	    write_version(db, from + 1, err) < 0) {
		db_rollback(db);
		return err_wrap(
		    err, "bring the schema to version %d", from + 1);
	}
	return db_commit(db, err);
}

int migrate(struct db *db, const char *path, int *ret_version, struct err *err)
{
	int version;

	TRY(db_exec(db, CREATE_VERSION, err));
	TRY(read_version(db, &version, err));
	if (version > NEWEST)
		return err_set(err, ERR_CONFLICT, "schema_newer",
		    "%s has schema %d, this version of runnerhub knows up to "
		    "%d: it was used by a newer one; run that, or restore a "
		    "backup from before",
		    path, version, NEWEST);
	for (; version < NEWEST; version++)
		TRY(step_up(db, version, err));
	*ret_version = version;
	return 0;
}
