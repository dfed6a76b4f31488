/*
 * Any bytes as the payload of a command (what the agent parses) and as a
 * stream of records (what the hub parses). The first byte chooses.
 */
#include <stdint.h>
#include <string.h>

#include "agent/command.h"
#include "agent/wire.h"
#include "base/defs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_job(struct wire_reader r)
{
	struct command_job job;
	struct err err = ERR_INIT;

	if (command_job_parse(&r, &job, &err) < 0)
		ASSERT(err.kind != ERR_NONE);
	else
		ASSERT(job.workspace[0] == '/');
	for (size_t i = 0; i < job.mask_count; i++)
		ASSERT(strlen(job.masks[i].s) == job.masks[i].len);
	command_job_fini(&job);
}

static void parse_run(struct wire_reader r)
{
	struct command_run run;
	struct err err = ERR_INIT;

	if (command_run_parse(&r, &run, &err) < 0)
		ASSERT(err.kind != ERR_NONE);
	else if (run.kind == COMMAND_ARGV)
		ASSERT(run.argv[0] != NULL);
	else
		ASSERT(run.shell != NULL && run.script.s != NULL);
	command_run_fini(&run);
}

/* What a payload can hold: a step's end, or a list of strings. */
static void parse_record(struct wire_header h, struct wire_reader r)
{
	struct wire_end end;
	const char *s;
	uint64_t time;
	uint32_t count;
	size_t len;

	if (wire_get_u64(&r, &time) < 0)
		return;
	if (h.type == WIRE_STEP_END) {
		if (wire_get_end(&r, &end, &s, &len) == 0 && len > 0)
			ASSERT(memchr(s, '\0', len) == NULL);
		return;
	}
	if (wire_get_u32(&r, &count) < 0)
		return;
	while (count-- > 0 && wire_get_str(&r, &s, &len) == 0)
		ASSERT((const uint8_t *)s + len == r.p);
}

static void parse_stream(struct wire_reader r)
{
	struct wire_header h;

	while (r.left >= WIRE_HEADER_LEN) {
		if (wire_header_get(r.p, &h) < 0 ||
		    r.left - WIRE_HEADER_LEN < h.len)
			return;
		parse_record(
		    h, (struct wire_reader){r.p + WIRE_HEADER_LEN, h.len});
		r.p += WIRE_HEADER_LEN + h.len;
		r.left -= WIRE_HEADER_LEN + h.len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader r;

	if (size == 0 || size > WIRE_PAYLOAD_MAX)
		return 0;
	r = (struct wire_reader){data + 1, size - 1};
	switch (data[0] % 3) {
	case 0:
		parse_job(r);
		break;
	case 1:
		parse_run(r);
		break;
	default:
		parse_stream(r);
	}
	return 0;
}
