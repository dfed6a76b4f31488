/*
 * One proxy's container: made with a token that only it gets, a work volume
 * of its own and the API's socket, and undone. The keeper's thread, and
 * handlers for the undoing.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/tar.h"
#include "engine/run.h"
#include "runners/runners_internal.h"

#define HOME_DEFAULT   "/home/runner"
#define TOKEN_FILE     "/etc/runnerhub/token"
#define EXTERNALS_TYPE "proxy-externals"

enum { ROOTS_BYTES = 64 * 1024, ENV_MAX = 10 };

/* -- names ------------------------------------------------------------- */

static void work_volume(runner_id id, char out[80])
{
	char text[UUID_TEXT_LEN];

	snprintf(out, 80, "runnerhub-work-%s", uuid_text(id.u, text));
}

/* Of the image's own tools: one for all proxies of that image. */
static void externals_volume(
    const struct runners *r, const struct engine_image *image, char out[80])
{
	const char *digest = strchr(image->id, ':');

	snprintf(out, 80, "runnerhub-externals-%.8s-%.12s", r->config.hub_id,
	    digest != NULL ? digest + 1 : image->id);
}

/* -- the image --------------------------------------------------------- */

#define NO_IMAGE                                                               \
	"the image of proxies is built, not pulled (docs/PROXY-RUNNERS.md; "   \
	"RUNNERHUB_PROXY_IMAGE names it)"

static int need_image(struct runners *r, const struct ctx *ctx,
    const char *name, struct engine_image *ret, struct err *err)
{
	const struct options *o = r->config.options;
	struct ctx pull = ctx_with_timeout(ctx, o->pull_timeout_ms);

	if (engine_image_inspect(r->config.engine, ctx, name, ret, err) == 0)
		return 0;
	if (err->kind != ERR_NOT_FOUND)
		return -1;
	if (strcmp(o->pull_policy, "never") == 0)
		return err_wrap(err, NO_IMAGE);
	err_clear(err);
	if (engine_image_pull(
		r->config.engine, &pull, name, NULL, NULL, NULL, err) < 0)
		return err_wrap(err, NO_IMAGE);
	return engine_image_inspect(r->config.engine, ctx, name, ret, err);
}

/* -- what it is told --------------------------------------------------- */

struct words { /* of one container, while it is made */
	char *env[ENV_MAX + 1];
	size_t n;
};

static void words_fini(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		mem_free(w->env[i]);
}
static inline void words_fini_guard(struct words *w)
{
	words_fini(w);
}

static void say(struct words *w, const char *name, const char *value)
{
	if (value == NULL)
		return;
	ASSERT(w->n < ENV_MAX);
	w->env[w->n++] = mem_printf("%s=%s", name, value);
}

/* ["a","b"] as config.sh wants it: "a,b"; NULL: none. */
static char *labels_csv(const char *labels)
{
	CLEANUP(buf_fini) struct buf out = {.max = 16 * 1024};
	json_t *list = json_loads(labels, 0, NULL);
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) IGNORE(buf_printf(
	    &out, "%s%s", i > 0 ? "," : "", json_string_value(item)));
	json_decref(list);
	return out.len > 0 ? buf_steal(&out, NULL) : NULL;
}

static void tell(struct runners *r, const struct runner *row,
    const struct made *made, struct words *w)
{
	CLEANUP(mem_free) char *hub =
	    mem_printf("unix:///run/runnerhub/%s", r->api_name);
	CLEANUP(mem_free) char *labels = labels_csv(row->labels);
	CLEANUP(mem_free) char *url = NULL;

	if (row->repository != NULL)
		url = runners_scope_url(r, row->repository);
	say(w, "RUNNERHUB_URL", hub);
	say(w, "RUNNERHUB_TOKEN_FILE", TOKEN_FILE);
	say(w, "RUNNERHUB_RUNNER_NAME", row->name);
	say(w, "RUNNERHUB_RUNNER_LABELS", labels);
	say(w, "RUNNERHUB_RUNNER_URL", url);
	say(w, "RUNNERHUB_RUNNER_EPHEMERAL", made->ephemeral ? "true" : NULL);
}

/* By a file: an environment can be read by whoever may inspect. */
static int put_token(struct runners *r, const struct ctx *ctx,
    const char *container, const char *token, struct err *err)
{
	CLEANUP(buf_fini) struct buf tar = {.max = 16 * 1024};
	int rc;

	tar_put_entry(
	    &tar, &(struct tar_entry){
		      .name = "etc", .type = TAR_DIRECTORY, .mode = 0755});
	tar_put_entry(&tar,
	    &(struct tar_entry){
		.name = "etc/runnerhub", .type = TAR_DIRECTORY, .mode = 0755});
	tar_put_entry(&tar, &(struct tar_entry){.name = &TOKEN_FILE[1],
				.type = TAR_FILE,
				.mode = 0444,
				.size = strlen(token)});
	IGNORE(buf_append_str(&tar, token));
	tar_put_padding(&tar, strlen(token));
	tar_put_end(&tar);
	ASSERT(!tar.overflow);
	rc = engine_container_put_archive(
	    r->config.engine, ctx, container, "/", tar.data, tar.len, err);
	secret_wipe(tar.data, tar.len);
	return rc;
}

/* -- made -------------------------------------------------------------- */

/* Made before the container, which would make them without our labels. */
static int make_volumes(struct runners *r, const struct ctx *ctx,
    const char *work, const char *externals, const char *runner,
    struct err *err)
{
	const struct engine_pair of_work[] = {
	    {PROXY_LABEL_TYPE, "proxy"},
	    {PROXY_LABEL_HUB, r->config.hub_id},
	    {PROXY_LABEL_RUNNER, runner},
	    {NULL, NULL},
	};
	const struct engine_pair of_externals[] = {
	    {PROXY_LABEL_TYPE, EXTERNALS_TYPE},
	    {PROXY_LABEL_HUB, r->config.hub_id},
	    {NULL, NULL},
	};

	TRY(engine_volume_create(r->config.engine, ctx, work, of_work, err));
	return engine_volume_create(
	    r->config.engine, ctx, externals, of_externals, err);
}

static int create(struct runners *r, const struct ctx *ctx,
    const struct runner *row, const struct made *made,
    const struct engine_image *image, char ret[ENGINE_ID_LEN], struct err *err)
{
	static const char *const caps[] = {"NET_RAW", "MKNOD", NULL};
	static const char *const security[] = {"no-new-privileges", NULL};
	const struct options *o = r->config.options;
	const char *home =
	    image->working_dir[0] == '/' && image->working_dir[1] != '\0'
		? image->working_dir
		: HOME_DEFAULT;
	char id[UUID_TEXT_LEN], work[80], externals[80], name[128];
	char api_dir[PATH_MAX];
	CLEANUP(words_fini) struct words words = {0};

	if (realpath(r->api_dir, api_dir) == NULL)
		return err_sys(
		    err, errno, "the API's directory %s", r->api_dir);
	work_volume(row->id, work);
	externals_volume(r, image, externals);
	CLEANUP(mem_free) char *api =
	    mem_printf("%s:/run/runnerhub:ro", api_dir);
	CLEANUP(mem_free) char *bind_work =
	    mem_printf("%s:%s/_work", work, home);
	CLEANUP(mem_free)
	char *bind_externals = mem_printf("%s:%s/externals", externals, home);
	const char *const binds[] = {api, bind_work, bind_externals, NULL};
	const struct engine_pair labels[] = {
	    {PROXY_LABEL_TYPE, "proxy"},
	    {PROXY_LABEL_HUB, r->config.hub_id},
	    {PROXY_LABEL_RUNNER, uuid_text(row->id.u, id)},
	    {NULL, NULL},
	};
	struct engine_container_spec spec = {.name = name,
	    .image = made->image,
	    .hostname = row->name,
	    .labels = labels,
	    .binds = binds,
	    .network_mode = "bridge",
	    .keep_log = true,
	    .memory_bytes = o->memory_mb << 20,
	    .nano_cpus = (int64_t)(o->cpu_limit * 1e9),
	    .pids = o->pids_limit,
	    .cap_drop = caps,
	    .security_opt = security};

	TRY(make_volumes(r, ctx, work, externals, id, err));
	snprintf(name, sizeof(name), "runnerhub-%.8s-%s", r->config.hub_id,
	    row->name);
	tell(r, row, made, &words);
	spec.env = (const char *const *)words.env;
	return engine_container_create(r->config.engine, ctx, &spec, ret, err);
}

/* Everything it needs is in the store before it can ask for it. */
static int equip(struct runners *r, const struct ctx *ctx,
    const struct runner *row, const char *container, struct err *err)
{
	CLEANUP(buf_fini) struct buf roots = {.max = ROOTS_BYTES};
	char token[RUNNER_TOKEN_LEN];
	struct runner_change change = {.container_id = container};
	int rc;

	TRY(runners_roots_of(r, ctx, container, &roots, err));
	change.roots = buf_str(&roots);
	TRY(store_runner_change(r->config.store, row->id, &change, err));
	TRY(store_runner_new_token(r->config.store, row->id, token, err));
	rc = put_token(r, ctx, container, token, err);
	secret_wipe(token, sizeof(token));
	return rc;
}

int proxy_start(struct runners *r, const struct ctx *ctx,
    const struct runner *row, struct err *err)
{
	CLEANUP(engine_image_fini) struct engine_image image = {0};
	struct made made = {.image = ""};
	char container[ENGINE_ID_LEN];
	struct err ignored = ERR_INIT;

	TRY(made_read(row->made, &made, err));
	TRY(need_image(r, ctx, made.image, &image, err));
	TRY(create(r, ctx, row, &made, &image, container, err));
	if (equip(r, ctx, row, container, err) == 0 &&
	    engine_container_start(r->config.engine, ctx, container, err) == 0)
		return 0;
	/* The keeper finds by its label what this does not reach. */
	IGNORE(engine_container_remove(
		   r->config.engine, ctx, container, &ignored) < 0);
	return -1;
}

/* -- undone ------------------------------------------------------------ */

/* Those that no proxy uses any more; the engine refuses the others. */
static void remove_externals(struct runners *r, const struct ctx *ctx)
{
	CLEANUP(mem_free) char *of_hub =
	    mem_printf(PROXY_LABEL_HUB "=%s", r->config.hub_id);
	const char *labels[] = {
	    PROXY_LABEL_TYPE "=" EXTERNALS_TYPE, of_hub, NULL};
	CLEANUP(engine_image_refs_free) char **names = NULL;
	struct err ignored = ERR_INIT;

	if (engine_volume_list(
		r->config.engine, ctx, labels, &names, &ignored) < 0)
		return; /* at the next removal */
	for (char **name = names; *name != NULL; name++) {
		err_clear(&ignored);
		IGNORE(engine_volume_remove(
			   r->config.engine, ctx, *name, &ignored) < 0);
	}
}

int proxy_remove(struct runners *r, const struct ctx *ctx,
    const char *container_id, runner_id id, struct err *err)
{
	char volume[80];

	TRY(engine_container_remove(r->config.engine, ctx, container_id, err));
	work_volume(id, volume);
	TRY(engine_volume_remove(r->config.engine, ctx, volume, err));
	remove_externals(r, ctx);
	return 0;
}
