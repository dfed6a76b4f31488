/*
 * What a container uses, asked once: the engine's one-shot document, which
 * does not make the asker wait a second for a difference. Any thread; blocks
 * on the caller's.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/run.h"

/* Without the cache that the kernel gives back at once, as `docker stats`
 * shows it: cgroup v1 has it as total_inactive_file, v2 as inactive_file. */
static int64_t memory_of(const json_t *doc)
{
	int64_t usage = answer_int(doc, "memory_stats.usage");
	int64_t idle =
	    answer_int(doc, "memory_stats.stats.total_inactive_file");

	if (idle == 0)
		idle = answer_int(doc, "memory_stats.stats.inactive_file");
	return idle > 0 && idle < usage ? usage - idle : usage;
}

static void read_network(const json_t *doc, struct engine_container_stats *s)
{
	const json_t *networks = answer_at(doc, "networks");
	const char *key;
	json_t *one;

	json_object_foreach((json_t *)(uintptr_t)networks, key, one)
	{
		s->rx_bytes += answer_int(one, "rx_bytes");
		s->tx_bytes += answer_int(one, "tx_bytes");
	}
}

/* "Read" and "Write" with cgroup v1, "read" and "write" with v2. */
static void read_io(const json_t *doc, struct engine_container_stats *s)
{
	const json_t *list =
	    answer_at(doc, "blkio_stats.io_service_bytes_recursive");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const char *op = answer_text(one, "op");

		if (op != NULL && strcasecmp(op, "read") == 0)
			s->read_bytes += answer_int(one, "value");
		else if (op != NULL && strcasecmp(op, "write") == 0)
			s->write_bytes += answer_int(one, "value");
	}
}

static int cpus_of(const json_t *doc)
{
	int64_t n = answer_int(doc, "cpu_stats.online_cpus");

	if (n <= 0)
		n = (int64_t)json_array_size(
		    answer_at(doc, "cpu_stats.cpu_usage.percpu_usage"));
	return n > 0 && n < 65536 ? (int)n : 1;
}

bool engine_container_stats_read(
    const json_t *doc, struct engine_container_stats *ret)
{
	const char *read = answer_text(doc, "read");

	*ret = (struct engine_container_stats){.cpus = cpus_of(doc)};
	if (read == NULL || strncmp(read, "0001-", 5) == 0)
		return false; /* Go's zero: nothing was measured */
	ret->cpu_ns = answer_int(doc, "cpu_stats.cpu_usage.total_usage");
	ret->system_ns = answer_int(doc, "cpu_stats.system_cpu_usage");
	ret->memory_bytes = memory_of(doc);
	ret->memory_limit = answer_int(doc, "memory_stats.limit");
	ret->pids = answer_int(doc, "pids_stats.current");
	read_network(doc, ret);
	read_io(doc, ret);
	return true;
}

int engine_container_stats(struct engine *e, const struct ctx *ctx,
    const char *id, struct engine_container_stats *ret, struct err *err)
{
	CLEANUP(http_result_fini)
	struct http_result res = HTTP_RESULT_INIT(ENGINE_ANSWER_MAX);
	CLEANUP(json_decref) json_t *doc = NULL;
	char target[300], doing[128];
	const struct engine_request req = {.method = "GET",
	    .target = target,
	    .doing = doing,
	    .object = ENGINE_CONTAINER,
	    .timeout_ms = ENGINE_QUICK_MS,
	    .repeatable = true};

	TRY(engine_check_name(id, ENGINE_CONTAINER, err));
	snprintf(target, sizeof(target),
	    "/containers/%s/stats?stream=false&one-shot=true", id);
	snprintf(doing, sizeof(doing), "measure container %.64s", id);
	TRY(engine_call(e, ctx, &req, &res, err));
	doc = answer_parse(buf_str(&res.body), res.body.len, doing, err);
	if (doc == NULL)
		return -1;
	if (engine_container_stats_read(doc, ret))
		return 0;
	return err_set(err, ERR_CONFLICT, "container_not_running",
	    "%s: it does not run", doing);
}
