/*
 * The checks of `doctor`: each looks at one thing and says how it is and,
 * when it is not well, what to do. A check changes nothing that it does not
 * undo. Main thread.
 */
#ifndef CMD_DOCTOR_H
#define CMD_DOCTOR_H

#include <stdbool.h>

#include "base/ctx.h"
#include "base/defs.h"
#include "config/config.h"
#include "engine/engine.h"

enum verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_SKIP };

struct finding {
	enum verdict verdict;
	char text[480];   /* what is so */
	char advice[480]; /* what to do; "" when all is well */
};

/* What checks share; later ones use what earlier ones found out. */
struct patient {
	const struct ctx *ctx;       /* a deadline for each check */
	const struct config *config; /* NULL: it could not be loaded */
	const struct options *o;     /* NULL likewise */
	const struct err *config_error;
	bool hub_answers;
	bool hub_database_ok;    /* as /health says */
	struct engine *engine;   /* NULL: not opened */
	struct engine_info info; /* valid when engine_answers */
	bool engine_answers;
	bool image_is_here;
};

struct doctor_check {
	const char *name;
	void (*run)(struct patient *p, struct finding *f);
};

void finding_set(struct finding *f, enum verdict verdict, const char *fmt, ...)
    PRINTF(3, 4);
void finding_advise(struct finding *f, const char *fmt, ...) PRINTF(2, 3);

/* doctor_host.c */
void doctor_versions(struct patient *p, struct finding *f);
void doctor_config(struct patient *p, struct finding *f);
void doctor_access(struct patient *p, struct finding *f);
void doctor_state_dir(struct patient *p, struct finding *f);
void doctor_disk(struct patient *p, struct finding *f);
void doctor_hub(struct patient *p, struct finding *f);
void doctor_store(struct patient *p, struct finding *f);
/* doctor_vault.c */
void doctor_vault(struct patient *p, struct finding *f);
void doctor_limits(struct patient *p, struct finding *f);
/* doctor_engine.c */
void doctor_engine(struct patient *p, struct finding *f);
void doctor_engine_limits(struct patient *p, struct finding *f);
void doctor_engine_security(struct patient *p, struct finding *f);
void doctor_session_names(struct patient *p, struct finding *f);
void doctor_clock(struct patient *p, struct finding *f);
void doctor_image(struct patient *p, struct finding *f);
/* doctor_github.c */
void doctor_github(struct patient *p, struct finding *f);
/* doctor_tls.c */
void doctor_tls(struct patient *p, struct finding *f);
/* doctor_sandbox.c */
void doctor_sandbox(struct patient *p, struct finding *f);

/* path itself, or the nearest of its parents that is there. */
void doctor_existing_part(const char *path, char *out, size_t size);

#endif
