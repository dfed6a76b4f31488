/* The checks that rows of the option table name: true when text will do. */
#ifndef CONFIG_CHECKS_H
#define CONFIG_CHECKS_H

#include <stdbool.h>

bool check_text(const char *text);      /* no control bytes, valid UTF-8 */
bool check_name(const char *text);      /* [A-Za-z0-9][A-Za-z0-9_.-]{0,127} */
bool check_image(const char *text);     /* an image reference's characters */
bool check_listen(const char *text);    /* IP address or "localhost" */
bool check_addresses(const char *text); /* IP addresses, comma separated */
/* networks or addresses, comma separated; at most 64 */
bool check_networks(const char *text);
bool check_subnet(const char *text);    /* IPv4 network, prefix 8 to 28 */
/* http://host[:port][/prefix] or unix:///path of the API's socket */
bool check_url(const char *text);
bool check_origin(const char *text); /* http(s)://host[:port] or "*" */
/* http(s)://host[:port][/path], or "app-config" */
bool check_portal(const char *text);
bool check_vault(const char *text); /* https, or http of this machine */
bool check_vault_path(const char *text); /* names with "/" between */
bool check_engine(const char *text); /* as DOCKER_HOST, or a socket path */
bool check_paths(const char *text);  /* absolute, comma separated */
/* "/api/runner,/runner" */
bool check_base_paths(const char *text);
/* "*", or of check_origin, comma separated */
bool check_origins(const char *text);
bool check_host(const char *text); /* a name or an address */
/* "127.0.0.1:7007", "[::1]:7007" */
bool check_listen_port(const char *text);
enum { CHECK_ADDRESS_MAX = 64 };
/* The same in two; false: it is not. */
bool check_split_address(
    const char *text, char ret_host[CHECK_ADDRESS_MAX], int *ret_port);
bool check_ipv4(const char *text);
bool check_ports(const char *text); /* "20000-20999" */
/* The same in two; false: it is not. */
bool check_split_ports(const char *text, int *ret_first, int *ret_last);
bool check_socket(const char *text); /* an absolute path, or "none" */
bool check_is_loopback(const char *address);

#endif
