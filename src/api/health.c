/* Is the hub well: for people, orchestrators and portals. Handler threads. */
#include "api/api_internal.h"
#include "base/clock.h"

/* -- health ------------------------------------------------------------ */

struct health {
	bool database, engine, queue;
	bool starting; /* the engine has not been looked at yet */
};

/* No write a request: the writer's own failures and waiting tell. */
static struct health look(struct hub *h)
{
	struct hub_engine_state e;
	struct schedule_stats q;
	struct store_stats s;
	struct hub_disk d;
	struct err err = ERR_INIT;

	hub_engine_state(h, &e);
	schedule_stats(hub_schedule(h), &q);
	store_stats(hub_store(h), &s);
	hub_disk(h, &d);
	return (struct health){.engine = e.up,
	    .database = store_check(hub_store(h), &err) == 0,
	    .queue = !d.full && (q.gates & GATE_DRAINING) == 0,
	    .starting = e.since == 0};
}

/* -- as portals ask ---------------------------------------------------- */

static struct answer reply_status(struct call *c, bool well)
{
	struct buf body;
	struct json j;

	buf_init(&body, 4096);
	json_init(&j, &body);
	json_obj(&j);
	if (!well)
		json_kstr(&j, "message", "The database does not answer");
	json_kstr(&j, "status", well ? "ok" : "error");
	json_end(&j);
	return reply_json(c, well ? 200 : 503, &body);
}

struct answer alive_show(struct call *c)
{
	return reply_status(c, true);
}

struct answer ready_show(struct call *c)
{
	struct err err = ERR_INIT;

	return reply_status(c, store_check(hub_store(c->hub), &err) == 0);
}

/* -- in full ----------------------------------------------------------- */

struct answer health_show(struct call *c)
{
	struct health h = look(c->hub);
	bool well = h.database && h.engine && h.queue;
	struct buf body;
	struct json j;

	buf_init(&body, 4096);
	json_init(&j, &body);
	json_obj(&j);
	/* Without its database the hub can do nothing; without the engine it
	 * still takes jobs and answers. */
	json_kstr(&j, "status",
	    well         ? "healthy"
	    : h.database ? "degraded"
			 : "unhealthy");
	json_ktime(&j, "timestamp", clock_wall_ns());
	json_kobj(&j, "checks");
	json_kstr(&j, "database", h.database ? "pass" : "fail");
	json_kstr(&j, "engine", h.engine ? "pass" : "fail");
	json_kstr(&j, "queue", h.queue ? "pass" : "fail");
	json_end(&j);
	json_kstr(&j, "version", RUNNERHUB_VERSION);
	json_kint(&j, "uptimeSeconds",
	    (clock_wall_ns() - hub_started_at(c->hub)) / CLOCK_NS_PER_S);
	json_end(&j);
	return reply_json(c, well ? 200 : 503, &body);
}
