// The peer of the hub's POST /api/jobs/delegate: Express 5, PostgreSQL for
// the rows, BullMQ on Redis for the queue, one process per core. Started by
// bench/lib/peer.py with PORT, DATABASE_URL, REDIS_PORT and WORKERS set.

import cluster from 'node:cluster';
import { Queue } from 'bullmq';
import express from 'express';
import { insertJob, openPool } from './store.js';
import { validate } from './validate.js';

const WORKERS = Number(process.env.WORKERS);
const POOL_SIZE = Number(process.env.POOL_SIZE);

function openQueue() {
  return new Queue('jobs', {
    connection: {
      host: '127.0.0.1',
      port: Number(process.env.REDIS_PORT),
      // Commands of one turn of the event loop share a write.
      enableAutoPipelining: true,
      maxRetriesPerRequest: null,
    },
    defaultJobOptions: { attempts: 5, backoff: { type: 'exponential', delay: 1000 } },
  });
}

// BullMQ takes 1 as the most urgent, and is faster for a job without any.
function queueOptions(jobId, priority) {
  return priority === undefined ? { jobId } : { jobId, priority: 101 - priority };
}

function delegateHandler(pool, queue) {
  return async (req, res) => {
    const problem = validate(req.body);
    if (problem) {
      res.status(400).json({ success: false, error: problem, code: 'invalid' });
      return;
    }
    const job = await insertJob(pool, req.body);
    if (job.conflict) {
      res.status(409).json({ success: false, code: 'job_conflict',
        error: 'this job was delegated before with another content' });
      return;
    }
    if (job.created) {
      await queue.add('job', { id: job.id, repository: req.body.repository },
        queueOptions(job.id, req.body.priority));
    }
    res.status(job.created ? 201 : 200)
      .json({ success: true, data: { delegationId: job.id, status: job.status } });
  };
}

function serve() {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(express.json({ limit: '10mb' }));
  app.post('/api/jobs/delegate', delegateHandler(openPool(POOL_SIZE), openQueue()));
  app.get('/health', (req, res) => res.json({ status: 'healthy' }));
  app.use((req, res) => res.status(404).json({ success: false, error: 'Endpoint not found' }));
  app.use((error, req, res, next) => {
    if (!error.status) console.error(error);
    res.status(error.status ?? 500).json({ success: false, error: error.message });
  });
  const server = app.listen(Number(process.env.PORT), '127.0.0.1', 1024);
  server.keepAliveTimeout = 60000;
}

if (cluster.isPrimary) {
  for (let i = 0; i < WORKERS; i += 1) cluster.fork();
  cluster.on('exit', (worker, code) => {
    console.error(`worker ${worker.process.pid} ended with ${code}`);
    process.exit(1);
  });
  process.on('SIGTERM', () => process.exit(0));
} else {
  serve();
}
