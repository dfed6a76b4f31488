/*
 * Proxies that the hub makes: their rows. What each was made from is kept as
 * JSON in its row, so that the next hub makes it again. Handler threads; the
 * containers are the keeper's.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "runners/runners_internal.h"

enum { NOISE_BYTES = 4, NAME_TRIES = 8 };

static void made_write(const struct made *m, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	json_kstr(&j, "image", m->image);
	json_kbool(&j, "ephemeral", m->ephemeral);
	json_end(&j);
}

int made_read(const char *text, struct made *ret, struct err *err)
{
	json_t *o = json_loads(text, 0, NULL);
	const char *image = json_string_value(json_object_get(o, "image"));

	if (image != NULL) {
		snprintf(ret->image, sizeof(ret->image), "%s", image);
		ret->ephemeral = json_is_true(json_object_get(o, "ephemeral"));
	}
	json_decref(o);
	return image != NULL ? 0
			     : err_set(err, ERR_INTERNAL, "store_corrupt",
				   "how a proxy was made cannot be read");
}

/* A name that is free: the prefix and a few random digits. */
static int free_name(
    struct runners *r, const char *prefix, char *ret, struct err *err)
{
	char noise[2 * NOISE_BYTES + 1];
	int found = 1;

	for (int i = 0; i < NAME_TRIES && found == 1; i++) {
		CLEANUP(runner_fini) struct runner there = {0};

		snprintf(ret, RUNNER_NAME_MAX + 1, "%.48s-%s", prefix,
		    random_hex(noise, NOISE_BYTES));
		TRY(runner_name_check(ret, err));
		found = store_runner_by_name(r->config.store, ret, &there, err);
		TRY(found);
	}
	ASSERT(found == 0);
	return 0;
}

static int make_one(struct runners *r, const struct make_wish *w,
    const char *made, runner_id *ret, struct err *err)
{
	char name[RUNNER_NAME_MAX + 1];
	struct runner row = {.name = name,
	    .type = (char *)"proxy",
	    .status = (char *)"starting",
	    .labels = (char *)w->labels,
	    .repository = (char *)w->scope};
	struct runner_change change = {.made = made};
	struct store *s = r->config.store;

	TRY(free_name(r, w->prefix != NULL ? w->prefix : "proxy", name, err));
	TRY(store_runner_touch(s, &row, ret, err));
	return store_runner_change(s, *ret, &change, err);
}

static int check(struct runners *r, const struct make_wish *w, struct made *m,
    struct err *err)
{
	const char *image =
	    w->image != NULL ? w->image : r->config.options->proxy_image;

	if (r->api_dir == NULL)
		return err_set(err, ERR_INVALID, "no_socket",
		    "proxies reach the hub through its unix socket, and it "
		    "has none (RUNNERHUB_SOCKET)");
	if (image == NULL || strlen(image) >= sizeof(m->image))
		return err_set(err, ERR_INVALID, "no_proxy_image",
		    "no image to make proxies from: name one, or set "
		    "RUNNERHUB_PROXY_IMAGE");
	if (w->count < 1 || w->count > RUNNERS_MAKE_MAX)
		return err_set(err, ERR_INVALID, "invalid_field",
		    "count: expected 1 to %d", RUNNERS_MAKE_MAX);
	snprintf(m->image, sizeof(m->image), "%s", image);
	m->ephemeral = w->ephemeral;
	return 0;
}

int runners_make(struct runners *r, const struct make_wish *wish,
    runner_id *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {.max = 4096};
	struct made made = {.image = ""};
	int rc = 0;

	TRY(check(r, wish, &made, err));
	made_write(&made, &text);
	mtx_lock(&r->life);
	for (int i = 0; i < wish->count && rc == 0; i++)
		rc = make_one(r, wish, buf_str(&text), &ret[i], err);
	mtx_unlock(&r->life);
	runners_wake_keeper(r);
	return rc;
}
