/* The signal handlers: see signals.h. cancel_now is an atomic store and a
 * write to an eventfd, both allowed in a handler. */
#include "hook/signals.h"

#include <errno.h>
#include <signal.h>

static struct cancel first, second;

static void on_signal(int sig)
{
	int saved = errno;

	if (cancel_is_set(&first) || sig == SIGTERM)
		cancel_now(&second);
	cancel_now(&first);
	errno = saved;
}

int signals_init(struct err *err)
{
	struct sigaction act = {.sa_handler = on_signal};
	struct sigaction pipe = {.sa_handler = SIG_IGN};

	TRY(cancel_init(&first, err));
	TRY(cancel_init(&second, err));
	sigemptyset(&act.sa_mask);
	sigaddset(&act.sa_mask, SIGINT);
	sigaddset(&act.sa_mask, SIGTERM);
	if (sigaction(SIGINT, &act, NULL) != 0 ||
	    sigaction(SIGTERM, &act, NULL) != 0 ||
	    sigaction(SIGPIPE, &pipe, NULL) != 0)
		return err_sys(err, errno, "install signal handlers");
	return 0;
}

struct cancel *signals_first(void)
{
	return &first;
}

struct cancel *signals_second(void)
{
	return &second;
}
