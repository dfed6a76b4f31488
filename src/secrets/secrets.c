/* Where a secret's value comes from: see secrets.h. The caller's thread. */
#include "secrets/secrets.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/audit.h"
#include "store/named_secrets.h"

struct secrets {
	const struct options *options;
	struct store *store;
	struct vault *vault; /* NULL: none */
};

/* Where one was found; the names stand in the audit log. */
enum source { FROM_NOWHERE, FROM_STORE, FROM_DIRECTORY, FROM_VAULT };
static const char *const source_names[] = {NULL, "store", "directory", "vault"};

static const char VAULT_SCHEME[] = "vault:";
#define SCHEME_LEN (sizeof(VAULT_SCHEME) - 1)

int secrets_open(struct secrets **ret, const struct options *options,
    struct store *store, struct err *err)
{
	struct secrets *s = mem_zalloc(sizeof(*s));

	s->options = options;
	s->store = store;
	if (options->vault_addr != NULL &&
	    vault_open(&s->vault, options, err) < 0) {
		mem_free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void secrets_close(struct secrets *s)
{
	if (s == NULL)
		return;
	vault_close(s->vault);
	mem_free(s);
}

bool secrets_vault_state(struct secrets *s, struct vault_state *ret)
{
	if (s->vault == NULL)
		return false;
	vault_state(s->vault, ret);
	return true;
}

/* -- names ------------------------------------------------------------- */

static bool is_vault_ref(const char *name)
{
	return strncmp(name, VAULT_SCHEME, SCHEME_LEN) == 0;
}

bool secret_ref_is_valid(const char *name)
{
	const char *hash;

	if (strnlen(name, SECRET_REF_MAX + 1) > SECRET_REF_MAX)
		return false;
	if (!is_vault_ref(name))
		return named_secret_name_is_valid(name);
	name += SCHEME_LEN;
	hash = strchr(name, '#');
	return hash != NULL && hash[1] != '\0' &&
	       vault_path_is_valid(name, (size_t)(hash - name));
}

/* -- one source after the other ---------------------------------------- */

/* Whoever writes a file by hand ends it with a line's end. */
static void cut_line_end(struct buf *out, size_t begin)
{
	if (out->len > begin && out->data[out->len - 1] == '\n')
		out->len--;
	if (out->len > begin && out->data[out->len - 1] == '\r')
		out->len--;
}

/* No "/" in a name, and no dot at its begin. */
static int get_from_file(
    const char *dir, const char *name, struct buf *out, struct err *err)
{
	CLEANUP(mem_free) char *path = mem_printf("%s/%s", dir, name);
	size_t begin = out->len;

	if (fs_read_file(path, out, err) < 0) {
		if (err->kind != ERR_NOT_FOUND)
			return err_wrap(err, "secret %s", name);
		err_clear(err);
		return 0;
	}
	cut_line_end(out, begin);
	return 1;
}

static int get_from_vault(struct secrets *s, const struct ctx *ctx,
    const char *name, struct buf *out, struct secret_rule *ret_rule,
    struct err *err)
{
	const char *path = name, *hash;
	size_t len = strlen(name);

	if (is_vault_ref(name)) {
		path = name + SCHEME_LEN;
		hash = strchr(path, '#');
		ASSERT(hash != NULL); /* secret_ref_is_valid */
		len = (size_t)(hash - path);
		return vault_read(
		    s->vault, ctx, path, len, hash + 1, out, ret_rule, err);
	}
	return vault_read(
	    s->vault, ctx, path, len, "value", out, ret_rule, err);
}

/* 1, 0: nowhere, -1; ret_source also then: who was asked last. ctx NULL: not
 * Vault. */
static int find(struct secrets *s, const struct ctx *ctx, const char *name,
    struct buf *out, struct secret_rule *ret_rule, enum source *ret_source,
    struct err *err)
{
	const char *dir = s->options->secrets_dir;
	int found = 0;

	*ret_rule = SECRET_RULE_DEFAULT;
	*ret_source = FROM_NOWHERE;
	if (!secret_ref_is_valid(name))
		return 0;
	if (!is_vault_ref(name)) {
		*ret_source = FROM_STORE;
		found =
		    store_named_secret_get(s->store, name, out, ret_rule, err);
	}
	if (found == 0 && !is_vault_ref(name) && dir != NULL) {
		*ret_source = FROM_DIRECTORY;
		found = get_from_file(dir, name, out, err);
	}
	if (found == 0 && s->vault != NULL && ctx != NULL) {
		*ret_source = FROM_VAULT;
		found = get_from_vault(s, ctx, name, out, ret_rule, err);
	}
	if (found == 0)
		*ret_source = FROM_NOWHERE;
	return found;
}

/* -- who may ----------------------------------------------------------- */

static int refuse(const struct secret_taker *who, const char *name,
    const struct secret_rule *rule, struct err *err)
{
	if (rule->use == 0)
		return err_set(err, ERR_FORBIDDEN, "secret_not_allowed",
		    "The secret %.128s is given to nobody: its metadata in "
		    "Vault, \"use\" and \"repositories\", cannot be read",
		    name);
	if ((rule->use & who->use) == 0)
		return err_set(err, ERR_FORBIDDEN, "secret_not_allowed",
		    "The secret %.128s is for %s only: its \"use\" says so",
		    name, secret_use_name(rule->use));
	return err_set(err, ERR_FORBIDDEN, "secret_not_allowed",
	    "The secret %.128s is not for jobs of %.128s: its \"repositories\" "
	    "do not name it",
	    name, who->repository);
}

static int nowhere(const struct secrets *s, const char *name, struct err *err)
{
	const char *dir = s->options->secrets_dir;

	return err_set(err, ERR_NOT_FOUND, "secret_not_found",
	    "The secret %.128s is not there%s%.160s%s", name,
	    dir != NULL ? ", nor a file of it in " : "", dir != NULL ? dir : "",
	    s->vault != NULL ? ", nor in Vault" : "");
}

static int judge(const struct secrets *s, const struct secret_taker *who,
    const char *name, int found, const struct secret_rule *rule,
    struct err *err)
{
	if (found < 0)
		return -1;
	if (found == 0)
		return nowhere(s, name, err);
	if (secret_rule_allows(rule, who->use, who->repository))
		return 0;
	return refuse(who, name, rule, err);
}

/* -- the audit log ----------------------------------------------------- */

static const char *result_of(int rc, const struct err *err)
{
	if (rc == 0)
		return "ok";
	return err->kind == ERR_FORBIDDEN ? "refused" : "failed";
}

static void write_detail(struct buf *out, const struct secret_taker *who,
    enum source source, int rc, const struct err *err)
{
	struct json j;

	json_init(&j, out);
	json_obj(&j);
	if (source != FROM_NOWHERE)
		json_kstr(&j, "source", source_names[source]);
	json_kstr(&j, who->use == SECRET_JOBS ? "job" : "instance", who->id);
	if (who->repository != NULL)
		json_kstr(&j, "repository", who->repository);
	if (rc < 0)
		json_kstr(&j, "code", err->code);
	json_end(&j);
}

static void note(struct secrets *s, const struct secret_taker *who,
    const char *name, enum source source, int rc, const struct err *err)
{
	CLEANUP(buf_fini) struct buf detail = {.max = 4096};
	struct audit_entry e = {.at = clock_wall_ns(),
	    .actor = (char *)(who->actor != NULL ? who->actor : "hub"),
	    .address = (char *)"hub",
	    .action = (char *)"secret.use",
	    .object = (char *)name,
	    .result = (char *)result_of(rc, err)};

	write_detail(&detail, who, source, rc, err);
	e.detail = (char *)buf_str(&detail);
	store_audit_add(s->store, &e);
}

/* -- the calls --------------------------------------------------------- */

/* What was appended and may not be given is wiped again. */
static void take_back(struct buf *out, size_t begin)
{
	if (out->len == begin)
		return;
	secret_wipe(out->data + begin, out->len - begin);
	out->len = begin;
	out->data[begin] = '\0';
}

int secrets_take(struct secrets *s, const struct ctx *ctx,
    const struct secret_taker *who, const char *name, struct buf *out,
    struct err *err)
{
	size_t begin = out->len;
	struct secret_rule rule;
	enum source source;
	int rc = find(s, ctx, name, out, &rule, &source, err);

	rc = judge(s, who, name, rc, &rule, err);
	if (rc < 0)
		take_back(out, begin);
	note(s, who, name, source, rc, err);
	return rc;
}

int secrets_check(struct secrets *s, const struct ctx *ctx,
    const struct secret_taker *who, const char *name, struct err *err)
{
	struct buf value = {.max = NAMED_SECRET_VALUE_MAX};
	struct secret_rule rule;
	enum source source;
	int found = find(s, ctx, name, &value, &rule, &source, err);

	take_back(&value, 0);
	buf_fini(&value);
	if (found == 0 && ctx == NULL && s->vault != NULL &&
	    secret_ref_is_valid(name))
		return 0; /* Vault is asked when it is started */
	return judge(s, who, name, found, &rule, err);
}
