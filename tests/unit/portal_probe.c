/*
 * A command-line face of portal/portal.h for the integration tests: it opens a
 * portal and does what the lines of stdin say, one JSON document per line on
 * stdout: the answer, or {"error":{"kind","code","msg"}}. Not installed.
 *
 *   portal_probe URL TOKEN keys|ask
 *
 *   subject TOKEN                  at_once N TOKEN: so many threads at once
 *   entity TOKEN KIND NS NAME      given_up TOKEN: cancelled before it begins
 *   hasty TOKEN: has half a second
 *   entities TOKEN                 later SECONDS: both clocks go on by so much,
 *                                  and stand there
 *
 * Words are divided by tabs. TOKEN "-" of the catalog: the hub's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/parse.h"
#include "portal/portal.h"

enum {
	LINE_BYTES = 64 * 1024,
	THREADS_MAX = 32,
	TIMEOUT_MS = 60000,
	HASTY_MS = 500
};

static struct portal *portal;

/* -- answers ----------------------------------------------------------- */

static void put_error(struct json *j, const struct err *err)
{
	json_kobj(j, "error");
	json_kstr(j, "kind", err_kind_name(err->kind));
	json_kstr(j, "code", err->code);
	json_kstr(j, "msg", err->msg);
	json_end(j);
}

static void put_subject(struct json *j, const struct portal_subject *s)
{
	json_kstr(j, "kind", s->kind == PORTAL_USER ? "user" : "plugin");
	json_kstr(j, "ref", s->ref);
	json_karr(j, "groups");
	for (size_t i = 0; s->groups[i] != NULL; i++)
		json_str(j, s->groups[i]);
	json_end(j);
	json_kint(j, "expiresAt", s->expires_at / CLOCK_NS_PER_S);
}

static void subject(struct json *j, const struct ctx *ctx, const char *token)
{
	CLEANUP(portal_subject_fini) struct portal_subject s = {0};
	struct err err = ERR_INIT;

	if (portal_subject_of(portal, ctx, token, &s, &err) == 0)
		put_subject(j, &s);
	else
		put_error(j, &err);
}

/* -- the catalog ------------------------------------------------------- */

static const char *or_none(const char *token)
{
	return strcmp(token, "-") == 0 ? NULL : token;
}

static void put_entity(struct json *j, const json_t *entity)
{
	char *text = json_dumps(entity, JSON_COMPACT);

	json_raw(j, text);
	free(text); /* allow: free, jansson's */
}

static void entity(struct json *j, const struct ctx *ctx, char **words)
{
	struct err err = ERR_INIT;
	json_t *found = NULL;
	int n = portal_entity(portal, ctx, or_none(words[1]), words[2],
	    words[3], words[4], &found, &err);

	if (n < 0) {
		put_error(j, &err);
		return;
	}
	json_kint(j, "found", n);
	json_karr(j, "entities");
	if (n > 0)
		put_entity(j, found);
	json_end(j);
	json_decref(found);
}

static int take(void *arg, const json_t *one, struct err *err)
{
	const char *name = json_string_value(
	    json_object_get(json_object_get(one, "metadata"), "name"));

	if (strcmp(name, "stop-here") == 0)
		return err_set(err, ERR_CONFLICT, "stopped", "as it was told");
	put_entity(arg, one);
	return 0;
}

static void entities(struct json *j, const struct ctx *ctx, const char *token)
{
	struct err err = ERR_INIT;

	json_karr(j, "entities");
	IGNORE(portal_entities(portal, ctx, or_none(token), take, j, &err) < 0);
	json_end(j);
	if (err.kind != ERR_NONE)
		put_error(j, &err);
}

/* -- several threads --------------------------------------------------- */

struct asker {
	pthread_t thread;
	const struct ctx *ctx;
	const char *token;
	bool known;
};

static void *ask(void *arg)
{
	struct asker *a = arg;
	CLEANUP(portal_subject_fini) struct portal_subject s = {0};
	struct err err = ERR_INIT;

	a->known = portal_subject_of(portal, a->ctx, a->token, &s, &err) == 0;
	return NULL;
}

static void at_once(struct json *j, const struct ctx *ctx, char **words)
{
	struct asker askers[THREADS_MAX];
	struct err err = ERR_INIT;
	int64_t n = 0, known = 0;

	if (parse_int(words[1], 1, THREADS_MAX, &n) < 0)
		exit(2);
	for (int i = 0; i < n; i++) {
		askers[i] = (struct asker){.ctx = ctx, .token = words[2]};
		if (thread_start(
			&askers[i].thread, "asker", ask, &askers[i], &err) < 0)
			exit(2);
	}
	for (int i = 0; i < n; i++) {
		thread_join(askers[i].thread);
		known += askers[i].known;
	}
	json_kint(j, "known", known);
}

/* -- lines ------------------------------------------------------------- */

static void later(struct json *j, const char *seconds)
{
	int64_t s = 0;

	if (parse_int(seconds, 0, 1000000, &s) < 0)
		exit(2);
	clock_fake_set(clock_mono_ns() + s * CLOCK_NS_PER_S,
	    clock_wall_ns() + s * CLOCK_NS_PER_S);
	json_kbool(j, "ok", true);
}

static void given_up(struct json *j, const struct ctx *root, const char *token)
{
	struct cancel cancel;
	struct err err = ERR_INIT;
	struct ctx ctx = ctx_with_cancel(root, &cancel);

	if (cancel_init(&cancel, &err) < 0)
		exit(2);
	cancel_now(&cancel);
	subject(j, &ctx, token);
	cancel_fini(&cancel);
}

static void hasty(struct json *j, const struct ctx *root, const char *token)
{
	struct ctx ctx = ctx_with_timeout(root, HASTY_MS);

	subject(j, &ctx, token);
}

static void run(struct json *j, char **words, int n)
{
	struct ctx root = ctx_root();
	struct ctx ctx = ctx_with_timeout(&root, TIMEOUT_MS);

	if (n == 2 && strcmp(words[0], "subject") == 0)
		subject(j, &ctx, words[1]);
	else if (n == 2 && strcmp(words[0], "given_up") == 0)
		given_up(j, &ctx, words[1]);
	else if (n == 2 && strcmp(words[0], "hasty") == 0)
		hasty(j, &root, words[1]);
	else if (n == 5 && strcmp(words[0], "entity") == 0)
		entity(j, &ctx, words);
	else if (n == 2 && strcmp(words[0], "entities") == 0)
		entities(j, &ctx, words[1]);
	else if (n == 3 && strcmp(words[0], "at_once") == 0)
		at_once(j, &ctx, words);
	else if (n == 2 && strcmp(words[0], "later") == 0)
		later(j, words[1]);
	else
		exit(2);
}

static int split(char *line, char **words, int max)
{
	int n = 0;

	while (n < max && line != NULL)
		words[n++] = strsep(&line, "\t");
	return n;
}

static void answer(char *line)
{
	CLEANUP(buf_fini) struct buf out = {.max = 64 << 20};
	struct json j;
	char *words[8];
	int n = split(line, words, ARRAY_LEN(words));

	json_init(&j, &out);
	json_obj(&j);
	run(&j, words, n);
	json_end(&j);
	printf("%s\n", buf_str(&out));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct portal_config config = {0};
	struct err err = ERR_INIT;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (argc != 4)
		return 2;
	config.url = argv[1];
	config.token = or_none(argv[2]);
	config.verify = strcmp(argv[3], "ask") == 0 ? PORTAL_VERIFY_ASK
						    : PORTAL_VERIFY_KEYS;
	if (portal_open(&portal, &config, &err) < 0) {
		printf("{\"error\":{\"kind\":\"%s\",\"code\":\"%s\","
		       "\"msg\":\"not shown\"}}\n",
		    err_kind_name(err.kind), err.code);
		return 1;
	}
	printf("{}\n");
	fflush(stdout);
	while ((n = getline(&line, &size, stdin)) > 0) {
		line[n - 1] = '\0';
		answer(line);
	}
	free(line); /* allow: free, getline's */
	portal_close(portal);
	return 0;
}
