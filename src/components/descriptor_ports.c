/*
 * `ports` of the descriptor: 8080, "8080:80", "8080:80/udp". Called through
 * its row in descriptor.c. Pure.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "components/descriptor_internal.h"

#define FORMS "expected 8080, \"8080:80\" (host:container) or \"8080:80/udp\""

/* One number of it, of n bytes. */
static bool is_port(const char *text, size_t n, int min, int *ret)
{
	char number[8] = "";
	int64_t v;

	if (n == 0 || n >= sizeof(number))
		return false;
	memcpy(number, text, n);
	if (parse_int(number, min, 65535, &v) < 0)
		return false;
	*ret = (int)v;
	return true;
}

/* NULL, or why it is no port. */
static const char *read_port(const char *text, struct descriptor_port *ret)
{
	size_t len = strcspn(text, "/"), n;
	const char *colon = memchr(text, ':', len);

	*ret = (struct descriptor_port){0};
	if (text[len] == '/' && strcmp(text + len, "/udp") == 0)
		ret->udp = true;
	else if (text[len] == '/' && strcmp(text + len, "/tcp") != 0)
		return "behind the slash stands tcp or udp";
	if (colon == NULL) {
		if (!is_port(text, len, 1, &ret->container))
			return "a port is a whole number from 1 to "
			       "65535; " FORMS;
		ret->host = ret->container;
		return NULL;
	}
	n = (size_t)(colon - text);
	if (memchr(colon + 1, ':', len - n - 1) != NULL)
		return "an address is not taken, where ports are bound is the "
		       "hub's setting; " FORMS;
	if (!is_port(text, n, 0, &ret->host))
		return "before the colon stands the port of the host, from 1 "
		       "to 65535, or 0 for any; " FORMS;
	if (!is_port(colon + 1, len - n - 1, 1, &ret->container))
		return "behind the colon stands the port of the container, "
		       "from 1 to 65535; " FORMS;
	return NULL;
}

/* Which earlier one takes the same place; nports: none. */
static size_t find_same(
    const struct descriptor *d, const struct descriptor_port *port)
{
	size_t i = 0;

	while (
	    i < d->nports &&
	    (d->ports[i].udp != port->udp || d->ports[i].host != port->host ||
		(port->host == 0 && d->ports[i].container != port->container)))
		i++;
	return i;
}

static void read_one(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	struct descriptor *d = r->d;
	struct descriptor_port port;
	const char *why;
	char shown[64];
	size_t same;

	if (item->kind != YAML_SCALAR) {
		descriptor_wrong(r, k, item, path);
		return;
	}
	why = read_port(item->text, &port);
	if (why != NULL) {
		problems_error(r->problems, descriptor_place(item),
		    "%s: %s is no port: %s", path,
		    problem_quote(item->text, shown), why);
		return;
	}
	same = find_same(d, &port);
	if (same < d->nports) {
		problems_error(r->problems, descriptor_place(item),
		    "%s: port %d%s stands in the list already", path,
		    port.host > 0 ? port.host : port.container,
		    port.host > 0 ? " of the host" : "");
		return;
	}
	d->ports = mem_realloc(d->ports, (d->nports + 1) * sizeof(*d->ports));
	d->ports[d->nports++] = port;
}

void read_ports(struct reading *r, const struct key *k,
    const struct yaml_item *item, const char *path)
{
	static const struct key one = {.expected = "a port, such as 8080"};
	char here[DESCRIPTOR_PATH_MAX];
	size_t n = 0;

	if (item->kind != YAML_LIST || item->first == NULL) {
		if (item->kind == YAML_LIST)
			problems_error(r->problems, descriptor_place(item),
			    "%s: the list is empty, expected at least one port",
			    path);
		else
			descriptor_wrong(r, k, item, path);
		return;
	}
	for (const struct yaml_item *i = item->first; i != NULL; i = i->next) {
		if (n == DESCRIPTOR_PORTS_MAX) {
			problems_error(r->problems, descriptor_place(i),
			    "%s: more than %d ports", path,
			    DESCRIPTOR_PORTS_MAX);
			return;
		}
		snprintf(here, sizeof(here), "%s[%zu]", path, n++);
		read_one(r, &one, i, here);
	}
}
