/* The event-stream parser, see sse.h. */
#include "cmd/sse.h"

#include <stdio.h>
#include <string.h>

void sse_init(struct sse *s,
    int (*on_event)(void *arg, const struct sse_event *ev, struct err *err),
    void *arg)
{
	*s = (struct sse){.on_event = on_event, .arg = arg};
	buf_init(&s->line, SSE_LINE_MAX);
	buf_init(&s->data, SSE_DATA_MAX);
}

void sse_fini(struct sse *s)
{
	buf_fini(&s->line);
	buf_fini(&s->data);
}

void sse_reset(struct sse *s)
{
	buf_clear(&s->line);
	buf_clear(&s->data);
	s->type[0] = '\0';
	s->has_data = s->after_cr = false;
	memcpy(s->next_id, s->id, sizeof(s->id));
}

/* A blank line: the event is complete. */
static int dispatch(struct sse *s, struct err *err)
{
	struct sse_event ev = {
	    .id = s->id, .type = s->type[0] != '\0' ? s->type : "message"};
	int rc = 0;

	memcpy(s->id, s->next_id, sizeof(s->id));
	if (s->has_data) {
		ev.data = buf_str(&s->data);
		rc = s->on_event(s->arg, &ev, err);
	}
	buf_clear(&s->data);
	s->type[0] = '\0';
	s->has_data = false;
	return rc;
}

static int add_data(struct sse *s, const char *value, struct err *err)
{
	if ((s->has_data && buf_append_char(&s->data, '\n') < 0) ||
	    buf_append_str(&s->data, value) < 0)
		return err_set(
		    err, ERR_LIMIT, NULL, "an event is larger than 4 MiB");
	s->has_data = true;
	return 0;
}

static int take_line(struct sse *s, struct err *err)
{
	char *name = s->line.data, *value;

	if (s->line.len == 0)
		return dispatch(s, err);
	value = strchr(name, ':');
	if (value == name)
		return 0; /* a comment: the server's sign of life */
	if (value == NULL) {
		value = name + s->line.len;
	} else {
		*value++ = '\0';
		value += *value == ' ';
	}
	if (strcmp(name, "data") == 0)
		return add_data(s, value, err);
	if (strcmp(name, "id") == 0 && strlen(value) < sizeof(s->next_id))
		memcpy(s->next_id, value, strlen(value) + 1);
	if (strcmp(name, "event") == 0)
		snprintf(s->type, sizeof(s->type), "%s", value);
	return 0;
}

int sse_feed(struct sse *s, const char *data, size_t len, struct err *err)
{
	int rc;

	for (size_t i = 0; i < len; i++) {
		char c = data[i];
		bool crlf = c == '\n' && s->after_cr;

		s->after_cr = c == '\r';
		if (crlf)
			continue;
		if (c != '\n' && c != '\r') {
			if (buf_append_char(&s->line, c) < 0)
				return err_set(err, ERR_LIMIT, NULL,
				    "a line of the event stream is larger "
				    "than 1 MiB");
			continue;
		}
		rc = take_line(s, err);
		buf_clear(&s->line);
		if (rc < 0)
			return -1;
	}
	return 0;
}
