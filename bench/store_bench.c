/*
 * Measures the store alone: what the hub could reach at most.
 *
 *   store_bench <directory> [seconds=2] [finished jobs=0]
 *
 * Durable inserts with 1, 32 and 128 outstanding, driven by one thread as
 * the event loop drives them; whole jobs (insert, assigned, running,
 * completed; each step waits for its fsync) by 1, 32 and 128 threads; then
 * reads beside the given number of finished jobs. Prints one line each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/thread.h"
#include "store/jobs.h"
#include "store/store.h"

#define CLIENTS_MAX 128
#define SAMPLES_MAX 4000000

static const char SPEC[] =
    "{\"image\":\"debian:12\",\"steps\":[{\"name\":\"build\",\"run\":"
    "\"make -j2 all\"},{\"name\":\"test\",\"run\":\"make test\","
    "\"timeoutSeconds\":600}],\"env\":{\"CI\":\"true\",\"LANG\":\"C\"}}";

struct samples {
	int64_t *ns;
	size_t n;
};

struct client {
	struct bench *bench;
	unsigned index;
	int64_t begun;
	bool done; /* guarded by bench->mtx */
	struct cond cond;
	pthread_t thread;
};

struct bench {
	struct store *store;
	struct mtx mtx;
	struct cond cond;
	/* guarded by mtx */
	unsigned ready[CLIENTS_MAX];
	unsigned n_ready;
	struct samples samples;
	unsigned serial;
	int64_t until;
	struct client clients[CLIENTS_MAX];
};

static void die(const struct err *err)
{
	fprintf(stderr, "store_bench: %s\n", err->msg);
	exit(1);
}

static void expect_inserted(enum job_insert_result r, const struct err *err)
{
	if (r == JOB_INSERT_FAILED)
		die(err);
	ASSERT(r == JOB_INSERTED);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void report(
    const char *what, unsigned clients, struct samples *s, int64_t elapsed_ns)
{
	qsort(s->ns, s->n, sizeof(s->ns[0]), by_value);
	printf(
	    "%-14s %4u outstanding %10.0f /s   p50 %8.3f ms   p99 %8.3f ms\n",
	    what, clients, (double)s->n * 1e9 / (double)elapsed_ns,
	    s->n > 0 ? (double)s->ns[s->n / 2] / 1e6 : 0.0,
	    s->n > 0 ? (double)s->ns[s->n * 99 / 100] / 1e6 : 0.0);
	fflush(stdout);
	s->n = 0;
}

static void add_sample(struct bench *b, int64_t ns)
{
	if (b->samples.n < SAMPLES_MAX)
		b->samples.ns[b->samples.n++] = ns;
}

/* A job of its own key; names is the caller's room for the texts. */
static struct job_new make_job(unsigned serial, char names[2][32])
{
	struct job_new n = {
	    .job =
		{
		    .attempt = 1,
		    .repository = (char *)"owner/project",
		    .workflow = (char *)"Continuous integration",
		    .runner_name = (char *)"proxy-runner-1",
		    .labels = (char *)"[\"self-hosted\",\"ubuntu-latest\"]",
		    .metadata = (char *)"{\"sha\":"
					"\"0123456789abcdef0123456789abcdef\","
					"\"ref\":\"refs/heads/main\"}",
		    .spec = (char *)SPEC,
		    .priority = 50,
		},
	    .spec_hash = serial,
	};

	n.job.id.u = uuid_v7();
	snprintf(names[0], sizeof(names[0]), "%u", serial / 8 + 7000000);
	snprintf(names[1], sizeof(names[1]), "%u", serial + 90000000);
	n.job.run_id = names[0];
	n.job.external_id = names[1];
	return n;
}

/* -- inserts from one thread ------------------------------------------------
 */

static void on_insert(void *arg, enum job_insert_result r, job_id id,
    enum job_status status, const struct err *err)
{
	struct client *c = arg;
	struct bench *b = c->bench;

	(void)id;
	(void)status;
	expect_inserted(r, err);
	mtx_lock(&b->mtx);
	add_sample(b, clock_mono_ns() - c->begun);
	b->ready[b->n_ready++] = c->index;
	if (b->n_ready == 1)
		cond_signal(&b->cond);
	mtx_unlock(&b->mtx);
}

static void submit(struct bench *b, unsigned index)
{
	struct err err = ERR_INIT;
	char names[2][32];
	struct job_new n = make_job(b->serial++, names);

	b->clients[index].begun = clock_mono_ns();
	if (store_job_insert(
		b->store, &n, on_insert, &b->clients[index], &err) < 0)
		die(&err);
}

static unsigned wait_ready(struct bench *b, unsigned ret[CLIENTS_MAX])
{
	unsigned n;

	mtx_lock(&b->mtx);
	while (b->n_ready == 0)
		cond_wait(&b->cond, &b->mtx);
	n = b->n_ready;
	memcpy(ret, b->ready, n * sizeof(ret[0]));
	b->n_ready = 0;
	mtx_unlock(&b->mtx);
	return n;
}

static void bench_inserts(struct bench *b, unsigned clients, int64_t seconds)
{
	int64_t start = clock_mono_ns();
	unsigned ready[CLIENTS_MAX], out = clients;

	b->until = start + seconds * CLOCK_NS_PER_S;
	for (unsigned i = 0; i < clients; i++)
		submit(b, i);
	while (out > 0) {
		unsigned n = wait_ready(b, ready);

		for (unsigned i = 0; i < n; i++) {
			if (clock_mono_ns() < b->until)
				submit(b, ready[i]);
			else
				out--;
		}
	}
	report("inserts", clients, &b->samples, clock_mono_ns() - start);
}

/* -- whole jobs from many threads --------------------------------------------
 */

static void on_own_insert(void *arg, enum job_insert_result r, job_id id,
    enum job_status status, const struct err *err)
{
	struct client *c = arg;

	(void)id;
	(void)status;
	expect_inserted(r, err);
	mtx_lock(&c->bench->mtx);
	c->done = true;
	cond_signal(&c->cond);
	mtx_unlock(&c->bench->mtx);
}

static job_id insert_and_wait(struct client *c, unsigned serial)
{
	struct bench *b = c->bench;
	struct err err = ERR_INIT;
	char names[2][32];
	struct job_new n = make_job(serial, names);

	c->done = false;
	if (store_job_insert(b->store, &n, on_own_insert, c, &err) < 0)
		die(&err);
	mtx_lock(&b->mtx);
	while (!c->done)
		cond_wait(&c->cond, &b->mtx);
	mtx_unlock(&b->mtx);
	return n.job.id;
}

static void move(struct bench *b, job_id id, enum job_status to)
{
	struct err err = ERR_INIT;
	struct job_change c = {.to = to};

	if (to == JOB_ASSIGNED) {
		c.sandbox_id = "sandbox-0123456789";
		c.container_id = "4f66ad9a0b2e4f66ad9a0b2e4f66ad9a0b2e";
		c.image = "debian:12";
	}
	if (to == JOB_COMPLETED) {
		c.set_exit_code = true;
		c.result = "{\"steps\":[{\"exitCode\":0},{\"exitCode\":0}]}";
	}
	if (store_job_transition(b->store, id, &c, &err) < 0)
		die(&err);
}

static void *client_main(void *arg)
{
	struct client *c = arg;
	struct bench *b = c->bench;

	while (clock_mono_ns() < b->until) {
		int64_t begun = clock_mono_ns();
		unsigned serial;
		job_id id;

		mtx_lock(&b->mtx);
		serial = b->serial++;
		mtx_unlock(&b->mtx);
		id = insert_and_wait(c, serial);
		move(b, id, JOB_ASSIGNED);
		move(b, id, JOB_RUNNING);
		move(b, id, JOB_COMPLETED);
		mtx_lock(&b->mtx);
		add_sample(b, clock_mono_ns() - begun);
		mtx_unlock(&b->mtx);
	}
	return NULL;
}

static void bench_whole(struct bench *b, unsigned clients, int64_t seconds)
{
	int64_t start = clock_mono_ns();
	struct err err = ERR_INIT;

	b->until = start + seconds * CLOCK_NS_PER_S;
	for (unsigned i = 0; i < clients; i++)
		if (thread_start(&b->clients[i].thread, "client", client_main,
			&b->clients[i], &err) < 0)
			die(&err);
	for (unsigned i = 0; i < clients; i++)
		thread_join(b->clients[i].thread);
	report("whole jobs", clients, &b->samples, clock_mono_ns() - start);
}

/* -- reads -------------------------------------------------------------------
 */

/* Fills the store with ended jobs, many at once. */
static void fill_one(struct bench *b, job_id id)
{
	struct err err = ERR_INIT;
	struct job_change c = {.to = JOB_CANCELLED};

	if (store_job_transition(b->store, id, &c, &err) < 0)
		die(&err);
}

static void *fill_main(void *arg)
{
	struct client *c = arg;
	struct bench *b = c->bench;

	for (;;) {
		unsigned serial;
		bool more;

		mtx_lock(&b->mtx);
		more = b->until-- > 0;
		serial = b->serial;
		b->serial += more;
		mtx_unlock(&b->mtx);
		if (!more)
			return NULL;
		fill_one(b, insert_and_wait(c, serial));
	}
}

static void fill(struct bench *b, int64_t jobs)
{
	int64_t start = clock_mono_ns();
	struct err err = ERR_INIT;

	b->until = jobs;
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (thread_start(&b->clients[i].thread, "fill", fill_main,
			&b->clients[i], &err) < 0)
			die(&err);
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		thread_join(b->clients[i].thread);
	printf("filled with %lld ended jobs in %.1f s\n", (long long)jobs,
	    (double)(clock_mono_ns() - start) / 1e9);
}

static void time_list(struct bench *b, const char *what,
    const struct job_filter *f, unsigned times)
{
	struct err err = ERR_INIT;
	int64_t total = 0, start;

	for (unsigned i = 0; i < times; i++) {
		struct job_list l = {0};

		start = clock_mono_ns();
		if (store_job_list(b->store, f, &l, &err) < 0)
			die(&err);
		add_sample(b, clock_mono_ns() - start);
		total = l.total;
		job_list_free(&l);
	}
	qsort(b->samples.ns, b->samples.n, sizeof(int64_t), by_value);
	printf("list %-28s p50 %9.3f ms   p99 %9.3f ms   (total %lld)\n", what,
	    (double)b->samples.ns[times / 2] / 1e6,
	    (double)b->samples.ns[times * 99 / 100] / 1e6, (long long)total);
	b->samples.n = 0;
}

static void time_open_and_get(struct bench *b, job_id id, unsigned times)
{
	struct err err = ERR_INIT;
	int64_t start = clock_mono_ns();

	for (unsigned i = 0; i < times; i++) {
		struct job_list l = {0};

		if (store_job_list_open(b->store, NULL, 100, &l, &err) < 0)
			die(&err);
		job_list_free(&l);
	}
	printf("list open jobs                    mean %8.3f ms\n",
	    (double)(clock_mono_ns() - start) / 1e6 / times);
	start = clock_mono_ns();
	for (unsigned i = 0; i < times; i++) {
		struct job j = {0};

		if (store_job_get(b->store, id, &j, &err) != 1)
			die(&err);
		job_fini(&j);
	}
	printf("get one job                       mean %8.3f ms\n",
	    (double)(clock_mono_ns() - start) / 1e6 / times);
}

static void bench_reads(struct bench *b, enum job_status ended)
{
	const struct job_filter filters[] = {
	    {.page = 1, .limit = 20},
	    {.page = 1, .limit = 20, .status = ended},
	    {.page = 1, .limit = 20, .status = JOB_QUEUED},
	    {.page = 1, .limit = 20, .repository = "owner/project"},
	    {.page = 1,
		.limit = 20,
		.repository = "owner/project",
		.status = ended},
	    {.page = 1000, .limit = 20},
	};
	static const char *const names[] = {"all", "by ended status",
	    "by open status", "by repository", "by repository and status",
	    "all, page 1000"};
	job_id id = insert_and_wait(&b->clients[0], b->serial++);

	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		time_list(b, names[i], &filters[i], 20);
	time_open_and_get(b, id, 200);
}

/* -- the program
 * --------------------------------------------------------------- */

static void remove_files(const struct store_config *c)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
	char path[512];

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", c->path, suffixes[i]);
		unlink(path);
	}
}

static void setup(struct bench *b)
{
	mtx_init(&b->mtx, "bench");
	cond_init(&b->cond);
	b->samples.ns = mem_calloc(SAMPLES_MAX, sizeof(int64_t));
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		b->clients[i].bench = b;
		b->clients[i].index = i;
		cond_init(&b->clients[i].cond);
	}
}

static void run(struct bench *b, const struct store_config *c, int64_t seconds,
    int64_t finished)
{
	static const unsigned counts[] = {1, 32, 64, 128};
	struct err err = ERR_INIT;
	int64_t start;

	if (store_open(&b->store, c, &err) < 0)
		die(&err);
	if (finished > 0)
		fill(b, finished);
	if (finished > 0) {
		store_close(b->store);
		start = clock_mono_ns();
		if (store_open(&b->store, c, &err) < 0)
			die(&err);
		printf("opened in %.3f ms\n",
		    (double)(clock_mono_ns() - start) / 1e6);
	}
	for (size_t i = 0; i < ARRAY_LEN(counts) && seconds > 0; i++)
		bench_inserts(b, counts[i], seconds);
	for (size_t i = 0; i < ARRAY_LEN(counts) && seconds > 0; i++)
		bench_whole(b, counts[i], seconds);
	bench_reads(b, finished > 0 ? JOB_CANCELLED : JOB_COMPLETED);
	store_close(b->store);
}

int main(int argc, char **argv)
{
	static struct bench b;
	int64_t seconds = 2, finished = 0;
	char path[256];
	struct store_config c = {
	    .path = path,
	    .encryption_key = "a key for measuring only",
	};

	if (argc < 2 ||
	    (argc > 2 && parse_int(argv[2], 0, 600, &seconds) < 0) ||
	    (argc > 3 && parse_int(argv[3], 0, 100000000, &finished) < 0)) {
		fprintf(stderr, "usage: store_bench directory [seconds "
				"[finished jobs]]\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/store-bench.db", argv[1]);
	remove_files(&c);
	setup(&b);
	run(&b, &c, seconds, finished);
	remove_files(&c);
	mem_free(b.samples.ns);
	return 0;
}
