/*
 * Reads a container's log into a log of the spool until the container has
 * ended, going on where that ends, as the hub does for a component; for
 * tests/integration/test_container_log.py, which kills it. Not installed.
 *
 *   output_probe ENGINE SPOOL_DIR ID CONTAINER SECRET
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/run.h"
#include "jobs/container_output.h"

static int append(
    void *arg, const struct spool_record *recs, size_t n, struct err *err)
{
	return spool_append(arg, recs, n, err);
}

static int follow(struct engine *e, struct spool *s, const char *id,
    const char *container, const char *secret, struct err *err)
{
	static const uint64_t none[2];
	CLEANUP(mask_set_free) struct mask_set *masks = mask_set_new();
	struct ctx ctx = ctx_root();
	struct container_output o = {.engine = e,
	    .ctx = &ctx,
	    .step = 1,
	    .masks = masks,
	    .append = append};
	struct spool_stream_end end[2];
	struct spool_log *log = NULL;
	uint64_t off;
	int r;

	mask_add(masks, secret, strlen(secret));
	TRY(spool_log_open(s, id, &log, &off, err));
	o.arg = log;
	container_output_open(&o, none);
	r = spool_step_end(s, id, 1, end, err);
	if (r == 0) {
		container_output_resume(&o, end);
		r = container_output_follow_since(&o, container, err);
	}
	container_output_close(&o);
	spool_log_close(log);
	return r;
}

int main(int argc, char **argv)
{
	struct spool_config config = {0};
	struct engine *engine = NULL;
	struct spool *spool = NULL;
	struct err err = ERR_INIT;
	int r;

	if (argc != 6)
		return 2;
	config.dir = argv[2];
	r = engine_open(&engine, argv[1], &err);
	if (r == 0)
		r = spool_open(&spool, &config, &err);
	if (r == 0)
		r = follow(engine, spool, argv[3], argv[4], argv[5], &err);
	if (r < 0)
		fprintf(stderr, "%s\n", err.msg);
	if (spool != NULL)
		spool_close(spool);
	engine_close(engine);
	return r == 0 ? 0 : 1;
}
