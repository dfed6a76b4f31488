/* What tells whether a component is used: the kernel's counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "components/procnet.h"
#include "components/use.h"

static const char SNMP[] =
    "Ip: Forwarding DefaultTTL InReceives\n"
    "Ip: 1 64 71\n"
    "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens\n"
    "Tcp: 1 200 120000 -1 12 34\n"
    "Udp: InDatagrams NoPorts\n"
    "Udp: 56 0\n"
    "UdpLite: InDatagrams NoPorts\n"
    "UdpLite: 1 0\n";

static void counters_are_found_by_name(void **state)
{
	uint64_t n = 0;

	(void)state;
	assert_true(use_read_snmp(SNMP, "Tcp", "PassiveOpens", &n));
	assert_int_equal(n, 34);
	assert_true(use_read_snmp(SNMP, "Udp", "InDatagrams", &n));
	assert_int_equal(n, 56);
}

static void what_is_not_there_is_not_made_up(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_false(use_read_snmp(SNMP, "Tcp", "Passive", &n));
	assert_false(use_read_snmp(SNMP, "Icmp", "InMsgs", &n));
	assert_false(use_read_snmp(SNMP, "Tcp", "MaxConn", &n)); /* -1 */
	assert_false(use_read_snmp("", "Tcp", "PassiveOpens", &n));
	assert_false(use_read_snmp("Tcp: A B", "Tcp", "B", &n));
	assert_false(use_read_snmp("Tcp: A B\nTcp: 1\n", "Tcp", "B", &n));
	assert_false(use_read_snmp(
	    "Tcp: A\nTcp: 99999999999999999999\n", "Tcp", "A", &n));
	assert_int_equal(n, 7);
}

/* One listens, one is open, one of another port, one is closing. */
static const char TCP[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr\n"
    "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00\n"
    "   1: 0200110A:1F90 0100110A:C350 01 00000000:00000000 00\n"
    "   2: 0200110A:C352 0500110A:1538 01 00000000:00000000 00\n"
    "   3: 0200110A:1F90 0100110A:C351 06 00000000:00000000 00\n";
static const char TCP6[] =
    "  sl  local_address                         remote_address   st\n"
    "   0: 0000000000000000FFFF00000200110A:1F90 "
    "0000000000000000FFFF00000100110A:C353 01 0\n";

static void open_connections_at_its_ports(void **state)
{
	static const int ports[] = {80, 8080};

	(void)state;
	assert_int_equal(use_read_tcp(TCP, ports, ARRAY_LEN(ports)), 1);
	assert_int_equal(use_read_tcp(TCP6, ports, ARRAY_LEN(ports)), 1);
	assert_int_equal(use_read_tcp(TCP, ports, 1), 0);
	assert_int_equal(use_read_tcp("", ports, ARRAY_LEN(ports)), 0);
	assert_int_equal(use_read_tcp("head\n   1: nonsense", ports, 2), 0);
	assert_int_equal(
	    use_read_tcp("head\n   1: A:1F9 B:1 01 ", ports, 2), 0);
}

static void rows_of_sockets(void **state)
{
	static const char text[] =
	    "  sl  local_address rem_address   st ...\n"
	    "   0: 00000000:0BB8 00000000:0000 0A 00000000:00000000 "
	    "00:00000000 00000000  1000        0 43210 1 0\n"
	    "nonsense\n"
	    "   1: 00000000:0BB9 00000000:0000 0A 00000000:00000000 "
	    "00:00000000 00000000  1000        0 x 1 0\n"
	    "   2: 0100007F:0035 00000000:0000 07 00000000:00000000 "
	    "00:00000000 00000000   101        0 7 2 0";
	const char *at = procnet_line(text);
	struct procnet_row row;

	(void)state;
	assert_true(procnet_row(&at, &row));
	assert_int_equal(row.port, 3000);
	assert_int_equal(row.state, PROCNET_LISTEN);
	assert_int_equal(row.inode, 43210);
	assert_true(procnet_row(&at, &row));
	assert_int_equal(row.port, 53);
	assert_int_equal(row.inode, 7);
	assert_false(procnet_row(&at, &row));
}

/* A listener of this very process. */
static void whose_a_port_is(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct procnet_owner owner = {0};
	socklen_t len = sizeof(at);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	assert_true(procnet_owner_of(ntohs(at.sin_port), false, &owner));
	assert_int_equal(owner.pid, getpid());
	assert_memory_equal(owner.name, "test_component_", 15);
	close(fd);
	assert_false(procnet_owner_of(ntohs(at.sin_port), false, &owner));
}

static void use_is_any_of_them(void **state)
{
	const struct use_count before = {.accepted = 3, .datagrams = 4};
	struct use_count now = before;

	(void)state;
	assert_false(use_was_made(&before, &now));
	now.open = 1;
	assert_true(use_was_made(&before, &now));
	now = before;
	now.accepted++;
	assert_true(use_was_made(&before, &now));
	now = before;
	now.datagrams++;
	assert_true(use_was_made(&before, &now));
}

static void a_stranger_is_not_looked_at(void **state)
{
	struct lifeplan plan;
	struct use_count count;
	struct err err = ERR_INIT;

	(void)state;
	lifeplan_init(&plan);
	assert_int_equal(use_count(1, "c0ffee", &plan, &count, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	err_clear(&err);
	assert_int_equal(use_count(0, "c0ffee", &plan, &count, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counters_are_found_by_name),
	    cmocka_unit_test(what_is_not_there_is_not_made_up),
	    cmocka_unit_test(open_connections_at_its_ports),
	    cmocka_unit_test(rows_of_sockets),
	    cmocka_unit_test(whose_a_port_is),
	    cmocka_unit_test(use_is_any_of_them),
	    cmocka_unit_test(a_stranger_is_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
