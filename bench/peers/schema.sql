-- The tables and indexes that a delegation writes, as the hub has them.
CREATE SCHEMA IF NOT EXISTS runnerhub;
SET search_path TO runnerhub;

CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    github_job_id bigint,
    repository text NOT NULL,
    workflow_name text,
    job_name text NOT NULL,
    run_id text NOT NULL,
    attempt integer NOT NULL,
    status text NOT NULL,
    runner_id uuid,
    runner_name text,
    container_id text,
    sandbox_id text,
    image text,
    labels jsonb NOT NULL,
    metadata jsonb NOT NULL,
    is_session boolean NOT NULL,
    has_secrets boolean NOT NULL,
    priority integer NOT NULL,
    spec_hash bigint NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    exit_code integer,
    reason_code text,
    reason text,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz NOT NULL,
    result jsonb,
    spec jsonb NOT NULL
);
CREATE UNIQUE INDEX jobs_by_key ON jobs (repository, run_id, job_name, attempt);
CREATE INDEX jobs_by_repository ON jobs (repository, id);
CREATE INDEX jobs_by_status ON jobs (status, id, repository);
CREATE INDEX jobs_open ON jobs (id)
    WHERE status IN ('pending', 'queued', 'assigned', 'running');

CREATE TABLE job_events (
    seq bigserial PRIMARY KEY,
    job_id uuid NOT NULL,
    repository text NOT NULL,
    at timestamptz NOT NULL,
    type text NOT NULL,
    from_status text,
    to_status text,
    reason_code text,
    reason text,
    data jsonb
);
CREATE INDEX job_events_by_job ON job_events (job_id);
