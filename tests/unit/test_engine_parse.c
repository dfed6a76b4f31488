/*
 * The pure parts of engine/: the body of a create, what an engine's refusal
 * means, the version to speak, names, the stream framing, lines and events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"
#include "engine/run.h"
#include "engine/frames.h"
#include "engine/lines.h"

/* -- create body ---------------------------------------------------------- */

static void create_body_of_a_sandbox(void **state)
{
	static const char *const entrypoint[] = {"/.hub-agent", NULL};
	static const char *const cmd[] = {"/hub/s", NULL};
	static const char *const env[] = {"A=b \"c\"", NULL};
	static const char *const binds[] = {
	    "/d:/hub:ro", "/a:/.hub-agent:ro", NULL};
	static const char *const drop[] = {"ALL", NULL};
	static const char *const add[] = {"CHOWN", "SETUID", NULL};
	static const char *const secopt[] = {"no-new-privileges", NULL};
	static const char *const volumes[] = {"/work", NULL};
	static const char *const dns[] = {"1.1.1.1", NULL};
	static const char *const hosts[] = {"gw:10.0.0.1", NULL};
	static const struct engine_pair labels[] = {{"k", "v"}, {NULL, NULL}};
	static const struct engine_pair tmpfs[] = {
	    {"/tmp", "size=1m"}, {NULL, NULL}};
	const struct engine_container_spec spec = {.name = "n",
	    .image = "busybox:1",
	    .entrypoint = entrypoint,
	    .cmd = cmd,
	    .user = "0:0",
	    .working_dir = "/w",
	    .hostname = "h",
	    .env = env,
	    .labels = labels,
	    .binds = binds,
	    .volumes_anonymous = volumes,
	    .tmpfs = tmpfs,
	    .dns = dns,
	    .extra_hosts = hosts,
	    .network_disabled = true,
	    .memory_bytes = 1048576,
	    .nano_cpus = 500000000,
	    .pids = 64,
	    .cap_drop = drop,
	    .cap_add = add,
	    .security_opt = secopt,
	    .readonly_rootfs = true,
	    .open_stdin = true,
	    .init = true};
	CLEANUP(buf_fini) struct buf out = {.max = 4096};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(engine_spec_json(&spec, &out, &err), 0);
	assert_string_equal(buf_str(&out),
	    "{\"Image\":\"busybox:1\",\"Hostname\":\"h\",\"User\":\"0:0\","
	    "\"WorkingDir\":\"/w\",\"Entrypoint\":[\"/.hub-agent\"],"
	    "\"Cmd\":[\"/hub/s\"],\"Env\":[\"A=b \\\"c\\\"\"],"
	    "\"Labels\":{\"k\":\"v\"},\"Volumes\":{\"/work\":{}},"
	    "\"OpenStdin\":true,\"NetworkDisabled\":true,\"HostConfig\":{"
	    "\"Binds\":[\"/d:/hub:ro\",\"/a:/.hub-agent:ro\"],"
	    "\"Tmpfs\":{\"/tmp\":\"size=1m\"},\"Dns\":[\"1.1.1.1\"],"
	    "\"ExtraHosts\":[\"gw:10.0.0.1\"],\"NetworkMode\":\"none\","
	    "\"Memory\":1048576,\"MemorySwap\":1048576,"
	    "\"NanoCpus\":500000000,\"PidsLimit\":64,\"CapDrop\":[\"ALL\"],"
	    "\"CapAdd\":[\"CHOWN\",\"SETUID\"],"
	    "\"SecurityOpt\":[\"no-new-privileges\"],\"ReadonlyRootfs\":true,"
	    "\"Init\":true,\"LogConfig\":{\"Type\":\"none\"}}}");
}

static void create_body_of_the_least(void **state)
{
	const struct engine_container_spec spec = {
	    .image = "x", .network_mode = "container:abc"};
	CLEANUP(buf_fini) struct buf out = {.max = 4096};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(engine_spec_json(&spec, &out, &err), 0);
	assert_string_equal(buf_str(&out),
	    "{\"Image\":\"x\",\"HostConfig\":{"
	    "\"NetworkMode\":\"container:abc\","
	    "\"LogConfig\":{\"Type\":\"none\"}}}");
}

static void create_body_has_a_bound(void **state)
{
	const struct engine_container_spec spec = {.name = "n", .image = "x"};
	CLEANUP(buf_fini) struct buf out = {.max = 20};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(engine_spec_json(&spec, &out, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_string_equal(err.code, "container_spec_too_large");
}

/* -- refusals ----------------------------------------------------------------
 */

static const struct {
	int status;
	enum engine_object object;
	const char *body;
	enum err_kind kind;
	const char *code;
	const char *msg; /* a part of it */
} refusals[] = {
    {404, ENGINE_CONTAINER, "{\"message\":\"No such container: x\"}",
	ERR_NOT_FOUND, "container_not_found", "No such container: x"},
    {404, ENGINE_CONTAINER, "{\"message\":\"No such image: x:1\"}",
	ERR_NOT_FOUND, "image_not_found", "No such image"},
    {404, ENGINE_CONTAINER, "{\"message\":\"network n not found\"}",
	ERR_NOT_FOUND, "network_not_found", "network n"},
    {404, ENGINE_IMAGE, "{\"message\":\"?\"}", ERR_NOT_FOUND, "image_not_found",
	"?"},
    {404, ENGINE_NETWORK, "{}", ERR_NOT_FOUND, "network_not_found",
	"status 404"},
    {404, ENGINE_VOLUME, "", ERR_NOT_FOUND, "volume_not_found", "status 404"},
    {404, ENGINE_NETWORK,
	"{\"message\":\"could not find an available, non-overlapping IPv4 "
	"address pool among the defaults to assign to the network\"}",
	ERR_LIMIT, "network_pool_exhausted", "address pool"},
    {404, ENGINE_CONTAINER, "Not Found", ERR_INVALID, "engine_unsupported",
	"Not Found"},
    {404, ENGINE_SELF, "{\"message\":\"page not found\"}", ERR_INVALID,
	"engine_unsupported", "page not found"},
    {409, ENGINE_CONTAINER,
	"{\"message\":\"Conflict. The container name \\\"/x\\\" is already in "
	"use by container \\\"y\\\".\"}",
	ERR_CONFLICT, "name_in_use", "already in use"},
    {409, ENGINE_CONTAINER,
	"{\"message\":\"removal of container x is already in progress\"}",
	ERR_CONFLICT, "removal_in_progress", "progress"},
    {409, ENGINE_CONTAINER, "{\"message\":\"Container x is not running\"}",
	ERR_CONFLICT, "container_not_running", "not running"},
    {409, ENGINE_CONTAINER, "{\"message\":\"other\"}", ERR_CONFLICT,
	"container_conflict", "other"},
    {409, ENGINE_NETWORK,
	"{\"message\":\"network with name n already exists\"}", ERR_CONFLICT,
	"name_in_use", "exists"},
    {403, ENGINE_NETWORK, "{\"message\":\"n has active endpoints\"}",
	ERR_CONFLICT, "network_in_use", "endpoints"},
    {403, ENGINE_NETWORK,
	"{\"message\":\"Pool overlaps with other one on this address space\"}",
	ERR_CONFLICT, "network_overlap", "Pool"},
    {403, ENGINE_CONTAINER, "{\"message\":\"plugin says no\"}", ERR_FORBIDDEN,
	"engine_forbidden", "plugin says no"},
    {400, ENGINE_CONTAINER, "{\"message\":\"No command specified\"}",
	ERR_INVALID, "engine_refused", "No command specified"},
    {400, ENGINE_SELF,
	"{\"message\":\"client version 1.43 is too new. Maximum supported API "
	"version is 1.41\"}",
	ERR_UNAVAILABLE, "engine_version", "too new"},
    {500, ENGINE_CONTAINER,
	"{\"message\":\"OCI runtime create failed:\\n exec\\u0007 x\"}",
	ERR_INTERNAL, "engine_error", "failed: exec x"},
    {500, ENGINE_CONTAINER,
	"{\"message\":\"write /x: no space left on "
	"device\"}",
	ERR_UNAVAILABLE, "disk_full", "no space"},
    {500, ENGINE_CONTAINER, "<html>oops", ERR_INTERNAL, "engine_error",
	"<html>oops"},
    {503, ENGINE_SELF, "", ERR_UNAVAILABLE, "engine_busy", "status 503"},
    {501, ENGINE_SELF, "{\"message\":\"no\"}", ERR_INVALID,
	"engine_unsupported", "no"},
    {302, ENGINE_SELF, "", ERR_INVALID, "engine_refused", "status 302"},
};

static void refusals_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct err err = ERR_INIT;
		const char *body = refusals[i].body;

		assert_int_equal(
		    engine_refused(refusals[i].status, body, strlen(body),
			refusals[i].object, "do it", &err),
		    -1);
		assert_string_equal(err.code, refusals[i].code);
		assert_int_equal(err.kind, refusals[i].kind);
		assert_non_null(strstr(err.msg, refusals[i].msg));
		assert_int_equal(strncmp(err.msg, "do it: ", 7), 0);
	}
}

static void refusal_without_end_is_cut(void **state)
{
	size_t len = 100000;
	char *body = mem_alloc(len + 1);
	struct err err = ERR_INIT;

	(void)state;
	memset(body, 'x', len);
	body[len] = '\0';
	assert_int_equal(
	    engine_refused(500, body, len, ENGINE_SELF, "do", &err), -1);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	mem_free(body);
}

static void hijack_refusal_keeps_the_words(void **state)
{
	const struct engine_request req = {
	    .doing = "attach", .object = ENGINE_CONTAINER};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(&err, ERR_NOT_FOUND, "http_404",
			     "POST /x on unix:///s: status 404: "
			     "{\"message\":\"No such container: x\"}"),
	    -1);
	assert_true(engine_hijack_refused(&err, &req));
	assert_string_equal(err.code, "container_not_found");
	assert_string_equal(
	    err.msg, "attach: the engine says: No such container: x");
	assert_int_equal(
	    err_set(&err, ERR_UNAVAILABLE, "connect_failed", "no"), -1);
	assert_false(engine_hijack_refused(&err, &req));
	assert_string_equal(err.code, "connect_failed");
}

/* -- a lost reply
 * --------------------------------------------------------------- */

static void lost_replies(void **state)
{
	static const struct {
		bool repeatable, own_deadline;
		enum err_kind in;
		const char *in_code;
		enum err_kind kind;
		const char *code;
	} t[] = {
	    {false, false, ERR_UNCERTAIN, "connection_lost", ERR_UNCERTAIN,
		"connection_lost"},
	    {true, false, ERR_UNCERTAIN, "connection_lost", ERR_UNAVAILABLE,
		"engine_down"},
	    {true, false, ERR_UNCERTAIN, "canceled", ERR_CANCELED, "canceled"},
	    {true, false, ERR_UNCERTAIN, "timeout", ERR_TIMEOUT, "timeout"},
	    {true, true, ERR_UNCERTAIN, "timeout", ERR_UNAVAILABLE,
		"engine_timeout"},
	    {false, true, ERR_UNCERTAIN, "timeout", ERR_UNCERTAIN, "timeout"},
	    {false, false, ERR_CANCELED, "canceled", ERR_CANCELED, "canceled"},
	    {false, false, ERR_LIMIT, "reply_too_large", ERR_LIMIT,
		"reply_too_large"},
	};
	struct engine *e;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(engine_open(&e, "tcp://127.0.0.1:1", &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct engine_request req = {.doing = "do it",
		    .repeatable = t[i].repeatable,
		    .timeout_ms = 1000};

		assert_int_equal(
		    err_set(&err, t[i].in, t[i].in_code, "the reason"), -1);
		assert_int_equal(
		    engine_unreached(e, &req, t[i].own_deadline, &err), -1);
		assert_int_equal(err.kind, t[i].kind);
		assert_string_equal(err.code, t[i].code);
		assert_int_equal(strncmp(err.msg, "do it: ", 7), 0);
	}
	engine_close(e);
}

/* -- versions, names
 * -------------------------------------------------------------- */

static void version_is_chosen(void **state)
{
	static const struct {
		const char *min, *max, *use; /* NULL: refused */
	} t[] = {
	    {"1.12", "1.41", "1.41"},
	    {NULL, "1.41", "1.41"},
	    {"1.24", "1.43", "1.43"},
	    {"1.24", "1.51", "1.43"},
	    {"1.44", "1.52", "1.44"},
	    {"1.45", "1.60", NULL},
	    {"1.12", "1.40", NULL},
	    {"1.12", "1.9", NULL},
	    {"1.12", "", NULL},
	    {"1.12", NULL, NULL},
	    {"1.12", "latest", NULL},
	    {"1.12", "1.41.2", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char got[ENGINE_API_LEN];
		struct err err = ERR_INIT;
		int r = engine_api_choose(t[i].min, t[i].max, got, &err);

		assert_int_equal(r, t[i].use != NULL ? 0 : -1);
		if (t[i].use != NULL)
			assert_string_equal(got, t[i].use);
		else
			assert_int_not_equal(err.kind, ERR_NONE);
	}
}

static void names_and_refs(void **state)
{
	static const char *const good[] = {"busybox", "busybox:1.36",
	    "ghcr.io/a/b:x", "127.0.0.1:5000/a/b_c.d-e:1", "a@sha256:0123abc"};
	static const char *const bad[] = {"", "/a", "a/", "a//b", "../a",
	    "a/..", "a/../b", "a/./b", "a b", "a?x=1", "a#b", "a%2e", "a\nb",
	    "\xc3\xa4", ":1", "@x"};
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(engine_check_ref(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(engine_check_ref(bad[i], &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_int_equal(
		    engine_check_name(bad[i], ENGINE_CONTAINER, &err), -1);
	}
	assert_int_equal(engine_check_name("a_b.c-1", ENGINE_NETWORK, &err), 0);
	assert_int_equal(engine_check_name("..", ENGINE_NETWORK, &err), -1);
	assert_int_equal(engine_check_name(NULL, ENGINE_VOLUME, &err), -1);
	assert_int_equal(engine_check_ref(NULL, &err), -1);
}

static void label_filter(void **state)
{
	static const char *const labels[] = {"a=b c", "d", NULL};
	CLEANUP(buf_fini) struct buf out = {.max = 4096};

	(void)state;
	engine_put_label_filter(&out, labels);
	assert_string_equal(buf_str(&out),
	    "filters=%7B%22label%22%3A%5B%22a%3Db%20c%22%2C%22d%22%5D%7D");
}

/* -- frames
 * ---------------------------------------------------------------------- */

static void put_frame(
    struct buf *b, uint8_t stream, const char *data, uint32_t len)
{
	const uint8_t h[FRAMES_HEADER_LEN] = {stream, 0, 0, 0,
	    (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
	    (uint8_t)len};

	assert_int_equal(buf_append(b, h, sizeof(h)), 0);
	assert_int_equal(buf_append(b, data, len), 0);
}

/* Feeds in pieces of random size; what comes out per stream goes to out. */
static void feed_split(const struct buf *in, unsigned seed, struct buf out[4])
{
	struct frames f;
	struct err err = ERR_INIT;
	size_t at = 0;

	srand(seed);
	frames_init(&f, FRAMES_PAYLOAD_MAX);
	while (at < in->len) {
		size_t len = 1 + (size_t)rand() % 40;
		const char *p = in->data + at;
		struct frames_piece piece;
		int r;

		if (len > in->len - at)
			len = in->len - at;
		at += len;
		while ((r = frames_next(&f, &p, &len, &piece, &err)) > 0) {
			assert_true(piece.len > 0);
			assert_int_equal(buf_append(&out[piece.stream],
					     piece.data, piece.len),
			    0);
		}
		assert_int_equal(r, 0);
		assert_int_equal(len, 0);
	}
	assert_true(frames_at_boundary(&f));
}

static void frames_split_anywhere(void **state)
{
	CLEANUP(buf_fini) struct buf in = {.max = 1 << 20};
	struct buf want[4], got[4];
	char data[300];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		buf_init(&want[i], 1 << 20);
	srand(42);
	for (int i = 0; i < 200; i++) {
		uint8_t stream = (uint8_t)(rand() % 4);
		uint32_t len = (uint32_t)(rand() % 300); /* 0 as well */

		for (uint32_t k = 0; k < len; k++)
			data[k] = (char)rand();
		put_frame(&in, stream, data, len);
		assert_int_equal(buf_append(&want[stream], data, len), 0);
	}
	for (unsigned seed = 0; seed < 50; seed++) {
		for (size_t i = 0; i < 4; i++)
			buf_init(&got[i], 1 << 20);
		feed_split(&in, seed, got);
		for (size_t i = 0; i < 4; i++) {
			assert_int_equal(got[i].len, want[i].len);
			assert_memory_equal(
			    got[i].data, want[i].data, want[i].len);
			buf_fini(&got[i]);
		}
	}
	for (size_t i = 0; i < 4; i++)
		buf_fini(&want[i]);
}

static int frames_refuse(const char *bytes, size_t len, uint32_t max)
{
	struct frames f;
	struct frames_piece piece;
	struct err err = ERR_INIT;
	int r;

	frames_init(&f, max);
	r = frames_next(&f, &bytes, &len, &piece, &err);
	if (r < 0)
		assert_string_equal(err.code, "engine_frame");
	return r;
}

static void frames_refuse_what_is_none(void **state)
{
	struct frames f;
	struct frames_piece piece;
	struct err err = ERR_INIT;
	const char *p = "\x01\0\0\0\0\0\0\x02"
			"a";
	size_t len = 9;

	(void)state;
	assert_int_equal(frames_refuse("HTTP/1.1", 8, 100), -1);
	assert_int_equal(frames_refuse("\x04\0\0\0\0\0\0\x01", 8, 100), -1);
	assert_int_equal(frames_refuse("\x01\0\0\x01\0\0\0\x01", 8, 100), -1);
	assert_int_equal(frames_refuse("\x01\0\0\0\0\0\0\x65", 8, 100), -1);
	assert_int_equal(
	    frames_refuse("\x01\0\0\0\xff\xff\xff\xff", 8, FRAMES_PAYLOAD_MAX),
	    -1);
	assert_int_equal(frames_refuse("\x01\0\0\0\0\0\0\x64", 8, 100), 0);
	frames_init(&f, 100);
	assert_int_equal(frames_next(&f, &p, &len, &piece, &err), 1);
	assert_int_equal(piece.stream, FRAMES_STDOUT);
	assert_int_equal(piece.len, 1);
	assert_false(frames_at_boundary(&f));
}

/* -- lines and events
 * ------------------------------------------------------------- */

static int collect_line(void *arg, const char *text, size_t len)
{
	struct buf *out = arg;

	assert_int_equal(text[len], '\0');
	assert_int_equal(buf_printf(out, "[%s]", text), 0);
	return strcmp(text, "stop") == 0 ? 7 : 0;
}

static void lines_split_anywhere(void **state)
{
	static const char in[] = "one\ntwo\r\n\n\r\nlonger than ten\nx\nlast";
	size_t size = strlen(in);

	(void)state;
	for (size_t piece = 1; piece <= size; piece++) {
		CLEANUP(buf_fini) struct buf out = {.max = 1000};
		struct lines l;

		lines_init(&l, 10);
		for (size_t at = 0; at < size; at += piece) {
			size_t len = size - at < piece ? size - at : piece;

			assert_int_equal(
			    lines_feed(&l, in + at, len, collect_line, &out),
			    0);
		}
		assert_string_equal(buf_str(&out), "[one][two][x]");
		assert_int_equal(lines_end(&l, collect_line, &out), 0);
		assert_string_equal(buf_str(&out), "[one][two][x][last]");
		assert_int_equal(l.dropped, 1);
		lines_fini(&l);
	}
}

static void lines_stop_when_told(void **state)
{
	CLEANUP(buf_fini) struct buf out = {.max = 1000};
	struct lines l;

	(void)state;
	lines_init(&l, 10);
	assert_int_equal(
	    lines_feed(&l, "a\nstop\nb\n", 9, collect_line, &out), 7);
	assert_string_equal(buf_str(&out), "[a][stop]");
	lines_fini(&l);
}

static int parse(const char *line, struct engine_event *ev)
{
	return engine_event_parse(line, strlen(line), ev);
}

static void events_of_docker_and_podman(void **state)
{
	struct engine_event ev;

	(void)state;
	assert_int_equal(
	    parse(
		"{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":"
		"\"abc\",\"Attributes\":{\"exitCode\":\"137\",\"job\":\"7\"}},"
		"\"time\":1,\"timeNano\":1795286966857442661}",
		&ev),
	    1);
	assert_string_equal(ev.action, "die");
	assert_string_equal(ev.id, "abc");
	assert_int_equal(ev.exit_code, 137);
	assert_true(ev.time_ns == INT64_C(1795286966857442661));
	assert_string_equal(ev.label(&ev, "job"), "7");
	assert_null(ev.label(&ev, "none"));
	engine_event_fini(&ev);
	assert_int_equal(
	    parse("{\"Type\":\"container\",\"Action\":\"died\",\"Actor\":{"
		  "\"ID\":\"a\",\"Attributes\":{\"containerExitCode\":\"3\"}},"
		  "\"time\":2}",
		&ev),
	    1);
	assert_string_equal(ev.action, "die");
	assert_int_equal(ev.exit_code, 3);
	assert_true(ev.time_ns == 2 * CLOCK_NS_PER_S);
	engine_event_fini(&ev);
	assert_int_equal(parse("{\"Type\":\"container\",\"Action\":\"remove\","
			       "\"Actor\":{\"ID\":\"a\"}}",
			     &ev),
	    1);
	assert_string_equal(ev.action, "destroy");
	assert_int_equal(ev.exit_code, -1);
	assert_null(ev.label(&ev, "job"));
	engine_event_fini(&ev);
}

static void events_that_are_none(void **state)
{
	static const char *const none[] = {"", "{", "[]", "null", "7",
	    "{\"Type\":\"network\",\"Action\":\"x\",\"Actor\":{\"ID\":\"a\"}}",
	    "{\"Type\":\"container\",\"Actor\":{\"ID\":\"a\"}}",
	    "{\"Type\":\"container\",\"Action\":\"die\"}",
	    "{\"Type\":\"container\",\"Action\":7,\"Actor\":{\"ID\":\"a\"}}",
	    "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\""
	    "0123456789012345678901234567890123456789012345678901234567890123"
	    "4\"}}"};
	struct engine_event ev;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_int_equal(parse(none[i], &ev), 0);
}

static void numbers_beyond_int64_are_survived(void **state)
{
	static const char text[] =
	    "{\"a\":18446744073709551615,\"b\":{\"c\":7},\"d\":\"x\"}";
	struct err err = ERR_INIT;
	CLEANUP(json_decref)
	json_t *doc = answer_parse(text, strlen(text), "t", &err);

	(void)state;
	assert_non_null(doc);
	assert_true(answer_int(doc, "a") == 0);
	assert_true(answer_int(doc, "b.c") == 7);
	assert_true(answer_int(doc, "d") == 0);
	assert_null(answer_at(doc, "b.c.e"));
	assert_null(answer_parse("{", 1, "t", &err));
	assert_string_equal(err.code, "engine_answer");
}

static void created_without_an_id_is_uncertain(void **state)
{
	char id[ENGINE_ID_LEN];
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(
	    answer_created_id("{\"Id\":\"ab\"}", 11, "t", id, &err), 0);
	assert_string_equal(id, "ab");
	assert_int_equal(answer_created_id("{}", 2, "t", id, &err), -1);
	assert_int_equal(err.kind, ERR_UNCERTAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(create_body_of_a_sandbox),
	    cmocka_unit_test(create_body_of_the_least),
	    cmocka_unit_test(create_body_has_a_bound),
	    cmocka_unit_test(refusals_are_understood),
	    cmocka_unit_test(refusal_without_end_is_cut),
	    cmocka_unit_test(hijack_refusal_keeps_the_words),
	    cmocka_unit_test(lost_replies),
	    cmocka_unit_test(version_is_chosen),
	    cmocka_unit_test(names_and_refs),
	    cmocka_unit_test(label_filter),
	    cmocka_unit_test(frames_split_anywhere),
	    cmocka_unit_test(frames_refuse_what_is_none),
	    cmocka_unit_test(lines_split_anywhere),
	    cmocka_unit_test(lines_stop_when_told),
	    cmocka_unit_test(events_of_docker_and_podman),
	    cmocka_unit_test(events_that_are_none),
	    cmocka_unit_test(numbers_beyond_int64_are_survived),
	    cmocka_unit_test(created_without_an_id_is_uncertain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
