/*
 * Can hostnet work here? Asked once at start and by `doctor`. The trial runs
 * in a throw-away network namespace, so it leaves nothing on the machine.
 */
#include "sandbox/hostnet.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "sandbox/hostnet_link.h"
#include "sandbox/hostnet_ns.h"

/*
 * The first process's namespace is the machine's. Where it may not be looked
 * at there is no telling; then the missing bridge tells, at the first attach.
 */
static int check_namespace(struct err *err)
{
	struct stat ours, first;

	if (stat("/proc/self/ns/net", &ours) < 0)
		return err_sys(err, errno, "look at /proc/self/ns/net");
	if (stat("/proc/1/ns/net", &first) < 0)
		return 0;
	if (ours.st_dev != first.st_dev || ours.st_ino != first.st_ino)
		return err_set(err, ERR_UNAVAILABLE, "not_host_network",
		    "the hub runs in a network namespace of its own, not the "
		    "machine's: run it on the host, or with the host's network "
		    "and process ids");
	return 0;
}

/* The permission is checked before the existence: interface -1 never is. */
static int check_permission(struct err *err)
{
	CLEANUP(nl_close) struct nl_sock host = {.fd = -1};
	struct err no = ERR_INIT;

	TRY(nl_open(&host, NETLINK_ROUTE, err));
	if (link_up(&host, INT32_MAX, &no) < 0 && host.refused == EPERM)
		return err_set(err, ERR_FORBIDDEN, "no_net_admin",
		    "no CAP_NET_ADMIN in this network namespace: run the hub "
		    "as root or give it CAP_NET_ADMIN and CAP_SYS_ADMIN");
	return 0;
}

static int find_own(
    struct nl_sock *s, const char *name, struct link_info *ret, struct err *err)
{
	int found = link_find(s, name, ret, err);

	if (found == 0)
		return err_set(err, ERR_INTERNAL, NULL,
		    "interface %s is not there though just created", name);
	return found < 0 ? -1 : 0;
}

/* All that the host end of a sandbox needs, on a bridge of its own. */
static int trial(void *arg, struct err *err)
{
	CLEANUP(nl_close) struct nl_sock s = {.fd = -1};
	const uint8_t mac[6] = {0x02, 0x52, 0, 0, 0, 1};
	struct link_veth veth = {.name = "probe0",
	    .peer_name = "probe1",
	    .peer_mac = mac,
	    .mtu = 1500};
	const struct link_bridge bridge = {.name = "probebr"};
	CLEANUP(fd_close) int ns = -1;
	struct link_info info;

	(void)arg;
	TRY(nl_open(&s, NETLINK_ROUTE, err));
	TRY(link_create_bridge(&s, &bridge, err));
	TRY(find_own(&s, "probebr", &info, err));
	veth.master = info.index;
	ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return err_sys(err, errno, "open /proc/thread-self/ns/net");
	veth.peer_ns = ns;
	TRY(link_create_veth(&s, &veth, err));
	TRY(find_own(&s, "probe0", &info, err));
	return link_isolate_port(&s, &info, err);
}

int hostnet_probe(struct err *err)
{
	TRY(check_namespace(err));
	TRY(check_permission(err));
	if (ns_run(NS_NEW, trial, NULL, err) < 0)
		return err_wrap(err,
		    "sandboxes cannot be joined to a bridge on this machine");
	return 0;
}
