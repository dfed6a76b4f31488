/* .runner/config.yml: what is read, what is missing, and every mistake with
 * its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "components/descriptor.h"

#define HEAD                                                                   \
	"runner:\n  type: docker\n  dockerfile: Dockerfile\n  ports: [8080]\n"

static void must_read(const char *text, struct descriptor *d)
{
	CLEANUP(problems_fini) struct problems p = {0};
	struct err err = ERR_INIT;

	if (descriptor_parse(text, strlen(text), "c.yml", d, &p, &err) < 0)
		fail_msg("%s", err.msg);
	if (p.n > 0)
		fail_msg("%d:%d %s", p.v[0].line, p.v[0].column, p.v[0].text);
}

/* All problems as lines "line:column[ warning]: text". */
static char *problems_of(const char *text, size_t len)
{
	CLEANUP(problems_fini) struct problems p = {0};
	CLEANUP(descriptor_fini) struct descriptor d = {0};
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 20};
	struct err err = ERR_INIT;
	int rc = descriptor_parse(text, len, "c.yml", &d, &p, &err);

	assert_int_equal(rc, p.errors > 0 ? -1 : 0);
	if (rc < 0) {
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.code, "INVALID_CONFIGURATION");
		assert_int_equal(strncmp(err.msg, "c.yml", 5), 0);
		assert_null(d.dockerfile);
	}
	for (size_t i = 0; i < p.n; i++)
		assert_int_equal(
		    buf_printf(&out, "%d:%d%s: %s\n", p.v[i].line,
			p.v[i].column, p.v[i].warning ? " warning" : "",
			p.v[i].text),
		    0);
	return mem_strdup(buf_str(&out));
}

static void the_least(void **state)
{
	CLEANUP(descriptor_fini) struct descriptor d = {0};

	(void)state;
	must_read(HEAD, &d);
	assert_string_equal(d.dockerfile, "Dockerfile");
	assert_string_equal(d.context, ".");
	assert_int_equal(d.dockerfile_at.line, 3);
	assert_int_equal(d.dockerfile_at.column, 15);
	assert_int_equal(d.context_at.line, 0);
	assert_int_equal(d.nports, 1);
	assert_int_equal(d.ports[0].host, 8080);
	assert_int_equal(d.ports[0].container, 8080);
	assert_false(d.ports[0].udp);
	assert_int_equal(d.health.kind, HEALTH_NONE);
	assert_int_equal(d.restart, RESTART_NO);
	assert_null(d.target);
	assert_null(d.command);
	assert_null(d.secrets);
	assert_int_equal(d.nargs + d.nenvironment, 0);
	assert_true(d.cpus == 0);
	assert_int_equal(
	    d.memory_bytes + d.pids + d.ttl_ms + d.idle_ms + d.stop_grace_ms,
	    0);
}

static const char everything[] =
    "# a comment\r\n"
    "runner:\r\n"
    "  type: \"docker\"\r\n"
    "  dockerfile: ./docker//web/Dockerfile\r\n"
    "  ports:\r\n"
    "    - 8080\r\n"
    "    - 9090:90\r\n"
    "    - \"5353:53/udp\"\r\n"
    "    - 0:70/tcp\r\n"
    "    - 8080/udp\r\n"
    "  environment:\r\n"
    "    VERSION: 1.10\r\n"
    "    MODE: 0o17\r\n"
    "    HEX: 0x10\r\n"
    "    BIG: 1e3\r\n"
    "    NONE: null\r\n"
    "    SWITCH: yes\r\n"
    "    EMPTY:\r\n"
    "    server.port: '8080'\r\n"
    "    TEXT: \"a\\nb\"\r\n"
    "  healthCheck: {kind: http, path: /healthz, port: 90, interval: 5s,\r\n"
    "    timeout: 500ms, retries: 5, startPeriod: 1m30s}\r\n"
    "  build:\r\n"
    "    context: web/\r\n"
    "    target: prod\r\n"
    "    args: {NODE: 20.10}\r\n"
    "  resources: {cpus: 0.5, memory: 1.5g, pids: 100}\r\n"
    "  command: [node, server.js, --port, 8080, '']\r\n"
    "  secrets: [API_TOKEN, db.password]\r\n"
    "  ttl: 8h\r\n"
    "  idleStop: 30m\r\n"
    "  stopGracePeriod: 20s\r\n"
    "  restart: on-failure\r\n";

static void ports_are(const struct descriptor *d)
{
	static const struct descriptor_port want[] = {{8080, 8080, false},
	    {9090, 90, false}, {5353, 53, true}, {0, 70, false},
	    {8080, 8080, true}};

	assert_int_equal(d->nports, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_int_equal(d->ports[i].host, want[i].host);
		assert_int_equal(d->ports[i].container, want[i].container);
		assert_int_equal(d->ports[i].udp, want[i].udp);
	}
}

/* What stands in the file, not what a YAML type would make of it. */
static void environment_is(const struct descriptor *d)
{
	static const struct descriptor_pair want[] = {
	    {(char *)"VERSION", (char *)"1.10"},
	    {(char *)"MODE", (char *)"0o17"}, {(char *)"HEX", (char *)"0x10"},
	    {(char *)"BIG", (char *)"1e3"}, {(char *)"NONE", (char *)"null"},
	    {(char *)"SWITCH", (char *)"yes"}, {(char *)"EMPTY", (char *)""},
	    {(char *)"server.port", (char *)"8080"},
	    {(char *)"TEXT", (char *)"a\nb"}};

	assert_int_equal(d->nenvironment, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_string_equal(d->environment[i].name, want[i].name);
		assert_string_equal(d->environment[i].value, want[i].value);
	}
}

static void all_of_it(void **state)
{
	CLEANUP(descriptor_fini) struct descriptor d = {0};

	(void)state;
	must_read(everything, &d);
	assert_string_equal(d.dockerfile, "docker/web/Dockerfile");
	assert_string_equal(d.context, "web");
	assert_int_equal(d.context_at.line, 24);
	assert_string_equal(d.target, "prod");
	assert_int_equal(d.nargs, 1);
	assert_string_equal(d.args[0].value, "20.10");
	ports_are(&d);
	environment_is(&d);
	assert_int_equal(d.health.kind, HEALTH_HTTP);
	assert_string_equal(d.health.path, "/healthz");
	assert_int_equal(d.health.port, 90);
	assert_int_equal(d.health.interval_ms, 5000);
	assert_int_equal(d.health.timeout_ms, 500);
	assert_int_equal(d.health.retries, 5);
	assert_int_equal(d.health.start_period_ms, 90000);
	assert_true(d.cpus == 0.5);
	assert_int_equal(d.memory_bytes, 1536 << 20);
	assert_int_equal(d.pids, 100);
	assert_string_equal(d.command[3], "8080");
	assert_string_equal(d.command[4], "");
	assert_null(d.command[5]);
	assert_string_equal(d.secrets[1], "db.password");
	assert_null(d.secrets[2]);
	assert_int_equal(d.ttl_ms, 8 * 3600 * 1000);
	assert_int_equal(d.idle_ms, 30 * 60 * 1000);
	assert_int_equal(d.stop_grace_ms, 20000);
	assert_int_equal(d.restart, RESTART_ON_FAILURE);
}

static void health_has_defaults(void **state)
{
	CLEANUP(descriptor_fini) struct descriptor http = {0};
	CLEANUP(descriptor_fini) struct descriptor tcp = {0};

	(void)state;
	must_read(HEAD "  healthCheck: {}\n", &http);
	assert_int_equal(http.health.kind, HEALTH_HTTP);
	assert_string_equal(http.health.path, "/");
	assert_int_equal(http.health.port, 8080);
	assert_int_equal(http.health.interval_ms, 30000);
	assert_int_equal(http.health.timeout_ms, 5000);
	assert_int_equal(http.health.start_period_ms, 60000);
	assert_int_equal(http.health.retries, 3);
	must_read("runner: {type: docker, dockerfile: D, ports: [53/udp, "
		  "'81:80'],\n  healthCheck: {kind: tcp}}",
	    &tcp);
	assert_int_equal(tcp.health.kind, HEALTH_TCP);
	assert_int_equal(tcp.health.port, 80);
	assert_null(tcp.health.path);
}

static void nulls_are_absent(void **state)
{
	CLEANUP(descriptor_fini) struct descriptor d = {0};

	(void)state;
	must_read("\xef\xbb\xbf" HEAD
		  "  environment:\n  build:\n  healthCheck: ~\n"
		  "  ttl: null\n  command:\n  secrets: []\n",
	    &d);
	assert_int_equal(d.nenvironment, 0);
	assert_int_equal(d.health.kind, HEALTH_NONE);
	assert_null(d.command);
	assert_null(d.secrets);
}

/* Lines below HEAD (the fifth line is the first of them) or whole files. */
static const struct {
	const char *text, *problem;
} mistakes[] = {
    /* the file */
    {"", "0:0: the file is empty: expected a map \"runner\""},
    {"# nothing\n", "0:0: the file is empty"},
    {"~", "0:0: the file is empty"},
    {"[]", "1:1: expected a map \"runner\""},
    {"text", "1:1: expected a map \"runner\""},
    {"runner:", "runner is required: expected a map with type, dockerfile"},
    {"runner: []", "1:9: runner: expected a map with type, dockerfile, "
		   "ports, found a list"},
    {"runner: docker", "1:9: runner: \"docker\" is not accepted"},
    {"runer: {type: docker}", "1:1 warning: key \"runer\" is not known and "
			      "not used; did you mean \"runner\"?"},
    {"a: [", "did not find"},
    {"a: b: c", "1:5: mapping values are not allowed"},
    {"a: 1\na: 2\n", "2:1: this key stands here a second time"},
    {HEAD "---\nb: 1\n", "5:1: a second document is not accepted"},
    {"a: &x 1\nb: *x\n", "1:4: anchors and aliases are not accepted"},
    {"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "anchors and aliases"},
    {"a: !!str 1", "1:4: tags are not accepted"},
    {"a: \"\\0\"", "1:4: a NUL character is not accepted"},
    {"a: \xff", "invalid leading UTF-8 octet"},
    {"\tx: 1", "cannot start any token"},
    {"? [a]\n: b", "a key must be a plain name"},
    /* what is required */
    {"runner: {}", "1:9: runner.type is required: expected docker"},
    {"runner: {}", "1:9: runner.dockerfile is required: expected the path"},
    {"runner: {}", "1:9: runner.ports is required: expected a list"},
    {"runner:\n  ports:\n", "runner.ports is required"},
    {"runner: {type: podman}", "1:16: runner.type: \"podman\" is not "
			       "accepted, expected docker"},
    {"runner: {type: Docker}", "\"Docker\" is not accepted"},
    /* dockerfile, context */
    {"runner: {dockerfile: /etc/passwd}",
	"1:22: runner.dockerfile: "
	"\"/etc/passwd\": it must be relative"},
    {"runner: {dockerfile: ../Dockerfile}", "\"..\" is not taken"},
    {"runner: {dockerfile: a/../../b}", "\"..\" is not taken"},
    {"runner: {dockerfile: .}", "\".\" is not accepted, expected the path"},
    {"runner: {dockerfile: ''}", "\"\" is not accepted, expected the path"},
    {"runner: {dockerfile: [a]}", "expected the path of the Dockerfile in "
				  "the repository, such as Dockerfile, found "
				  "a list"},
    {"runner: {dockerfile: \"a\\nb\"}", "it has control characters"},
    {HEAD "  build: {context: /home}\n", "5:20: runner.build.context: "
					 "\"/home\": it must be relative"},
    {HEAD "  build: {context: ..}\n", "\"..\" is not taken"},
    {HEAD "  build: {context: 'https://x/y.git'}\n", "must be relative"},
    {HEAD "  build: {target: --help}\n", "5:19: runner.build.target: "
					 "\"--help\" is not accepted"},
    {HEAD "  build: .\n", "5:10: runner.build: \".\" is not accepted, "
			  "expected a map with context"},
    /* ports */
    {"runner: {ports: 8080}", "1:17: runner.ports: \"8080\" is not accepted, "
			      "expected a list of ports"},
    {"runner: {ports: []}", "1:17: runner.ports: the list is empty"},
    {"runner: {ports: {a: 1}}", "expected a list of ports"},
    {"runner: {ports: [1, 0]}", "1:21: runner.ports[1]: \"0\" is no port: a "
				"port is a whole number from 1 to 65535"},
    {"runner: {ports: [65536]}", "runner.ports[0]: \"65536\" is no port"},
    {"runner: {ports: [-1]}", "\"-1\" is no port"},
    {"runner: {ports: [0x50]}", "\"0x50\" is no port"},
    {"runner: {ports: [80.0]}", "\"80.0\" is no port"},
    {"runner: {ports: [http]}", "\"http\" is no port"},
    {"runner: {ports: ['']}", "\"\" is no port"},
    {"runner: {ports: [~]}", "\"~\" is no port"},
    {"runner: {ports: ['80:']}", "\"80:\" is no port: behind the colon"},
    {"runner: {ports: [':80']}", "\":80\" is no port: before the colon"},
    {"runner: {ports: ['8080:0']}", "\"8080:0\" is no port: behind the colon"},
    {"runner: {ports: ['99999:80']}", "before the colon stands the port of "
				      "the host"},
    {"runner: {ports: ['127.0.0.1:80:80']}", "an address is not taken"},
    {"runner: {ports: ['80-90']}", "\"80-90\" is no port"},
    {"runner: {ports: [80/sctp]}", "behind the slash stands tcp or udp"},
    {"runner: {ports: [80/]}", "behind the slash stands tcp or udp"},
    {"runner: {ports: [[80]]}", "runner.ports[0]: expected a port, such as "
				"8080, found a list"},
    {"runner: {ports: [80, 81, '80:9']}", "1:26: runner.ports[2]: port 80 of "
					  "the host stands in the list"},
    {"runner: {ports: ['0:80', '0:80']}", "runner.ports[1]: port 80 stands"},
    /* environment, args */
    {HEAD "  environment: [A=b]\n", "5:16: runner.environment: expected a map "
				    "of names and values"},
    {HEAD "  environment: {1A: b}\n", "5:17: runner.environment: \"1A\" is "
				      "not accepted as a name"},
    {HEAD "  environment: {'A=B': c}\n", "\"A=B\" is not accepted as a name"},
    {HEAD "  environment: {'': c}\n", "\"\" is not accepted as a name"},
    {HEAD "  environment: {A: [c]}\n", "5:20: runner.environment.A: expected "
				       "one value, found a list"},
    {HEAD "  build: {args: {A: {b: c}}}\n", "runner.build.args.A: expected "
					    "one value, found a map"},
    {HEAD "  build: {args: x}\n", "runner.build.args: \"x\" is not accepted"},
    /* health */
    {HEAD "  healthCheck: /health\n", "5:16: runner.healthCheck: \"/health\" "
				      "is not accepted, expected a map with"},
    {HEAD "  healthCheck: {kind: grpc}\n", "5:23: runner.healthCheck.kind: "
					   "\"grpc\" is not accepted, expected "
					   "http or tcp"},
    {HEAD "  healthCheck: {path: health}\n", "expected a path that begins"},
    {HEAD "  healthCheck: {path: '/a b'}\n", "expected a path that begins"},
    {HEAD "  healthCheck: {path: \"/a\\r\\nX: y\"}\n", "expected a path"},
    {HEAD "  healthCheck: {path: [/]}\n", "found a list"},
    {HEAD "  healthCheck: {port: 0}\n", "from 1 to 65535"},
    {HEAD "  healthCheck: {interval: 0s}\n", "from 1s to 24h"},
    {HEAD "  healthCheck: {interval: 30}\n", "\"30\" is not accepted, "
					     "expected a duration from 1s"},
    {HEAD "  healthCheck: {interval: 25h}\n", "from 1s to 24h"},
    {HEAD "  healthCheck: {interval: soon}\n", "\"soon\" is not accepted"},
    {HEAD "  healthCheck: {timeout: 1h}\n", "from 100ms to 10m"},
    {HEAD "  healthCheck: {retries: 0}\n", "from 1 to 100"},
    {HEAD "  healthCheck: {retries: 1.5}\n", "from 1 to 100"},
    {HEAD "  healthCheck: {startPeriod: -1s}\n", "from 0s to 24h"},
    {HEAD "  healthCheck: {kind: tcp, path: /}\n", "5:34 warning: "
						   "runner.healthCheck.path: a "
						   "check of kind tcp only"},
    {"runner: {type: docker, dockerfile: D, ports: [53/udp],\n"
     "  healthCheck: {}}",
	"2:16: runner.healthCheck.port: required"},
    /* the rest */
    {HEAD "  resources: {cpus: 0}\n", "5:21: runner.resources.cpus: \"0\" is "
				      "not accepted, expected a number of"},
    {HEAD "  resources: {cpus: nan}\n", "\"nan\" is not accepted"},
    {HEAD "  resources: {memory: 512}\n", "\"512\" is not accepted, expected a "
					  "size from 6m"},
    {HEAD "  resources: {memory: lots}\n", "\"lots\" is not accepted"},
    {HEAD "  resources: {pids: 0}\n", "from 1 to 4194304"},
    {HEAD "  resources: 1g\n", "expected a map with cpus, memory, pids"},
    {HEAD "  command: node server.js\n", "5:12: runner.command: \"node "
					 "server.js\" is not accepted, "
					 "expected a list of words"},
    {HEAD "  command: []\n", "runner.command: expected a list of words"},
    {HEAD "  command: ['', a]\n", "runner.command[0]: expected a program"},
    {HEAD "  command: [a, [b]]\n", "5:16: runner.command[1]: expected one "
				   "word, found a list"},
    {HEAD "  secrets: A\n", "expected a list of names"},
    {HEAD "  secrets: [A, A]\n", "5:16: runner.secrets[1]: A stands in the "
				 "list already"},
    {HEAD "  secrets: [A b]\n", "runner.secrets[0]: \"A b\" is not accepted"},
    {HEAD "  secrets: [A]\n  environment: {A: b}\n",
	"5:12: runner.secrets: A stands in runner.environment as well"},
    {HEAD "  ttl: 0s\n", "5:8: runner.ttl: \"0s\" is not accepted, expected a "
			 "duration from 1s to 365d"},
    {HEAD "  ttl: 9999999999999999999h\n", "runner.ttl"},
    {HEAD "  idleStop: [1h]\n", "found a list"},
    {HEAD "  stopGracePeriod: 2h\n", "from 1s to 1h"},
    {HEAD "  restart: sometimes\n", "5:12: runner.restart: \"sometimes\" is "
				    "not accepted, expected no, on-failure or "
				    "always"},
    /* unknown keys */
    {HEAD "  healthcheck: {}\n", "5:3 warning: runner: key \"healthcheck\" is "
				 "not known and not used; did you mean "
				 "\"healthCheck\"?"},
    {HEAD "  env: {}\n", "did you mean \"environment\"?"},
    {HEAD "  idle_stop: 1h\n", "did you mean \"idleStop\"?"},
    {HEAD "  Prots: []\n", "did you mean \"ports\"?"},
    {HEAD "  volumes: []\n", "key \"volumes\" is not known and not used; "
			     "known: type, dockerfile, ports"},
    {HEAD "version: 1\n", "5:1 warning: key \"version\" is not known and not "
			  "used; known: runner"},
    {HEAD "  build: {arg: {}}\n", "runner.build: key \"arg\" is not known and "
				  "not used; did you mean \"args\"?"},
};

static void mistakes_have_a_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
		CLEANUP(mem_free) char *all =
		    problems_of(mistakes[i].text, strlen(mistakes[i].text));

		if (strstr(all, mistakes[i].problem) == NULL)
			fail_msg("%s\nexpected %s\ngot %s", mistakes[i].text,
			    mistakes[i].problem, all);
	}
}

static void all_of_them_at_once(void **state)
{
	static const char text[] = "runner:\n"
				   "  type: podman\n"
				   "  ports: [0, 80, 80]\n"
				   "  tll: 1h\n"
				   "  build:\n"
				   "    context: ../x\n"
				   "  restart: maybe\n";
	static const char want[] =
	    "2:3: runner.dockerfile is required: expected the path of the "
	    "Dockerfile in the repository, such as Dockerfile\n"
	    "2:9: runner.type: \"podman\" is not accepted, expected docker\n"
	    "3:11: runner.ports[0]: \"0\" is no port: a port is a whole "
	    "number from 1 to 65535; expected 8080, \"8080:80\" "
	    "(host:container) or \"8080:80/udp\"\n"
	    "3:18: runner.ports[2]: port 80 of the host stands in the list "
	    "already\n"
	    "4:3 warning: runner: key \"tll\" is not known and not used; did "
	    "you mean \"ttl\"?\n"
	    "6:14: runner.build.context: \"../x\": \"..\" is not taken, only "
	    "what is in the repository can be used\n"
	    "7:12: runner.restart: \"maybe\" is not accepted, expected no, "
	    "on-failure or always\n";
	CLEANUP(mem_free) char *all = problems_of(text, sizeof(text) - 1);
	CLEANUP(problems_fini) struct problems p = {0};
	struct descriptor d = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_string_equal(all, want);
	assert_int_equal(descriptor_parse(text, sizeof(text) - 1,
			     ".runner/config.yml", &d, &p, &err),
	    -1);
	assert_string_equal(err.msg,
	    ".runner/config.yml:2:3: runner.dockerfile is required: expected "
	    "the path of the Dockerfile in the repository, such as Dockerfile "
	    "(and 5 more)");
}

/* Whoever sends a flood of mistakes gets a page of them, errors included. */
static void problems_are_bounded(void **state)
{
	CLEANUP(buf_fini) struct buf text = {.max = 1 << 20};
	CLEANUP(problems_fini) struct problems p = {0};
	struct descriptor d = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(buf_append_str(&text, "runner:\n"), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&text, "  unheard%d: 1\n", i), 0);
	assert_int_equal(buf_append_str(&text, "  environment:\n"), 0);
	for (int i = 0; i < 200; i++)
		assert_int_equal(buf_printf(&text, "    %d: 1\n", i), 0);
	assert_int_equal(
	    descriptor_parse(buf_str(&text), text.len, "c.yml", &d, &p, &err),
	    -1);
	assert_int_equal(p.n, PROBLEMS_MAX);
	assert_int_equal(p.errors, 203);
	assert_int_equal(p.warnings, 1000);
	assert_non_null(strstr(err.msg, "(and 202 more)"));
}

static char *with_list(const char *before, size_t n, const char *each)
{
	struct buf text = {.max = 1 << 20};

	assert_int_equal(buf_printf(&text, "%s[", before), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_printf(&text, each, i), 0);
	assert_int_equal(buf_append_str(&text, "]\n"), 0);
	return buf_steal(&text, NULL);
}

static void lengths_are_bounded(void **state)
{
	static const struct {
		const char *before, *each;
		size_t n;
		const char *problem;
	} cases[] = {
	    {"runner:\n  ports: ", "1%03zu, ", 65, "more than 64 ports"},
	    {HEAD "  command: ", "a%zu, ", 257, "more than 256 entries"},
	    {HEAD "  secrets: ", "A%zu, ", 257, "more than 256 entries"},
	    {HEAD "  x: ", "[", 4000, "nested too deeply"},
	    {HEAD "  x: ", "%zu, ", 20000, "too many values"},
	};
	CLEANUP(mem_free) char *big = mem_zalloc(DESCRIPTOR_BYTES_MAX + 2);
	CLEANUP(mem_free) char *problem = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free) char *text =
		    with_list(cases[i].before, cases[i].n, cases[i].each);
		CLEANUP(mem_free) char *all = problems_of(text, strlen(text));

		if (strstr(all, cases[i].problem) == NULL)
			fail_msg("%s: %s", cases[i].problem, all);
	}
	memset(big, '#', DESCRIPTOR_BYTES_MAX + 1);
	problem = problems_of(big, DESCRIPTOR_BYTES_MAX + 1);
	assert_string_equal(problem, "0:0: the file is larger than 256 KiB\n");
	memcpy(big, "runner: {environment: {A: ", 26);
	memset(big + 26, 'x', 40000);
	memcpy(big + 26 + 40000, "}}", 3);
	mem_free(problem);
	problem = problems_of(big, strlen(big));
	assert_non_null(strstr(
	    problem, "runner.environment.A: the value is longer than 32768"));
	assert_null(strstr(problem, "xxxx"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_least),
	    cmocka_unit_test(all_of_it), cmocka_unit_test(health_has_defaults),
	    cmocka_unit_test(nulls_are_absent),
	    cmocka_unit_test(mistakes_have_a_place),
	    cmocka_unit_test(all_of_them_at_once),
	    cmocka_unit_test(problems_are_bounded),
	    cmocka_unit_test(lengths_are_bounded)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
