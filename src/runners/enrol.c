/*
 * Enrolment: a replica that knows the key asks for a token of its own, and
 * proves which container it is by reading a file that only that container
 * has. Challenges are in memory: after a restart of the hub it begins anew.
 * Handler threads.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/tar.h"
#include "base/uuid.h"
#include "runners/runners_internal.h"

enum {
	CHALLENGES_MAX = 256,
	CHALLENGE_MS = 60000,
	CANDIDATES_MAX = 8,
	PROOF_BYTES = 32,
	PROOF_LEN = 2 * PROOF_BYTES + 1,
	ROOTS_BYTES = 64 * 1024,
};

/* Of one that waits for its proof. */
struct challenge {
	struct challenge *next;
	char id[ENROL_ID_LEN];
	char proof[PROOF_LEN];
	char container[ENGINE_ID_LEN];
	char path[64];
	int64_t until_ns;
	char *name, *labels, *scope, *old_token;
};

static void challenge_free(struct challenge *c)
{
	if (c == NULL)
		return;
	secret_wipe(c->proof, sizeof(c->proof));
	if (c->old_token != NULL)
		secret_wipe(c->old_token, strlen(c->old_token));
	mem_free(c->old_token);
	mem_free(c->name);
	mem_free(c->labels);
	mem_free(c->scope);
	mem_free(c);
}
DEFINE_CLEANUP(struct challenge *, challenge_free);

void runners_forget_challenges(struct runners *r)
{
	struct challenge *c;

	while ((c = r->challenges) != NULL) {
		r->challenges = c->next;
		challenge_free(c);
	}
}

/* Those that are over, and one more when there are too many. */
static void drop_old_locked(struct runners *r)
{
	struct challenge **p = &r->challenges;
	size_t n = 0;

	mtx_assert_held(&r->mtx);
	while (*p != NULL) {
		struct challenge *c = *p;

		if (clock_mono_ns() < c->until_ns && ++n < CHALLENGES_MAX) {
			p = &c->next;
			continue;
		}
		*p = c->next;
		challenge_free(c);
	}
}

static void keep(struct runners *r, struct challenge *c)
{
	mtx_lock(&r->mtx);
	drop_old_locked(r);
	c->next = r->challenges;
	r->challenges = c;
	mtx_unlock(&r->mtx);
}

/* Off the list, whatever its proof is worth: good once. */
static struct challenge *take(struct runners *r, const char *id)
{
	struct challenge *c = NULL;

	mtx_lock(&r->mtx);
	drop_old_locked(r);
	for (struct challenge **p = &r->challenges; *p != NULL; p = &(*p)->next)
		if (strcmp((*p)->id, id) == 0) {
			c = *p;
			*p = c->next;
			break;
		}
	mtx_unlock(&r->mtx);
	return c;
}

/* -- the file in the container ----------------------------------------- */

static int put_file(struct runners *r, const struct ctx *ctx,
    const struct challenge *c, const char *content, struct err *err)
{
	CLEANUP(buf_fini) struct buf tar = {.max = 16 * 1024};
	const struct tar_entry e = {.name = strrchr(c->path, '/') + 1,
	    .type = TAR_FILE,
	    .mode = 0444,
	    .size = strlen(content)};
	int rc;

	tar_put_entry(&tar, &e);
	IGNORE(buf_append_str(&tar, content));
	tar_put_padding(&tar, e.size);
	tar_put_end(&tar);
	ASSERT(!tar.overflow);
	rc = engine_container_put_archive(r->config.engine, ctx, c->container,
	    "/tmp", tar.data, tar.len, err);
	secret_wipe(tar.data, tar.len);
	return rc;
}

/* A runner may be any container but one that jobs run in. */
static bool may_be_runner(const struct engine_container *c)
{
	const char *type = engine_container_label(c, PROXY_LABEL_TYPE);

	return strcmp(c->state, "running") == 0 &&
	       (type == NULL || strcmp(type, "proxy") == 0) &&
	       engine_container_label(c, "runnerhub.managed") == NULL;
}

static bool is_id(const char *text)
{
	size_t n = strspn(text, "0123456789abcdef");

	return text[n] == '\0' && n >= 12 && n < ENGINE_ID_LEN;
}

/* 1: the first candidate that runs on our engine; 0 none. */
static int find_container(struct runners *r, const struct ctx *ctx,
    const struct enrol_wish *w, char ret[ENGINE_ID_LEN], struct err *err)
{
	for (size_t i = 0; i < w->ncontainers && i < CANDIDATES_MAX; i++) {
		CLEANUP(engine_container_fini) struct engine_container c = {0};

		if (!is_id(w->containers[i]))
			continue;
		if (engine_container_inspect(r->config.engine, ctx,
			w->containers[i], &c, err) == 0) {
			if (!may_be_runner(&c))
				continue;
			memcpy(ret, c.id, ENGINE_ID_LEN);
			return 1;
		}
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
	}
	return 0;
}

static int challenge(struct runners *r, const struct ctx *ctx,
    const struct enrol_wish *w, const char *container, struct enrol_answer *ret,
    struct err *err)
{
	CLEANUP(challenge_free) struct challenge *c = mem_zalloc(sizeof(*c));
	char noise[17];

	random_hex(c->id, (ENROL_ID_LEN - 1) / 2);
	random_hex(c->proof, PROOF_BYTES);
	snprintf(c->path, sizeof(c->path), "/tmp/.runnerhub-%s",
	    random_hex(noise, 8));
	memcpy(c->container, container, ENGINE_ID_LEN);
	c->until_ns = clock_deadline_ms(CHALLENGE_MS);
	c->name = mem_strdup(w->runner.name);
	c->labels = mem_strdup(w->runner.labels);
	c->scope = mem_strdup_or_null(w->runner.scope);
	c->old_token = mem_strdup_or_null(w->old_token);
	TRY(put_file(r, ctx, c, c->proof, err));
	ret->challenged = true;
	memcpy(ret->challenge, c->id, sizeof(c->id));
	memcpy(ret->path, c->path, sizeof(c->path));
	keep(r, STEAL(c));
	return 0;
}

/* -- the row ----------------------------------------------------------- */

struct claim {
	const struct runner_wish *wish;
	const char *container; /* proven, or "" */
	const char *old_token;
};

/* May it be the runner of that name, which exists? */
static int may_take(struct runners *r, const struct claim *c,
    const struct runner *there, struct err *err)
{
	runner_id whose;
	int known = c->old_token == NULL
			? 0
			: store_runner_by_token(
			      r->config.store, c->old_token, &whose, err);

	TRY(known);
	if (there->made == NULL &&
	    (runner_is(there, "offline") ||
		(known == 1 && uuid_equal(whose.u, there->id.u)) ||
		(*c->container != '\0' && there->container_id != NULL &&
		    strcmp(there->container_id, c->container) == 0)))
		return 0;
	return err_set(err, ERR_CONFLICT, "name_taken",
	    "another runner called %s is %s: give this one another host name, "
	    "or remove that one",
	    there->name, there->status);
}

static int settle_locked(struct runners *r, const struct claim *c,
    const char *roots, struct enrol_answer *ret, struct err *err)
{
	CLEANUP(runner_fini) struct runner there = {0};
	struct store *s = r->config.store;
	struct runner row = {.name = (char *)c->wish->name,
	    .type = (char *)"proxy",
	    .status = (char *)"idle",
	    .labels = (char *)c->wish->labels};
	struct runner_change change = {.roots = roots,
	    .container_id = c->container,
	    .repository = c->wish->scope != NULL ? c->wish->scope : ""};
	int found = store_runner_by_name(s, c->wish->name, &there, err);

	TRY(found);
	if (found == 1)
		TRY(may_take(r, c, &there, err));
	TRY(store_runner_touch(s, &row, &ret->id, err));
	TRY(store_runner_change(s, ret->id, &change, err));
	return store_runner_new_token(s, ret->id, ret->token, err);
}

static int settle(struct runners *r, const struct ctx *ctx,
    const struct claim *c, const char *roots, struct enrol_answer *ret,
    struct err *err)
{
	int rc;

	mtx_lock(&r->life);
	rc = settle_locked(r, c, roots, ret, err);
	mtx_unlock(&r->life);
	TRY(rc);
	log_info(ctx, "runner enrolled", LOG_STR("runner", c->wish->name),
	    LOG_STR("container", *c->container != '\0' ? c->container : NULL));
	return 0;
}

/* -- the two calls ----------------------------------------------------- */

int runners_enrol(struct runners *r, const struct ctx *ctx,
    const struct enrol_wish *wish, struct enrol_answer *ret, struct err *err)
{
	struct claim claim = {.wish = &wish->runner,
	    .container = "",
	    .old_token = wish->old_token};
	char container[ENGINE_ID_LEN];
	int found;

	memset(ret, 0, sizeof(*ret));
	TRY(runner_name_check(wish->runner.name, err));
	found = find_container(r, ctx, wish, container, err);
	TRY(found);
	if (found == 1)
		return challenge(r, ctx, wish, container, ret, err);
	return settle(r, ctx, &claim, "[]", ret, err);
}

/* Takes the same time whatever the difference. */
static bool is_proof(const char *given, const char *proof)
{
	unsigned char diff = 0;

	if (strlen(given) != PROOF_LEN - 1)
		return false;
	for (size_t i = 0; i < PROOF_LEN - 1; i++)
		diff |= (unsigned char)(given[i] ^ proof[i]);
	return diff == 0;
}

int runners_confirm(struct runners *r, const struct ctx *ctx, const char *id,
    const char *proof, struct enrol_answer *ret, struct err *err)
{
	CLEANUP(challenge_free) struct challenge *c = take(r, id);
	CLEANUP(buf_fini) struct buf roots = {.max = ROOTS_BYTES};
	struct err ignored = ERR_INIT;
	struct runner_wish wish;
	struct claim claim = {.wish = &wish};

	memset(ret, 0, sizeof(*ret));
	if (c == NULL)
		return err_set(err, ERR_CONFLICT, "no_challenge",
		    "this enrolment is over, or never began: begin it anew");
	/* Its name stays there, empty: nobody else shall read it later. */
	IGNORE(put_file(r, ctx, c, "", &ignored) < 0);
	if (!is_proof(proof, c->proof))
		return err_set(err, ERR_FORBIDDEN, "bad_proof",
		    "that is not the content of %s in the container that was "
		    "claimed: a runner enrols itself only",
		    c->path);
	TRY(runners_roots_of(r, ctx, c->container, &roots, err));
	wish = (struct runner_wish){
	    .name = c->name, .labels = c->labels, .scope = c->scope};
	claim.container = c->container;
	claim.old_token = c->old_token;
	return settle(r, ctx, &claim, buf_str(&roots), ret, err);
}
