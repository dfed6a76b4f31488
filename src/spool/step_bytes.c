/* What a step has said, by the index: see step_bytes.h. */
#include "spool/step_bytes.h"

#include "spool/reader.h"

typedef void take_fn(void *arg, const struct reader_entry *e);

static int each_output(struct spool *s, const char *id, uint16_t step,
    take_fn *take, void *arg, struct err *err)
{
	CLEANUP(shared_put) struct spool_shared *sh = NULL;
	char name[UUID_TEXT_LEN];
	struct reader_entry e;
	struct log_view view;
	struct reader r;
	int more;

	TRY(shared_id(id, name, err));
	sh = shared_get(s, name);
	TRY(shared_view(sh, &view, err));
	reader_init(&r, sh, &view);
	while ((more = reader_next(&r, &e, err)) > 0)
		if (e.entry.kind == SPOOL_OUT && e.entry.step == step)
			take(arg, &e);
	return more;
}

static void add_bytes(void *arg, const struct reader_entry *e)
{
	uint64_t *ret = arg;

	ret[e->entry.stream == SPOOL_STDERR] +=
	    e->entry.text_end - e->text_begin;
}

int spool_step_bytes(struct spool *s, const char *id, uint16_t step,
    uint64_t ret[2], struct err *err)
{
	ret[0] = ret[1] = 0;
	return each_output(s, id, step, add_bytes, ret, err);
}

static void move_end(void *arg, const struct reader_entry *e)
{
	struct spool_stream_end *ends = arg;
	struct spool_stream_end *end = &ends[e->entry.stream == SPOOL_STDERR];

	if (end->time_ns != e->entry.time_ns)
		*end = (struct spool_stream_end){.time_ns = e->entry.time_ns};
	end->bytes += e->entry.text_end - e->text_begin;
}

int spool_step_end(struct spool *s, const char *id, uint16_t step,
    struct spool_stream_end ret[2], struct err *err)
{
	ret[0] = ret[1] = (struct spool_stream_end){0};
	return each_output(s, id, step, move_end, ret, err);
}
