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
#include "base/map.h"
#include "components/flow.h"
#include "components/procnet.h"
#include "config/checks.h"

/* -- is it free? ------------------------------------------------------- */

/* 0: free, then *port is what was bound; else errno. */
static int try_bind(const char *address, int *port, bool udp)
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
	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		return EADDRNOTAVAIL;
	/* Connections of an instance before it, still closing. With UDP it
	 * would mean to share. */
	if (!udp)
		IGNORE(setsockopt(
			   fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return errno;
	if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return errno;
	*port = ntohs(at.sin_port);
	return 0;
}

/* Another that is on its way has chosen it, and may not have bound it yet. */
static bool is_chosen_locked(const struct flow *f, int port, bool udp)
{
	const struct flow *o = f->owner->flows;

	mtx_assert_held(&f->owner->mtx);
	for (; o != NULL; o = o->next)
		for (size_t i = 0; o != f && !o->over && i < o->nchosen; i++)
			if (o->host_ports[i] == port && o->chosen_udp[i] == udp)
				return true;
	return false;
}

/* Takes it, so that no other start does. */
static bool choose(struct flow *f, size_t i, int port)
{
	bool udp = f->d.ports[i].udp, free;

	mtx_lock(&f->owner->mtx);
	free = !is_chosen_locked(f, port, udp);
	if (free) {
		f->host_ports[i] = port;
		f->chosen_udp[i] = udp;
		f->nchosen = i + 1;
	}
	mtx_unlock(&f->owner->mtx);
	return free;
}

/* -- whose is it? ------------------------------------------------------ */

static bool has_port(const struct instance *i, int port)
{
	json_t *ports = json_loads(i->ports, 0, NULL), *p;
	bool has = false;
	size_t k;

	json_array_foreach(ports, k, p) has |= json_integer_value(p) == port;
	json_decref(ports);
	return has;
}

/* -1, with the component that has it; 0: none of ours. */
static int name_component(struct flow *f, int port, struct err *err)
{
	CLEANUP(instance_list_free) struct instance_list l = {0};

	TRY(store_instance_list(
	    f->owner->config.store, true, INSTANCE_LIST_MAX, &l, err));
	for (size_t i = 0; i < l.n; i++)
		if (!uuid_equal(l.items[i].id.u, f->id.u) &&
		    has_port(&l.items[i], port))
			return err_set(err, ERR_CONFLICT, FAULT_PORT,
			    "Ports already in use: %d, by %.200s", port,
			    l.items[i].component_ref);
	return 0;
}

static int name_process(
    const struct descriptor_port *p, int port, struct err *err)
{
	struct procnet_owner owner;

	if (!procnet_owner_of(port, p->udp, &owner))
		return err_set(err, ERR_CONFLICT, FAULT_PORT,
		    "Ports already in use: %d, by another process of this "
		    "machine",
		    port);
	if (owner.pid == getpid())
		return err_set(err, ERR_CONFLICT, FAULT_PORT,
		    "Ports already in use: %d, by this hub itself: give the "
		    "hub another one (PORT=...), or write \"HOST:%d\" in "
		    "runner.ports",
		    port, p->container);
	return err_set(err, ERR_CONFLICT, FAULT_PORT,
	    "Ports already in use: %d, by %s (process %d)%s", port, owner.name,
	    owner.pid,
	    strcmp(owner.name, "docker-proxy") == 0
		? ", for a container that is not ours"
		: "");
}

/* -- choosing ---------------------------------------------------------- */

static int refuse(const struct flow *f, int port, int eno, struct err *err)
{
	const char *address = f->owner->config.options->components_bind;

	if (eno == EADDRNOTAVAIL)
		return err_set(err, ERR_INVALID, FAULT_PORT,
		    "components.bind %s is no address of this machine",
		    address);
	if (eno == EACCES)
		return err_set(err, ERR_FORBIDDEN, FAULT_PORT,
		    "Port %d cannot be bound by the hub", port);
	err_sys(err, eno, "port %d of %s", port, address);
	return fault_set(err, FAULT_PORT);
}

static int take_named(struct flow *f, size_t i, struct err *err)
{
	const struct descriptor_port *p = &f->d.ports[i];
	int port = p->host;
	int eno =
	    try_bind(f->owner->config.options->components_bind, &port, p->udp);

	if (eno == 0 && choose(f, i, port))
		return 0;
	if (eno != 0 && eno != EADDRINUSE)
		return refuse(f, port, eno, err);
	TRY(name_component(f, port, err));
	if (eno == 0)
		return err_set(err, ERR_CONFLICT, FAULT_PORT,
		    "Ports already in use: %d, by a component that is being "
		    "started",
		    port);
	return name_process(p, port, err);
}

/* Hubs and components begin at different places of the pool. */
static int take_of_pool(
    struct flow *f, size_t i, const char *pool, struct err *err)
{
	const char *address = f->owner->config.options->components_bind;
	int first = 0, last = 0, count, at;

	if (!check_split_ports(pool, &first, &last))
		WRONG("components.ports was checked");
	count = last - first + 1;
	at = (int)(map_hash(f->component_ref, strlen(f->component_ref)) %
		   (unsigned)count);
	for (int n = 0; n < count; n++) {
		int port = first + (at + n) % count;

		if (try_bind(address, &port, f->d.ports[i].udp) == 0 &&
		    choose(f, i, port))
			return 0;
	}
	return err_set(err, ERR_LIMIT, FAULT_PORT,
	    "no port of components.ports %s is free", pool);
}

static int take_any(struct flow *f, size_t i, struct err *err)
{
	const struct options *o = f->owner->config.options;
	int port, eno;

	if (o->components_ports != NULL)
		return take_of_pool(f, i, o->components_ports, err);
	do {
		port = 0;
		eno = try_bind(o->components_bind, &port, f->d.ports[i].udp);
		if (eno != 0)
			return refuse(f, port, eno, err);
	} while (!choose(f, i, port));
	return 0;
}

int ports_choose(struct flow *f, struct err *err)
{
	for (size_t i = 0; i < f->d.nports; i++)
		TRY(f->d.ports[i].host != 0 ? take_named(f, i, err)
					    : take_any(f, i, err));
	return 0;
}
