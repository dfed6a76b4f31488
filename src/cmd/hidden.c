/* Values that nobody may see: see hidden.h. Main thread. */
#include "cmd/hidden.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/secret.h"
#include "cmd/cmd.h"
#include "cmd/ui.h"

void hidden_wipe(struct hidden *v)
{
	secret_wipe(v, sizeof(*v));
}

/* To its end, or to the end of a line. */
static int read_value(
    const char *what, int fd, bool line, struct hidden *v, struct err *err)
{
	ssize_t n;

	while (v->len < sizeof(v->bytes)) {
		n = read(fd, v->bytes + v->len, sizeof(v->bytes) - v->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read %s", what);
		v->len += (size_t)n;
		if (n == 0 || (line && v->bytes[v->len - 1] == '\n'))
			break;
	}
	if (v->len > 0 && v->bytes[v->len - 1] == '\n')
		v->len--;
	if (v->len > HIDDEN_MAX)
		return err_set(err, ERR_LIMIT, NULL,
		    "%s has more than %d bytes", what, HIDDEN_MAX);
	if (v->len == 0)
		return err_set(err, ERR_INVALID, NULL, "%s is empty", what);
	if (memchr(v->bytes, '\0', v->len) != NULL)
		return err_set(err, ERR_INVALID, NULL,
		    "%s holds a NUL byte: encode it, as with base64", what);
	return 0;
}

/* The terminal as it was, for who presses Ctrl-C. */
static struct termios terminal;

static void on_interrupt(int signo)
{
	(void)signo;
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
	_exit(EXIT_CANCELLED);
}

static int ask(
    const char *what, const char *prompt, struct hidden *v, struct err *err)
{
	struct sigaction action = {.sa_handler = on_interrupt};
	struct termios quiet;
	char clean[160];
	int rc;

	if (tcgetattr(STDIN_FILENO, &terminal) < 0)
		return err_sys(err, errno, "ask for %s", what);
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	quiet = terminal;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	fprintf(
	    stderr, "%s (not shown): ", ui_clean(prompt, clean, sizeof(clean)));
	rc = read_value(what, STDIN_FILENO, true, v, err);
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
	fputc('\n', stderr);
	return rc;
}

int hidden_take(const char *what, const char *prompt, const char *file,
    struct hidden *v, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	if (file == NULL && isatty(STDIN_FILENO))
		return ask(what, prompt, v, err);
	if (file == NULL || strcmp(file, "-") == 0)
		return read_value(what, STDIN_FILENO, false, v, err);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open %s", file);
	return read_value(what, fd, false, v, err);
}
