/*
 * Reads the file of service tokens and finds the bearer of one. Called by
 * api/ at the start of the hub, and for each request that bears a token.
 */
#include "config/service_tokens.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/options.h"
#include "config/yaml_doc.h"

enum {
	TOKEN_MIN = 8, /* the least that portals take */
	TOKEN_MAX = 4096,
	SUBJECT_MAX = 200,
	TOKENS_MAX = 1000,
	HASH_BYTES = 32
};

struct service_token {
	uint8_t hash[HASH_BYTES];
	char *subject;
	bool may_start;
	int line;
};
struct service_tokens {
	uint8_t key[crypto_generichash_KEYBYTES];
	struct service_token *v;
	size_t n;
};

static void hash_of(
    const struct service_tokens *t, const char *token, uint8_t out[HASH_BYTES])
{
	crypto_generichash(out, HASH_BYTES, (const unsigned char *)token,
	    strlen(token), t->key, sizeof(t->key));
}

/* -- the file ---------------------------------------------------------- */

static int wrong(const char *path, int line, const char *what, struct err *err)
{
	return err_set(
	    err, ERR_INVALID, "bad_tokens", "%s:%d: %s", path, line, what);
}

/* Printable, without blanks: what can stand in a header. */
static bool is_token(const char *text)
{
	size_t n = strlen(text);

	if (n < TOKEN_MIN || n > TOKEN_MAX)
		return false;
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text >= 0x7f)
			return false;
	return true;
}

static bool is_subject(const char *text)
{
	size_t n = strlen(text);

	return n > 0 && n <= SUBJECT_MAX &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "-_.:/@") == n;
}

static int check_keys(
    const struct yaml_item *entry, const char *path, struct err *err)
{
	static const char *const known[] = {"token", "subject", "allowStart"};

	if (entry->kind != YAML_MAP)
		return wrong(path, entry->line,
		    "expected a map with token, subject and allowStart", err);
	for (const struct yaml_item *i = entry->first; i; i = i->next) {
		bool found = false;

		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			found |= strcmp(known[k], i->key) == 0;
		if (!found)
			return wrong(path, i->line,
			    "unknown key; expected token, subject and "
			    "allowStart",
			    err);
	}
	return 0;
}

/* NULL: err tells. */
static const struct yaml_item *need(const struct yaml_item *entry,
    const char *key, bool (*check)(const char *), const char *expected,
    const char *path, struct err *err)
{
	const struct yaml_item *i = yaml_item_get(entry, key);

	if (i != NULL && i->kind == YAML_SCALAR && check(i->text))
		return i;
	IGNORE(wrong(path, i != NULL ? i->line : entry->line, expected, err));
	return NULL;
}

static int read_may_start(
    const struct yaml_item *entry, const char *path, bool *ret, struct err *err)
{
	const struct yaml_item *i = yaml_item_get(entry, "allowStart");

	*ret = false;
	if (i == NULL || yaml_item_is_null(i))
		return 0;
	if (i->kind == YAML_SCALAR && i->plain) {
		*ret = strcmp(i->text, "true") == 0;
		if (*ret || strcmp(i->text, "false") == 0)
			return 0;
	}
	return wrong(path, i->line, "allowStart: expected true or false", err);
}

static int add_entry(struct service_tokens *t, const struct yaml_item *entry,
    const char *path, struct err *err)
{
	struct service_token *new = &t->v[t->n];
	const struct yaml_item *token, *subject;

	TRY(check_keys(entry, path, err));
	token = need(entry, "token", is_token,
	    "token: expected 8 to 4096 printable characters without blanks",
	    path, err);
	if (token == NULL)
		return -1;
	subject = need(entry, "subject", is_subject,
	    "subject: expected a name of letters, digits and -_.:/@", path,
	    err);
	if (subject == NULL)
		return -1;
	TRY(read_may_start(entry, path, &new->may_start, err));
	hash_of(t, token->text, new->hash);
	for (size_t i = 0; i < t->n; i++)
		if (sodium_memcmp(t->v[i].hash, new->hash, HASH_BYTES) == 0)
			return err_set(err, ERR_INVALID, "bad_tokens",
			    "%s:%d: token: the same stands in line %d already",
			    path, token->line, t->v[i].line);
	new->subject = mem_printf("external:%s", subject->text);
	new->line = token->line;
	t->n++;
	return 0;
}

static int add_all(struct service_tokens *t, const struct yaml_item *root,
    const char *path, struct err *err)
{
	size_t n = 0;

	if (root == NULL || root->kind != YAML_LIST)
		return wrong(path, root != NULL ? root->line : 1,
		    "expected a list of {token, subject, allowStart}", err);
	for (const struct yaml_item *i = root->first; i; i = i->next)
		if (++n > TOKENS_MAX)
			return wrong(
			    path, i->line, "more than 1000 tokens", err);
	t->v = mem_calloc(n + 1, sizeof(*t->v));
	for (const struct yaml_item *i = root->first; i; i = i->next)
		TRY(add_entry(t, i, path, err));
	return 0;
}

int service_tokens_read(struct service_tokens **ret, const char *path,
    bool *ret_exposed, struct err *err)
{
	CLEANUP(service_tokens_free)
	struct service_tokens *t = mem_zalloc(sizeof(*t));
	CLEANUP(yaml_doc_free) struct yaml_doc *doc = NULL;
	struct buf text = {.max = YAML_DOC_BYTES_MAX};
	struct stat st;
	int r;

	if (sodium_init() < 0)
		return err_set(err, ERR_INTERNAL, "no_crypto",
		    "libsodium cannot be initialised");
	if (stat(path, &st) < 0)
		return err_sys(err, errno, "read the service tokens %s", path);
	*ret_exposed = (st.st_mode & 044) != 0;
	randombytes_buf(t->key, sizeof(t->key));
	r = fs_read_file(path, &text, err);
	if (r == 0)
		r = yaml_doc_parse(&doc, path, buf_str(&text), text.len, err);
	secret_wipe(text.data, text.len);
	buf_fini(&text);
	TRY(r);
	TRY(add_all(t, yaml_doc_root(doc), path, err));
	*ret = STEAL(t);
	return 0;
}

void service_tokens_free(struct service_tokens *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		mem_free(t->v[i].subject);
	mem_free(t->v);
	mem_free(t);
}

/* -- whose ------------------------------------------------------------- */

const char *service_tokens_subject(
    const struct service_tokens *t, const char *token, bool *ret_may_start)
{
	const struct service_token *found = NULL;
	uint8_t hash[HASH_BYTES];

	if (t == NULL)
		return NULL;
	hash_of(t, token, hash);
	for (size_t i = 0; i < t->n; i++)
		if (sodium_memcmp(t->v[i].hash, hash, HASH_BYTES) == 0)
			found = &t->v[i];
	*ret_may_start = found != NULL && found->may_start;
	return found != NULL ? found->subject : NULL;
}
