/*
 * A closed-loop HTTP load generator: N keep-alive connections, each with one
 * request in flight, for some seconds. Prints one JSON object: rate, mean,
 * p50, p90, p99, max in microseconds, and how many answers of each status
 * class came.
 *
 *   load -c 32 -t 10 -w 2 -p 3000 [-m POST] [-b BODY_FILE] [-n FIRST]
 *        [-H HEADER] [-r RATE] PATH
 *
 * With RATE all connections together send so many requests a second, if the
 * server answers that fast; else each sends its next one at once.
 *
 * A run of twelve '@' in the body becomes a number that no other request of
 * the run has, counting from FIRST. One thread, epoll: the generator must
 * cost less than what it measures. Only answers with Content-Length are
 * understood, which is what both servers send here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define REQUEST_MAX     (64 * 1024)
#define ANSWER_MAX      (256 * 1024)
#define SAMPLES_MAX     (16 * 1024 * 1024)
#define MARK            "@@@@@@@@@@@@"
#define MARK_LEN        12

struct options {
	int connections, port;
	double seconds, warmup, rate;
	const char *method, *path, *body_file, *header;
	uint64_t first;
};

struct connection {
	int fd;
	int64_t sent_at_ns;
	bool rests; /* until the next request is due */
	size_t sent, received;
	char request[REQUEST_MAX];
	char answer[ANSWER_MAX + 1];
};

struct run {
	struct options options;
	char request[REQUEST_MAX];
	size_t request_len;
	ssize_t mark; /* offset of the number in the request, -1: none */
	uint64_t next;
	int64_t measure_from_ns, end_ns, pause_ns;
	uint32_t *samples_us;
	size_t nsamples;
	uint64_t by_class[6]; /* 2: 2xx, ... */
	int epoll;
	struct connection *connections;
};

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void refuse(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* -- the request ----------------------------------------------------------- */

static size_t read_body(const char *path, char *body, size_t size)
{
	FILE *f;
	size_t n;

	if (path == NULL)
		return 0;
	f = fopen(path, "rb");
	if (f == NULL)
		die(path);
	n = fread(body, 1, size, f);
	fclose(f);
	if (n == size)
		refuse("the body is too long");
	return n;
}

static void make_request(struct run *r)
{
	static char body[REQUEST_MAX / 2];
	size_t body_len = read_body(r->options.body_file, body, sizeof body);
	const char *mark;
	int n;

	n = snprintf(r->request, sizeof r->request,
	    "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
	    "%s%sContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    r->options.method, r->options.path, r->options.port,
	    r->options.header, *r->options.header != '\0' ? "\r\n" : "",
	    body_len);
	if (n < 0 || (size_t)n + body_len > sizeof r->request)
		refuse("the request is too long");
	memcpy(r->request + n, body, body_len);
	r->request_len = (size_t)n + body_len;
	mark = memmem(r->request, r->request_len, MARK, MARK_LEN);
	r->mark = mark != NULL ? mark - r->request : -1;
	r->next = r->options.first;
}

static void number_request(struct run *r, struct connection *c)
{
	char digits[MARK_LEN + 1];

	memcpy(c->request, r->request, r->request_len);
	if (r->mark < 0)
		return;
	snprintf(digits, sizeof digits, "%0*" PRIu64, MARK_LEN,
	    r->next++ % UINT64_C(1000000000000));
	memcpy(c->request + r->mark, digits, MARK_LEN);
}

/* -- one connection ----------------------------------------------------------
 */

static void open_connection(struct run *r, struct connection *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)r->options.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event e = {
	    .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &e) < 0)
		die("epoll_ctl");
}

static void send_more(struct run *r, struct connection *c)
{
	while (c->sent < r->request_len) {
		ssize_t n = send(c->fd, c->request + c->sent,
		    r->request_len - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			die("send");
		c->sent += (size_t)n;
	}
}

static void start_request(struct run *r, struct connection *c)
{
	number_request(r, c);
	c->sent = c->received = 0;
	c->sent_at_ns = now_ns();
	send_more(r, c);
}

/* Bytes of the whole answer, 0 while its head is not complete. */
static size_t answer_size(const struct connection *c)
{
	const char *end = strstr(c->answer, "\r\n\r\n");
	const char *length;

	if (end == NULL)
		return 0;
	length = strcasestr(c->answer, "\r\ncontent-length:");
	if (length == NULL || length > end)
		refuse("an answer without Content-Length");
	return (size_t)(end + 4 - c->answer) +
	       strtoul(length + sizeof "\r\ncontent-length:" - 1, NULL, 10);
}

static void count_answer(struct run *r, const struct connection *c)
{
	int64_t now = now_ns();
	int class = c->answer[9] - '0';

	if (c->sent_at_ns < r->measure_from_ns || now > r->end_ns)
		return;
	r->by_class[class >= 1 && class <= 5 ? class : 0]++;
	if (r->nsamples < SAMPLES_MAX)
		r->samples_us[r->nsamples++] =
		    (uint32_t)((now - c->sent_at_ns) / 1000);
}

/* Reads what is there; true when an answer is complete. */
static bool receive(struct connection *c)
{
	for (;;) {
		size_t size;
		ssize_t n = recv(c->fd, c->answer + c->received,
		    ANSWER_MAX - c->received, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0)
			die("recv");
		if (n == 0)
			refuse("the server closed a connection");
		c->received += (size_t)n;
		c->answer[c->received] = '\0';
		size = answer_size(c);
		if (size > 0 && c->received >= size)
			return true;
		if (c->received == ANSWER_MAX)
			refuse("an answer is too long");
	}
}

/* -- the run ------------------------------------------------------------------
 */

/* Those whose pause is over; without a rate there is none. */
static void wake_rested(struct run *r)
{
	int64_t now = now_ns();

	for (int i = 0; i < r->options.connections; i++) {
		struct connection *c = &r->connections[i];

		if (c->rests && now >= c->sent_at_ns + r->pause_ns) {
			c->rests = false;
			start_request(r, c);
		}
	}
}

static void run(struct run *r)
{
	struct epoll_event events[256];

	for (int i = 0; i < r->options.connections; i++) {
		open_connection(r, &r->connections[i]);
		start_request(r, &r->connections[i]);
	}
	while (now_ns() < r->end_ns) {
		int n = epoll_wait(
		    r->epoll, events, 256, r->pause_ns > 0 ? 1 : 100);

		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if (c->rests)
				continue;
			send_more(r, c);
			if (receive(c)) {
				count_answer(r, c);
				c->rests = r->pause_ns > 0;
				if (!c->rests)
					start_request(r, c);
			}
		}
		if (r->pause_ns > 0)
			wake_rested(r);
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t percentile(const struct run *r, double p)
{
	if (r->nsamples == 0)
		return 0;
	return r->samples_us[(size_t)((double)(r->nsamples - 1) * p)];
}

static void report(struct run *r)
{
	double sum = 0;
	uint64_t count = 0;

	for (size_t i = 0; i < r->nsamples; i++)
		sum += r->samples_us[i];
	for (int i = 0; i < 6; i++)
		count += r->by_class[i];
	qsort(r->samples_us, r->nsamples, sizeof *r->samples_us, by_value);
	printf("{\"connections\": %d, \"seconds\": %.1f, \"requests\": %" PRIu64
	       ", \"rate\": %.1f, \"mean_us\": %.0f, \"p50_us\": %u, "
	       "\"p90_us\": %u, \"p99_us\": %u, \"max_us\": %u, "
	       "\"status_2xx\": %" PRIu64 ", \"status_other\": %" PRIu64
	       ", \"next\": %" PRIu64 "}\n",
	    r->options.connections, r->options.seconds, count,
	    (double)count / r->options.seconds,
	    r->nsamples > 0 ? sum / (double)r->nsamples : 0, percentile(r, 0.5),
	    percentile(r, 0.9), percentile(r, 0.99), percentile(r, 1.0),
	    r->by_class[2], count - r->by_class[2], r->next);
}

static struct options parse_options(int argc, char **argv)
{
	struct options o = {.connections = 32,
	    .port = 3000,
	    .seconds = 10,
	    .warmup = 2,
	    .method = "GET",
	    .header = ""};
	int opt;

	while ((opt = getopt(argc, argv, "c:p:t:w:m:b:n:H:r:")) != -1) {
		switch (opt) {
		case 'c':
			o.connections = (int)strtol(optarg, NULL, 10);
			break;
		case 'p':
			o.port = (int)strtol(optarg, NULL, 10);
			break;
		case 't':
			o.seconds = strtod(optarg, NULL);
			break;
		case 'w':
			o.warmup = strtod(optarg, NULL);
			break;
		case 'm':
			o.method = optarg;
			break;
		case 'b':
			o.body_file = optarg;
			break;
		case 'H':
			o.header = optarg;
			break;
		case 'r':
			o.rate = strtod(optarg, NULL);
			break;
		case 'n':
			o.first = strtoull(optarg, NULL, 10);
			break;
		default:
			refuse("usage: load -c CONNECTIONS -t SECONDS -w "
			       "WARMUP -p PORT [-m METHOD] [-b BODY_FILE] "
			       "[-n FIRST] [-H HEADER] [-r RATE] PATH");
		}
	}
	if (optind != argc - 1)
		refuse("one PATH is needed");
	if (o.connections < 1 || o.connections > CONNECTIONS_MAX)
		refuse("connections: 1 to 4096");
	if (o.seconds <= 0 || o.warmup < 0 || o.rate < 0)
		refuse("seconds and rate must be positive");
	o.path = argv[optind];
	return o;
}

int main(int argc, char **argv)
{
	static struct run r;
	int64_t start;

	r.options = parse_options(argc, argv);
	make_request(&r);
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	r.samples_us = calloc(SAMPLES_MAX, sizeof *r.samples_us);
	r.connections =
	    calloc((size_t)r.options.connections, sizeof *r.connections);
	if (r.epoll < 0 || r.samples_us == NULL || r.connections == NULL)
		die("set up");
	start = now_ns();
	r.measure_from_ns = start + (int64_t)(r.options.warmup * 1e9);
	r.end_ns = r.measure_from_ns + (int64_t)(r.options.seconds * 1e9);
	if (r.options.rate > 0)
		r.pause_ns =
		    (int64_t)(1e9 * r.options.connections / r.options.rate);
	run(&r);
	report(&r);
	return 0;
}
