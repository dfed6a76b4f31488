/* Counts a step's bytes in the index: see step_bytes.h. */
#include "spool/step_bytes.h"

#include "spool/reader.h"

int spool_step_bytes(struct spool *s, const char *id, uint16_t step,
    uint64_t ret[2], struct err *err)
{
	CLEANUP(shared_put) struct spool_shared *sh = NULL;
	char name[UUID_TEXT_LEN];
	struct reader_entry e;
	struct log_view view;
	struct reader r;
	int more;

	ret[0] = ret[1] = 0;
	TRY(shared_id(id, name, err));
	sh = shared_get(s, name);
	TRY(shared_view(sh, &view, err));
	reader_init(&r, sh, &view);
	while ((more = reader_next(&r, &e, err)) > 0)
		if (e.entry.kind == SPOOL_OUT && e.entry.step == step)
			ret[e.entry.stream == SPOOL_STDERR] +=
			    e.entry.text_end - e.text_begin;
	return more;
}
