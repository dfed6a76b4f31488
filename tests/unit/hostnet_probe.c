/*
 * hostnet from the command line, for tests/integration/test_hostnet.py; not
 * installed. Prints what it found or the milliseconds it took; an error goes
 * to standard error as "KIND: words", exit code 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/thread.h"
#include "sandbox/hostnet.h"

#define STORM_MAX 200

static int usage(void)
{
	fputs("hostnet_probe probe\n"
	      "  attach BRIDGE HOST_IF PID ADDRESS PREFIX GATEWAY [MTU]\n"
	      "  detach HOST_IF\n"
	      "  list PREFIX\n"
	      "  guard TABLE BRIDGE [dns]\n"
	      "  crowd TABLE BRIDGE SESSIONS\n"
	      "  unguard TABLE\n"
	      "  blocked BRIDGE\n"
	      "  storm BRIDGE IF_PREFIX FIRST_ADDRESS PREFIX GATEWAY COUNT\n",
	    stderr);
	return 2;
}

static int64_t number(const char *text)
{
	int64_t n;

	if (parse_int(text, -1000000, 10000000, &n) < 0) {
		fprintf(stderr, "not a number: %s\n", text);
		exit(2);
	}
	return n;
}

static uint32_t address(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1) {
		fprintf(stderr, "not an address: %s\n", text);
		exit(2);
	}
	return ntohl(a.s_addr);
}

static void show(void *arg, const char *host_if)
{
	(void)arg;
	puts(host_if);
}

static int run_attach(int argc, char **argv, struct err *err)
{
	struct hostnet_link link = {.bridge = argv[0],
	    .host_if = argv[1],
	    .container_pid = (int)number(argv[2]),
	    .address = address(argv[3]),
	    .prefix = (unsigned)number(argv[4]),
	    .gateway = address(argv[5]),
	    .mtu = argc > 6 ? (int)number(argv[6]) : 0};
	int64_t start = clock_mono_ns();

	TRY(hostnet_attach(&link, err));
	printf("%.3f\n",
	    (double)(clock_mono_ns() - start) / (double)CLOCK_NS_PER_MS);
	return 0;
}

static int run_guard(int argc, char **argv, struct err *err)
{
	const struct hostnet_guard guard = {
	    .table = argv[0], .bridge = argv[1], .allow_dns = argc == 3};

	return hostnet_guard_install(&guard, err);
}

/* Every other one is known by its addresses alone. */
static int run_crowd(char **argv, struct err *err)
{
	size_t n = (size_t)number(argv[2]);
	struct hostnet_session *sessions = mem_calloc(n + 1, sizeof(*sessions));
	const struct hostnet_guard guard = {.table = argv[0],
	    .bridge = argv[1],
	    .sessions = sessions,
	    .nsessions = n};
	int64_t start = clock_mono_ns();
	int r;

	for (size_t i = 0; i < n; i++) {
		sessions[i].base = 0x0ad60000 + ((uint32_t)i << 4);
		sessions[i].prefix = 28;
		if (i % 2 == 0)
			snprintf(sessions[i].device, sizeof(sessions[i].device),
			    "rscrowd%zu", i);
	}
	r = hostnet_guard_install(&guard, err);
	mem_free(sessions);
	TRY(r);
	printf("%.3f\n",
	    (double)(clock_mono_ns() - start) / (double)CLOCK_NS_PER_MS);
	return 0;
}

static int run_blocked(const char *bridge, struct err *err)
{
	char chain[120];
	int found = hostnet_forward_blocked(bridge, chain, sizeof(chain), err);

	TRY(found);
	if (found == 1)
		puts(chain);
	return 0;
}

/* -- many at once --------------------------------------------------------- */
struct storm_item {
	struct hostnet_link link;
	char host_if[16];
	pthread_t thread;
	int64_t took_ns;
	int rc;
	struct err err;
};

/* A process that only is in a network namespace of its own; it dies with
 * us. Returns once the namespace exists. */
static pid_t start_tenant(void)
{
	int ready[2];
	char c;
	pid_t pid;

	if (pipe(ready) < 0 || (pid = fork()) < 0) {
		perror("start a tenant");
		exit(1);
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1) {
		fputs("a tenant could not start\n", stderr);
		exit(1);
	}
	close(ready[0]);
	return pid;
}

static void *storm_attach(void *arg)
{
	struct storm_item *item = arg;
	int64_t start = clock_mono_ns();

	item->rc = hostnet_attach(&item->link, &item->err);
	item->took_ns = clock_mono_ns() - start;
	return NULL;
}

static void storm_start(struct storm_item *items, int count)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < count; i++)
		if (thread_start(&items[i].thread, "storm", storm_attach,
			&items[i], &err) < 0) {
			fprintf(stderr, "%s\n", err.msg);
			exit(1);
		}
	for (int i = 0; i < count; i++)
		thread_join(items[i].thread);
}

/* Attaches tenants that are all there, each on its own thread, and waits for
 * the end of its input before they go away. */
static int run_storm(char **argv, struct err *err)
{
	int count = (int)number(argv[5]);
	struct storm_item *items;
	int64_t start, slowest = 0;
	int failed = 0;

	if (count < 1 || count > STORM_MAX)
		return err_set(
		    err, ERR_INVALID, NULL, "1 to %d tenants", STORM_MAX);
	items = mem_calloc((size_t)count, sizeof(*items));
	for (int i = 0; i < count; i++) {
		snprintf(items[i].host_if, sizeof(items[i].host_if), "%s%d",
		    argv[1], i);
		items[i].link = (struct hostnet_link){.bridge = argv[0],
		    .host_if = items[i].host_if,
		    .container_pid = start_tenant(),
		    .address = address(argv[2]) + (uint32_t)i,
		    .prefix = (unsigned)number(argv[3]),
		    .gateway = address(argv[4])};
	}
	start = clock_mono_ns();
	storm_start(items, count);
	start = clock_mono_ns() - start;
	for (int i = 0; i < count; i++) {
		if (items[i].took_ns > slowest)
			slowest = items[i].took_ns;
		if (items[i].rc < 0 && failed++ == 0)
			*err = items[i].err;
	}
	printf("%d failed, all in %.1f ms, slowest %.1f ms\n", failed,
	    (double)start / CLOCK_NS_PER_MS, (double)slowest / CLOCK_NS_PER_MS);
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	for (int i = 0; i < count; i++) {
		kill(items[i].link.container_pid, SIGKILL);
		waitpid(items[i].link.container_pid, NULL, 0);
	}
	mem_free(items);
	return failed == 0 ? 0 : -1;
}

static int run(int argc, char **argv, struct err *err)
{
	const char *what = argc > 0 ? argv[0] : "";

	argc--;
	argv++;
	if (strcmp(what, "probe") == 0 && argc == 0)
		return hostnet_probe(err);
	if (strcmp(what, "attach") == 0 && (argc == 6 || argc == 7))
		return run_attach(argc, argv, err);
	if (strcmp(what, "detach") == 0 && argc == 1)
		return hostnet_detach(argv[0], err);
	if (strcmp(what, "list") == 0 && argc == 1)
		return hostnet_list(argv[0], show, NULL, err);
	if (strcmp(what, "crowd") == 0 && argc == 3)
		return run_crowd(argv, err);
	if (strcmp(what, "guard") == 0 && (argc == 2 || argc == 3))
		return run_guard(argc, argv, err);
	if (strcmp(what, "unguard") == 0 && argc == 1)
		return hostnet_guard_remove(argv[0], err);
	if (strcmp(what, "blocked") == 0 && argc == 1)
		return run_blocked(argv[0], err);
	if (strcmp(what, "storm") == 0 && argc == 6)
		return run_storm(argv, err);
	exit(usage());
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	if (run(argc - 1, argv + 1, &err) < 0) {
		fprintf(stderr, "%s: %s\n", err_kind_name(err.kind), err.msg);
		return 1;
	}
	return 0;
}
