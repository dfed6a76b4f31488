/*
 * The ports of the host that an instance gets: found out before the build,
 * and whoever has one is named. The flow's thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "components/flow.h"

/* 0: free, then *port is what was bound; else errno. */
static int try_bind(int *port, bool udp)
{
	CLEANUP(fd_close)
	int fd =
	    socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
	socklen_t len = sizeof(at);
	int on = 1;

	if (fd < 0)
		return errno;
	/* Connections of an instance before it, still closing. */
	IGNORE(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return errno;
	if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return errno;
	*port = ntohs(at.sin_port);
	return 0;
}

/* The component whose instance has it; NULL: none. */
static const char *owner_of(
    const struct instance_list *l, const struct flow *f, int port)
{
	for (size_t i = 0; i < l->n; i++) {
		json_t *ports, *p;
		bool has = false;
		size_t k;

		if (uuid_equal(l->items[i].id.u, f->id.u))
			continue;
		ports = json_loads(l->items[i].ports, 0, NULL);
		json_array_foreach(ports, k, p) has |=
		    json_integer_value(p) == port;
		json_decref(ports);
		if (has)
			return l->items[i].component_ref;
	}
	return NULL;
}

static int is_taken(const struct instance_list *active, const struct flow *f,
    const struct descriptor_port *p, int eno, struct err *err)
{
	const char *owner = owner_of(active, f, p->host);

	if (owner != NULL)
		return err_set(err, ERR_CONFLICT, FAULT_PORT,
		    "Ports already in use: %d, by %.200s", p->host, owner);
	if (eno == EACCES)
		return err_set(err, ERR_FORBIDDEN, FAULT_PORT,
		    "Port %d cannot be bound by the hub", p->host);
	return err_set(err, ERR_CONFLICT, FAULT_PORT,
	    "Ports already in use: %d, by another process of this machine",
	    p->host);
}

static int choose(struct flow *f, const struct instance_list *active, size_t i,
    struct err *err)
{
	const struct descriptor_port *p = &f->d.ports[i];
	int port = p->host, eno;

	if (port != 0 && !p->udp && port == f->owner->config.options->port)
		return err_set(err, ERR_CONFLICT, FAULT_PORT,
		    "Ports already in use: %d, by this hub itself: give the "
		    "hub another one (PORT=...), or write \"HOST:%d\" in "
		    "runner.ports",
		    port, p->container);
	eno = try_bind(&port, p->udp);
	if (eno != 0 || owner_of(active, f, port) != NULL)
		return is_taken(active, f, p, eno, err);
	f->host_ports[i] = port;
	return 0;
}

int ports_choose(struct flow *f, struct err *err)
{
	CLEANUP(instance_list_free) struct instance_list active = {0};

	TRY(store_instance_list(
	    f->owner->config.store, true, INSTANCE_LIST_MAX, &active, err));
	for (size_t i = 0; i < f->d.nports; i++)
		TRY(choose(f, &active, i, err));
	return 0;
}
