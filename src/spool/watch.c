/*
 * Who wants to hear of a log: a list per log, kept with what its users
 * share. Registered and removed by any thread, called by the writer's.
 */
#include <string.h>

#include "spool/spool_internal.h"

/* An id that is none has no log, so nothing will ever be heard of it. */
void spool_watch(struct spool *s, const char *id, struct spool_watch *w)
{
	char name[UUID_TEXT_LEN];
	struct err err = ERR_INIT;

	w->next = NULL;
	w->log = NULL;
	if (shared_id(id, name, &err) < 0)
		return;
	w->log = shared_get(s, name);
	mtx_lock(&w->log->mtx);
	w->next = w->log->watches;
	w->log->watches = w;
	mtx_unlock(&w->log->mtx);
}

void spool_unwatch(struct spool *s, struct spool_watch *w)
{
	struct spool_shared *sh = w->log;
	struct spool_watch **p;

	if (sh == NULL)
		return;
	ASSERT(sh->spool == s);
	mtx_lock(&sh->mtx);
	for (p = &sh->watches; *p != w; p = &(*p)->next)
		ASSERT(*p != NULL);
	*p = w->next;
	mtx_unlock(&sh->mtx);
	w->log = NULL;
	w->next = NULL;
	shared_put(sh);
}

void watch_wake_locked(struct spool_shared *sh)
{
	mtx_assert_held(&sh->mtx);
	for (struct spool_watch *w = sh->watches; w != NULL; w = w->next)
		w->wake(w->arg);
}
