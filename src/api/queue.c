/*
 * The queue as a whole: how it stands, and pause, resume, drain. Handler
 * threads.
 */
#include "api/api_internal.h"
#include "base/clock.h"
#include "base/log.h"

enum { REPOSITORIES_MAX = 50 };

void queue_write_mode(struct hub *h, struct json *j)
{
	int64_t since;
	enum queue_mode mode = hub_queue_mode(h, &since);

	json_kbool(j, "paused", mode != QUEUE_OPEN);
	json_kbool(j, "draining", mode == QUEUE_DRAINING);
	json_ktime(j, "since", since);
}

static void write_repositories(struct hub *h, struct json *j)
{
	struct schedule_share shares[REPOSITORIES_MAX];
	size_t n = schedule_shares(hub_schedule(h), shares, ARRAY_LEN(shares));

	json_karr(j, "byRepository");
	for (size_t i = 0; i < n; i++) {
		json_obj(j);
		json_kstr(j, "repository", shares[i].repository);
		json_kint(j, "waiting", shares[i].waiting);
		json_kint(j, "running", shares[i].running);
		json_end(j);
	}
	json_end(j);
}

static struct answer answer_queue(struct call *c)
{
	struct schedule_stats s;
	struct buf body;
	struct json j;

	schedule_stats(hub_schedule(c->hub), &s);
	buf_init(&body, BODY_MAX);
	envelope_begin(&j, &body);
	json_obj(&j);
	queue_write_mode(c->hub, &j);
	json_kint(&j, "waiting", s.waiting);
	json_kint(&j, "running", s.running);
	json_kint(&j, "capacity", s.slots);
	json_key(&j, "oldestWaitSeconds");
	if (s.oldest_since == 0)
		json_none(&j);
	else
		json_int(
		    &j, (clock_wall_ns() - s.oldest_since) / CLOCK_NS_PER_S);
	write_repositories(c->hub, &j);
	json_end(&j);
	envelope_end(&j);
	return reply_json(c, 200, &body);
}

struct answer queue_show(struct call *c)
{
	return answer_queue(c);
}

static struct answer set(struct call *c, enum queue_mode mode, const char *line)
{
	struct err err = ERR_INIT;

	if (hub_queue_mode_set(c->hub, mode, &err) < 0)
		return reply_error(c, &err);
	log_info(&c->ctx, line);
	return answer_queue(c);
}

struct answer queue_pause(struct call *c)
{
	return set(c, QUEUE_PAUSED, "queue paused");
}

struct answer queue_resume(struct call *c)
{
	return set(c, QUEUE_OPEN, "queue resumed");
}

struct answer queue_drain(struct call *c)
{
	return set(c, QUEUE_DRAINING, "queue draining");
}
