/* The handle of portal.h. It is written by nobody after it is open. */
#include "portal/portal.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "portal/portal_internal.h"

enum { URL_MAX = 400, TOKEN_MAX = 4096 };

static int bad_url(const char *url, struct err *err)
{
	return err_set(err, ERR_INVALID, "portal_url",
	    "\"%.100s\" is not the address of a portal: expected its "
	    "backend.baseUrl, https://portal.example",
	    url);
}

static int take_url(struct portal *p, const char *url, struct err *err)
{
	const char *host = strncasecmp(url, "https://", 8) == 0  ? url + 8
			   : strncasecmp(url, "http://", 7) == 0 ? url + 7
								 : "";
	size_t n = strlen(url), host_len;

	if (n > URL_MAX || web_authority(host, &host_len) == 0)
		return bad_url(url, err);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)url[i] <= 0x20 ||
		    (unsigned char)url[i] >= 0x7f ||
		    strchr("?#\\\"<>", url[i]) != NULL)
			return bad_url(url, err);
	if (web_is_clear_text(url))
		return err_set(err, ERR_INVALID, "portal_url",
		    "%.100s would send tokens in clear text: use https", url);
	while (url[n - 1] == '/')
		n--;
	p->url = mem_strndup(url, n);
	p->issuer = mem_printf("%s/api/auth", p->url);
	p->peer = (struct web_peer){"portal", "a portal", p->url};
	return 0;
}

static int take_token(struct portal *p, const char *token, struct err *err)
{
	size_t n = strlen(token);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)token[i] <= 0x20 ||
		    (unsigned char)token[i] >= 0x7f)
			n = 0;
	if (n == 0 || n > TOKEN_MAX)
		return err_set(err, ERR_INVALID, "portal_own_token",
		    "the hub's token for the portal is empty, too long, or "
		    "holds a blank or a line break: write it on one line");
	p->token = secret_new(token, n);
	return 0;
}

int portal_open(
    struct portal **ret, const struct portal_config *config, struct err *err)
{
	CLEANUP(portal_close) struct portal *p = mem_zalloc(sizeof(*p));

	p->verify = config->verify;
	p->keys = keys_new();
	p->subjects = kept_new();
	p->catalog = kept_new();
	TRY(take_url(p, config->url, err));
	if (config->token != NULL)
		TRY(take_token(p, config->token, err));
	*ret = STEAL(p);
	return 0;
}

void portal_close(struct portal *p)
{
	if (p == NULL)
		return;
	mem_free(p->url);
	mem_free(p->issuer);
	secret_free(p->token);
	keys_free(p->keys);
	kept_free(p->subjects);
	kept_free(p->catalog);
	mem_free(p);
}
