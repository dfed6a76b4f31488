/*
 * Picks a job's name out of its message: see message.h. Names of members are
 * compared without regard to case, for the runner's own reader does. The
 * context "github" is a dictionary in the runner's typed encoding:
 * {"t":2,"d":[{"k":"run_id","v":"7"},…]}, a string "x" or {"t":0,"s":"x"}.
 */
#include "worker/message.h"

#include <stdbool.h>
#include <strings.h>

#include "worker/scan.h"

struct wanted {
	const char *name;
	char *into;
	size_t cap;
};

static const struct wanted *wanted_find(
    const struct wanted *list, const char *name)
{
	while (list->name != NULL && strcasecmp(list->name, name) != 0)
		list++;
	return list->name != NULL ? list : NULL;
}

/* -- the typed encoding ------------------------------------------------ */

static int typed_member(void *arg, struct scan *s, const char *name)
{
	const struct wanted *w = arg;

	if (strcasecmp(name, "s") == 0 || strcasecmp(name, "n") == 0)
		return scan_text(s, w->into, w->cap);
	return scan_skip(s);
}

static int typed_text(struct scan *s, const struct wanted *w)
{
	if (scan_peek(s) == '{')
		return scan_members(s, typed_member, (void *)w);
	return scan_text(s, w->into, w->cap);
}

struct pair {
	const struct wanted *list;
	char key[64];
	struct scan value; /* where it begins */
	bool has_value;
};

static int pair_member(void *arg, struct scan *s, const char *name)
{
	struct pair *p = arg;

	if (strcasecmp(name, "k") == 0)
		return scan_text(s, p->key, sizeof(p->key));
	if (strcasecmp(name, "v") == 0) {
		p->value = *s;
		p->has_value = true;
	}
	return scan_skip(s);
}

/* {"k":…,"v":…}: the value is passed over and read when the key is known. */
static int dictionary_item(void *arg, struct scan *s)
{
	struct pair p = {.list = arg};
	const struct wanted *w;

	if (scan_members(s, pair_member, &p) < 0)
		return -1;
	w = wanted_find(p.list, p.key);
	if (w == NULL || !p.has_value)
		return 0;
	return typed_text(&p.value, w);
}

static int dictionary_member(void *arg, struct scan *s, const char *name)
{
	if (strcasecmp(name, "d") == 0)
		return scan_items(s, dictionary_item, arg);
	return scan_skip(s);
}

/* -- the message ------------------------------------------------------- */

struct lists {
	const struct wanted *top, *github;
};

static int context_member(void *arg, struct scan *s, const char *name)
{
	const struct lists *l = arg;

	if (strcasecmp(name, "github") == 0)
		return scan_members(s, dictionary_member, (void *)l->github);
	return scan_skip(s);
}

static int top_member(void *arg, struct scan *s, const char *name)
{
	const struct lists *l = arg;
	const struct wanted *w = wanted_find(l->top, name);

	if (w != NULL)
		return scan_text(s, w->into, w->cap);
	if (strcasecmp(name, "contextData") == 0)
		return scan_members(s, context_member, arg);
	return scan_skip(s);
}

void message_read(struct message *ret, const uint8_t *body, size_t len)
{
#define WANT(field) ret->field, sizeof(ret->field)
	const struct wanted top[] = {{"jobId", WANT(job_id)},
	    {"jobDisplayName", WANT(job_name)}, {NULL, NULL, 0}};
	const struct wanted github[] = {{"repository", WANT(repository)},
	    {"run_id", WANT(run_id)}, {"run_attempt", WANT(attempt)},
	    {"workflow", WANT(workflow)}, {"sha", WANT(sha)},
	    {"ref", WANT(ref)}, {"event_name", WANT(event_name)},
	    {"actor", WANT(actor)}, {NULL, NULL, 0}};
#undef WANT
	struct lists lists = {top, github};
	struct scan s = scan_begin(body, len);

	*ret = (struct message){{0}};
	/* A message that is no JSON is the worker's to refuse. */
	IGNORE(scan_members(&s, top_member, &lists));
}
