/* The JSON writer: see json_out.h. */
#include "base/json_out.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

/* Overflow of the buffer is sticky in buf->overflow: the caller checks. */
static void put(struct buf *b, const char *s, size_t len)
{
	IGNORE(buf_append(b, s, len));
}

static void put_escaped(struct buf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char u[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	switch (c) {
	case '"':
		put(b, "\\\"", 2);
		break;
	case '\\':
		put(b, "\\\\", 2);
		break;
	case '\n':
		put(b, "\\n", 2);
		break;
	case '\r':
		put(b, "\\r", 2);
		break;
	case '\t':
		put(b, "\\t", 2);
		break;
	default:
		put(b, u, sizeof(u));
	}
}

void json_escape(struct buf *b, const char *s, size_t len)
{
	size_t from = 0, i = 0, n;

	put(b, "\"", 1);
	while (i < len) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			i++;
			continue;
		}
		n = c >= 0x80 ? utf8_sequence(s + i, len - i) : 0;
		if (n > 0) {
			i += n;
			continue;
		}
		put(b, s + from, i - from);
		if (c >= 0x80)
			put(b, "\xef\xbf\xbd", 3);
		else
			put_escaped(b, c);
		from = ++i;
	}
	put(b, s + from, len - from);
	put(b, "\"", 1);
}

void json_init(struct json *j, struct buf *out)
{
	*j = (struct json){.out = out};
}

/* Before any value: the comma that separates it from the one before. */
static void separate(struct json *j)
{
	if (j->after_key) {
		j->after_key = false;
		return;
	}
	if (j->depth == 0)
		return;
	if (!j->first[j->depth - 1])
		put(j->out, ",", 1);
	j->first[j->depth - 1] = false;
}

static void open_with(struct json *j, char open, char close)
{
	separate(j);
	ASSERT(j->depth < JSON_DEPTH_MAX);
	put(j->out, &open, 1);
	j->close[j->depth] = close;
	j->first[j->depth] = true;
	j->depth++;
}

void json_obj(struct json *j)
{
	open_with(j, '{', '}');
}

void json_arr(struct json *j)
{
	open_with(j, '[', ']');
}

void json_end(struct json *j)
{
	ASSERT(j->depth > 0 && !j->after_key);
	j->depth--;
	put(j->out, &j->close[j->depth], 1);
}

void json_key(struct json *j, const char *key)
{
	separate(j);
	json_escape(j->out, key, strlen(key));
	put(j->out, ":", 1);
	j->after_key = true;
}

void json_strn(struct json *j, const char *s, size_t len)
{
	separate(j);
	json_escape(j->out, s, len);
}

void json_str(struct json *j, const char *s)
{
	if (s == NULL)
		json_none(j);
	else
		json_strn(j, s, strlen(s));
}

void json_int(struct json *j, int64_t v)
{
	separate(j);
	IGNORE(buf_printf(j->out, "%" PRId64, v));
}

void json_num(struct json *j, double v)
{
	if (!isfinite(v)) {
		json_none(j);
		return;
	}
	separate(j);
	IGNORE(buf_printf(j->out, "%.15g", v));
}

void json_bool(struct json *j, bool v)
{
	separate(j);
	IGNORE(buf_append_str(j->out, v ? "true" : "false"));
}

void json_none(struct json *j)
{
	separate(j);
	put(j->out, "null", 4);
}

void json_time(struct json *j, int64_t wall_ns)
{
	char when[CLOCK_ISO_LEN];

	if (wall_ns == 0)
		json_none(j);
	else
		json_str(j, clock_iso(wall_ns, when));
}

void json_raw(struct json *j, const char *text)
{
	if (text == NULL || *text == '\0') {
		json_none(j);
		return;
	}
	separate(j);
	IGNORE(buf_append_str(j->out, text));
}

void json_kobj(struct json *j, const char *key)
{
	json_key(j, key);
	json_obj(j);
}

void json_karr(struct json *j, const char *key)
{
	json_key(j, key);
	json_arr(j);
}

void json_kstr(struct json *j, const char *key, const char *s)
{
	json_key(j, key);
	json_str(j, s);
}

void json_kint(struct json *j, const char *key, int64_t v)
{
	json_key(j, key);
	json_int(j, v);
}

void json_knum(struct json *j, const char *key, double v)
{
	json_key(j, key);
	json_num(j, v);
}

void json_kbool(struct json *j, const char *key, bool v)
{
	json_key(j, key);
	json_bool(j, v);
}

void json_knull(struct json *j, const char *key)
{
	json_key(j, key);
	json_none(j);
}

void json_ktime(struct json *j, const char *key, int64_t wall_ns)
{
	json_key(j, key);
	json_time(j, wall_ns);
}

void json_kraw(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_raw(j, text);
}
