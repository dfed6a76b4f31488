/* `doctor`: how Vault does, as the hub that runs says. Main thread. */
#include <string.h>

#include "cmd/client.h"
#include "cmd/doctor.h"

static void judge(const json_t *vault, struct finding *f)
{
	const char *state = reply_str(vault, "state", "?");
	const char *error = reply_str(vault, "error", "");
	bool usable = json_is_true(json_object_get(vault, "usable"));
	bool unknown = strcmp(state, "unknown") == 0;

	finding_set(f,
	    usable    ? DOCTOR_OK
	    : unknown ? DOCTOR_WARN
		      : DOCTOR_FAIL,
	    "%s is %s%s%.200s", reply_str(vault, "address", "?"), state,
	    *error != '\0' ? ": " : "", error);
	if (!usable)
		finding_advise(f,
		    "jobs and components that need its secrets wait or fail: "
		    "see docs/TROUBLESHOOTING.md");
}

void doctor_vault(struct patient *p, struct finding *f)
{
	CLEANUP(client_close) struct client *c = NULL;
	CLEANUP(json_decref) json_t *system = NULL;
	struct ctx ctx = ctx_root();
	struct err err = ERR_INIT;

	if (p->o == NULL || p->o->vault_addr == NULL)
		finding_set(f, DOCTOR_SKIP, "no Vault is configured");
	else if (!p->hub_answers)
		finding_set(f, DOCTOR_SKIP,
		    "%s: a hub that runs would say how it is",
		    p->o->vault_addr);
	else if (command_client(&c, p->o, &err) < 0 ||
		 client_get(c, &ctx, "/api/system", &system, &err) < 0)
		finding_set(f, DOCTOR_SKIP,
		    "the hub does not say how Vault is: %.200s", err.msg);
	else if (json_object_get(system, "vault") == NULL)
		finding_set(f, DOCTOR_WARN,
		    "the hub that runs has no Vault: it has another "
		    "configuration");
	else
		judge(json_object_get(system, "vault"), f);
}
