/* Checks of single values, named by the option table. Pure functions. */
#include "config/checks.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/ip_range.h"
#include "base/parse.h"
#include "base/utf8.h"

#define TEXT_MAX 4096

bool check_text(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > TEXT_MAX || !utf8_valid(text, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

bool check_socket(const char *text)
{
	return strcmp(text, "none") == 0 || (*text == '/' && check_text(text));
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

/* 1 to max characters, the first alphanumeric, the others also of `more`. */
static bool is_word(const char *text, const char *more, size_t max)
{
	if (!is_alnum(*text) || strlen(text) > max)
		return false;
	for (; *text != '\0'; text++)
		if (!is_alnum(*text) && strchr(more, *text) == NULL)
			return false;
	return true;
}

bool check_name(const char *text)
{
	return is_word(text, "_.-", 128);
}

bool check_image(const char *text)
{
	return is_word(text, "_.-/:@", 255);
}

static bool is_address(const char *text)
{
	struct in6_addr a;

	return inet_pton(AF_INET, text, &a) == 1 ||
	       inet_pton(AF_INET6, text, &a) == 1;
}

bool check_listen(const char *text)
{
	return strcmp(text, "localhost") == 0 || is_address(text);
}

bool check_is_loopback(const char *address)
{
	struct in6_addr a6;
	struct in_addr a4;

	if (strcmp(address, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, address, &a4) == 1)
		return ntohl(a4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &a6) == 1 &&
	       IN6_IS_ADDR_LOOPBACK(&a6);
}

bool check_addresses(const char *text)
{
	char one[INET6_ADDRSTRLEN];
	size_t n;

	for (;; text += n + 1) {
		n = strcspn(text, ",");
		if (n == 0 || n >= sizeof(one))
			return false;
		memcpy(one, text, n);
		one[n] = '\0';
		if (!is_address(one))
			return false;
		if (text[n] == '\0')
			return true;
	}
}

bool check_networks(const char *text)
{
	struct ip_range ranges[64];
	struct err ignored = ERR_INIT;
	size_t n = 0;

	return ip_ranges_read(text, ranges, ARRAY_LEN(ranges), &n, &ignored) ==
		   0 &&
	       n > 0;
}

bool check_subnet(const char *text)
{
	const char *slash = strchr(text, '/');
	char address[INET_ADDRSTRLEN];
	struct in_addr a;
	int64_t prefix;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(address) ||
	    parse_int(slash + 1, 8, 28, &prefix) < 0)
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (inet_pton(AF_INET, address, &a) != 1)
		return false;
	return (ntohl(a.s_addr) & (UINT32_MAX >> prefix)) == 0;
}

static bool is_host_port(const char *text)
{
	return *text != '\0' && *text != ':' && *text != '/' &&
	       strpbrk(text, " \"<>\\^`{|}@") == NULL && check_text(text);
}

static const char *after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

bool check_url(const char *text)
{
	const char *path = after(text, "unix://");
	const char *rest = after(text, "http://");

	if (path != NULL)
		return *path == '/' && check_text(path);
	if (rest == NULL)
		rest = after(text, "https://");
	return rest != NULL && is_host_port(rest);
}

bool check_origin(const char *text)
{
	const char *rest = after(text, "https://");

	if (strcmp(text, "*") == 0)
		return true;
	if (rest == NULL)
		rest = after(text, "http://");
	return rest != NULL && is_host_port(rest) && strchr(rest, '/') == NULL;
}

bool check_portal(const char *text)
{
	const char *rest = after(text, "https://");

	if (strcmp(text, "app-config") == 0)
		return true;
	if (rest == NULL)
		rest = after(text, "http://");
	return rest != NULL && is_host_port(rest) &&
	       strpbrk(rest, "?#") == NULL;
}

/* "localhost", "127.0.0.1", "[::1]", and what may follow a host. */
static bool is_of_this_machine(const char *rest)
{
	size_t n = strcspn(rest, ":/");

	if (strncmp(rest, "[::1]", 5) == 0)
		return true;
	if (n == 9 && strncmp(rest, "localhost", n) == 0)
		return true;
	return strncmp(rest, "127.", 4) == 0 &&
	       strspn(rest, "0123456789.") == n;
}

bool check_vault(const char *text)
{
	const char *rest = after(text, "https://");

	if (strlen(text) > 250)
		return false;
	if (rest == NULL) {
		rest = after(text, "http://");
		if (rest == NULL || !is_of_this_machine(rest))
			return false;
	}
	return is_host_port(rest) && strpbrk(rest, "?#") == NULL;
}

bool check_vault_path(const char *text)
{
	size_t n = strlen(text);

	return n > 0 && n <= 200 && text[0] != '/' && text[n - 1] != '/' &&
	       strstr(text, "//") == NULL && strstr(text, "..") == NULL &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") == n;
}

bool check_engine(const char *text)
{
	const char *rest = after(text, "unix://");

	if (rest == NULL && *text == '/')
		rest = text;
	if (rest != NULL)
		return *rest == '/' && check_text(rest);
	rest = after(text, "tcp://");
	if (rest == NULL)
		rest = after(text, "http://");
	return rest != NULL && is_host_port(rest);
}

bool check_paths(const char *text)
{
	if (!check_text(text))
		return false;
	for (; text != NULL; text = strchr(text, ',')) {
		text += *text == ',';
		if (text[0] != '/' || text[1] == ',' || text[1] == '\0')
			return false;
	}
	return true;
}

/* Every piece between commas. */
static bool each(const char *text, bool (*check)(const char *piece))
{
	char piece[256];
	size_t n;

	for (;; text += n + 1) {
		n = strcspn(text, ",");
		if (n == 0 || n >= sizeof(piece))
			return false;
		memcpy(piece, text, n);
		piece[n] = '\0';
		if (!check(piece))
			return false;
		if (text[n] == '\0')
			return true;
	}
}

static bool is_base_path(const char *text)
{
	size_t n = strlen(text);

	return n >= 2 && n < 200 && text[0] == '/' && text[n - 1] != '/' &&
	       strstr(text, "//") == NULL && strstr(text, "..") == NULL &&
	       strspn(text, "/abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

bool check_base_paths(const char *text)
{
	return each(text, is_base_path);
}

static bool is_one_origin(const char *text)
{
	return strcmp(text, "*") != 0 && check_origin(text);
}

bool check_origins(const char *text)
{
	return strcmp(text, "*") == 0 || each(text, is_one_origin);
}

bool check_host(const char *text)
{
	return is_address(text) || is_word(text, "-.", 253);
}

bool check_split_address(
    const char *text, char ret_host[CHECK_ADDRESS_MAX], int *ret_port)
{
	const char *colon = strrchr(text, ':');
	bool brackets = *text == '[';
	int64_t port;
	size_t n;

	if (colon == NULL || parse_int(colon + 1, 0, 65535, &port) < 0)
		return false;
	n = (size_t)(colon - text);
	if (brackets && (n < 2 || text[n - 1] != ']'))
		return false;
	text += brackets;
	n -= brackets ? 2 : 0;
	if (n >= CHECK_ADDRESS_MAX)
		return false;
	memcpy(ret_host, text, n);
	ret_host[n] = '\0';
	*ret_port = (int)port;
	return check_listen(ret_host) &&
	       brackets == (strchr(ret_host, ':') != NULL);
}

bool check_listen_port(const char *text)
{
	char host[CHECK_ADDRESS_MAX];
	int port;

	return check_split_address(text, host, &port);
}

bool check_ipv4(const char *text)
{
	struct in_addr a;

	return inet_pton(AF_INET, text, &a) == 1;
}

bool check_split_ports(const char *text, int *ret_first, int *ret_last)
{
	const char *dash = strchr(text, '-');
	char first[8] = "";
	int64_t from, to;

	if (dash == NULL || (size_t)(dash - text) >= sizeof(first))
		return false;
	memcpy(first, text, (size_t)(dash - text));
	if (parse_int(first, 1, 65535, &from) < 0 ||
	    parse_int(dash + 1, from, 65535, &to) < 0)
		return false;
	*ret_first = (int)from;
	*ret_last = (int)to;
	return true;
}

bool check_ports(const char *text)
{
	int first, last;

	return check_split_ports(text, &first, &last);
}
