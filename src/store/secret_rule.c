/* Who may be given a secret: see secret_rule.h. */
#include "store/secret_rule.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	unsigned use;
} uses[] = {{"components", SECRET_COMPONENTS}, {"jobs", SECRET_JOBS},
    {"both", SECRET_COMPONENTS | SECRET_JOBS}};

const char *secret_use_name(unsigned use)
{
	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		if (uses[i].use == use)
			return uses[i].name;
	return "components";
}

int secret_use_parse(const char *name, unsigned *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		if (strcmp(uses[i].name, name) == 0) {
			*ret = uses[i].use;
			return 0;
		}
	return -1;
}

static size_t count_name(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && (isalnum((unsigned char)s[i]) ||
			    (s[i] != '\0' && strchr("._-", s[i]) != NULL)))
		i++;
	return i;
}

/* "owner/repo" or "owner" and all of it. */
static bool is_pattern(const char *s, size_t n)
{
	size_t owner = count_name(s, n);
	size_t rest = owner + 1;

	if (owner == 0 || rest >= n || s[owner] != '/')
		return false;
	if (n - rest == 1 && s[rest] == '*')
		return true;
	return count_name(s + rest, n - rest) == n - rest;
}

static const char *trim(const char *s, size_t *n)
{
	while (*n > 0 && *s == ' ')
		s++, --*n;
	while (*n > 0 && s[*n - 1] == ' ')
		--*n;
	return s;
}

int secret_rule_set_repositories(
    struct secret_rule *r, const char *text, struct err *err)
{
	char out[SECRET_PATTERNS_BYTES];
	size_t len = 0;

	out[0] = '\0';
	for (const char *at = text; *at != '\0';) {
		size_t whole = strcspn(at, ","), n = whole;
		const char *one = trim(at, &n);
		int w;

		if (!is_pattern(one, n))
			return err_set(err, ERR_INVALID, "invalid_repositories",
			    "The repositories of a secret are \"owner/repo\" "
			    "or \"owner/*\", this is neither: \"%.*s\"",
			    n < 100 ? (int)n : 100, one);
		w = snprintf(out + len, sizeof(out) - len, "%s%.*s",
		    len > 0 ? "," : "", (int)n, one);
		len += (size_t)w;
		if (len >= sizeof(out))
			return err_set(err, ERR_INVALID, "invalid_repositories",
			    "The repositories of a secret may have %zu bytes",
			    sizeof(out) - 1);
		at += whole + (at[whole] == ',');
	}
	memcpy(r->repositories, out, len + 1);
	return 0;
}

static bool matches(const char *pattern, size_t n, const char *repository)
{
	if (pattern[n - 1] == '*')
		return strncasecmp(pattern, repository, n - 1) == 0;
	return strlen(repository) == n &&
	       strncasecmp(pattern, repository, n) == 0;
}

bool secret_rule_allows(
    const struct secret_rule *r, unsigned use, const char *repository)
{
	const char *at = r->repositories;

	if ((r->use & use) == 0)
		return false;
	if (use != SECRET_JOBS || *at == '\0')
		return true;
	while (*at != '\0') {
		size_t n = strcspn(at, ",");

		if (matches(at, n, repository))
			return true;
		at += n + (at[n] == ',');
	}
	return false;
}
