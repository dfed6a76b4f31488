/*
 * base/json_out.h on any bytes as a string value and as an object key: what
 * it writes is JSON in the eyes of a strict parser, and valid UTF-8 comes
 * back unchanged.
 */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/json_out.h"
#include "base/utf8.h"

#define TEXT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_document(struct buf *out, const char *text)
{
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	json_kstr(&j, "value", text);
	json_key(&j, "nested");
	json_arr(&j);
	json_str(&j, text);
	json_obj(&j);
	json_kstr(&j, text, "as a key");
	json_end(&j);
	json_end(&j);
	json_end(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TEXT_MAX];
	CLEANUP(buf_fini) struct buf out;
	json_t *parsed;

	if (size >= sizeof text)
		size = sizeof text - 1;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	buf_init(&out, 64 * TEXT_MAX);
	write_document(&out, text);
	ASSERT(!out.overflow);
	parsed = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	ASSERT(parsed != NULL);
	if (utf8_valid(text, strlen(text))) {
		const char *back =
		    json_string_value(json_object_get(parsed, "value"));

		ASSERT(back != NULL && strcmp(back, text) == 0);
	}
	json_decref(parsed);
	return 0;
}
