/*
 * A stand-in for Runner.Worker in its container, static and small. Reads the
 * messages of its listener from the descriptor argv[2]; the first one is kept
 * as the file `message` in the work directory, and names in it the script to
 * run: STANDIN:<base64>: anywhere in the text. Each further message of kind N
 * becomes an empty file `frame-N` (so a script may wait for it). Ends with the
 * script's exit code; a script killed by signal S kills this program with S.
 * Shares nothing with the product.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int in;

/* The end of the pipe is "no data yet", as for the real one. */
static void read_all(unsigned char *to, size_t n)
{
	while (n > 0) {
		ssize_t got = read(in, to, n);

		if (got <= 0) {
			poll(NULL, 0, 100);
			continue;
		}
		to += got;
		n -= (size_t)got;
	}
}

static uint32_t read_number(void)
{
	unsigned char b[4];

	read_all(b, 4);
	return b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24;
}

static unsigned char *read_frame(uint32_t *type, uint32_t *len)
{
	unsigned char *body;

	*type = read_number();
	*len = read_number();
	body = malloc(*len + 1);
	read_all(body, *len);
	return body;
}

static void keep(const char *name, const void *data, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n <= 0) {
			perror(name);
			exit(99);
		}
		p += n;
		len -= (size_t)n;
	}
	close(fd);
}

/* The text between STANDIN: and the next colon, every second byte. */
static char *find_script(const unsigned char *body, size_t len)
{
	static const char tag[] = "STANDIN:";
	size_t k, n = 0;
	char *script;

	for (size_t i = 0; i + 2 * sizeof(tag) < len; i += 2) {
		for (k = 0; tag[k] != '\0' && body[i + 2 * k] == tag[k];)
			k++;
		if (tag[k] != '\0')
			continue;
		script = malloc(len / 2 + 1);
		for (i += 2 * k; i < len && body[i] != ':'; i += 2)
			script[n++] = (char)body[i];
		script[n] = '\0';
		return script;
	}
	fprintf(stderr, "stand-in: no script in the message\n");
	exit(98);
}

static pid_t start(const char *script)
{
	pid_t pid;

	setenv("SCRIPT", script, 1);
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c",
		    "eval \"$(printf %s \"$SCRIPT\" | base64 -d)\"", NULL);
		_exit(97);
	}
	return pid;
}

static void on_child(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = on_child};
	uint32_t type, len;
	unsigned char *body;
	int status;
	pid_t pid;

	if (argc != 4 || strcmp(argv[1], "spawnclient") != 0)
		return 96;
	in = atoi(argv[2]);
	if (fcntl(in, F_GETFD) < 0 || fcntl(atoi(argv[3]), F_GETFD) < 0) {
		perror("stand-in: the pipes");
		return 95;
	}
	fcntl(in, F_SETFD, FD_CLOEXEC);
	if (access(".runner", R_OK) != 0 || chdir("_work") != 0) {
		perror("stand-in: .runner or _work");
		return 94;
	}
	sigaction(SIGCHLD, &act, NULL);
	body = read_frame(&type, &len);
	keep("message", body, len);
	printf("stand-in: message %u of %u bytes\n", type, len);
	fflush(stdout);
	pid = start(find_script(body, len));
	free(body);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct pollfd fd = {.fd = in, .events = POLLIN};
		char name[32];

		if (poll(&fd, 1, 50) <= 0 || !(fd.revents & POLLIN))
			continue;
		body = read_frame(&type, &len);
		snprintf(name, sizeof(name), "frame-%u", type);
		keep(name, body, len);
		free(body);
	}
	if (WIFSIGNALED(status))
		raise(WTERMSIG(status));
	return WEXITSTATUS(status);
}
