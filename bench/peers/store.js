// One delegation in PostgreSQL: the job's row and its first history row in
// one statement, hence one round trip and one commit. The unique key makes a
// repeat harmless.

import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';

const INSERT = {
  name: 'delegate',
  text: `WITH job AS (
      INSERT INTO runnerhub.jobs (id, github_job_id, repository, workflow_name,
        job_name, run_id, attempt, status, runner_name, image, labels, metadata,
        is_session, has_secrets, priority, spec_hash, created_at, updated_at, spec)
      VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', $8, $9, $10, $11, $12, false,
        $13, $14, $15, $15, $16)
      ON CONFLICT (repository, run_id, job_name, attempt) DO NOTHING
      RETURNING id, repository, created_at)
    INSERT INTO runnerhub.job_events (job_id, repository, at, type, to_status)
    SELECT id, repository, created_at, 'delegated', 'queued' FROM job`,
};

const EXISTING = {
  name: 'existing',
  text: `SELECT id, status, spec_hash FROM runnerhub.jobs
    WHERE repository = $1 AND run_id = $2 AND job_name = $3 AND attempt = $4`,
};

// Version 7: ids that grow with time keep the indexes' tails warm.
function uuid7() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function contentHash(spec) {
  return createHash('sha1').update(spec).digest().readBigInt64BE(0).toString();
}

export function openPool(max) {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max });
  // An idle connection that breaks must not end the process.
  pool.on('error', (error) => console.error('postgres:', error.message));
  return pool;
}

function describe(body) {
  const { image, steps, env, timeoutSeconds, resources } = body;
  const spec = JSON.stringify({ image, steps, env, timeoutSeconds, resources });
  const metadata = JSON.stringify({
    sha: body.sha, ref: body.ref, eventName: body.eventName, actor: body.actor,
    delegatedAt: new Date().toISOString(), proxyRunner: body.runnerName ?? null,
  });
  return { spec, metadata };
}

// {id, status, created} or {conflict: true}
export async function insertJob(pool, body) {
  const id = uuid7();
  const attempt = body.attempt ?? 1;
  const { spec, metadata } = describe(body);
  const hash = contentHash(spec);
  const numeric = /^\d{1,18}$/.test(body.jobId) ? body.jobId : null;
  const inserted = await pool.query({
    ...INSERT,
    values: [id, numeric, body.repository, body.workflow ?? null, body.jobId,
      body.runId, attempt, body.runnerName ?? null, body.image ?? null,
      JSON.stringify(body.labels ?? []), metadata, !body.steps,
      body.priority ?? 50, hash, new Date(), spec],
  });
  if (inserted.rowCount === 1) return { id, status: 'queued', created: true };
  const found = (await pool.query({
    ...EXISTING, values: [body.repository, body.runId, body.jobId, attempt],
  })).rows[0];
  if (found.spec_hash !== hash) return { conflict: true };
  return { id: found.id, status: found.status, created: false };
}
