/*
 * ~ The list of all commands, in the order of the help. Read this to see
 * what the program can do; each row stands beside its code.
 */
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/component.h"
#include "cmd/container.h"
#include "cmd/login.h"
#include "cmd/secret.h"
#include "cmd/user.h"
#include "cmd/webhook.h"

const struct command command_serve = {
    .name = "serve",
    .operands = "",
    .flags = COMMAND_CONFIG,
    .summary = "run the hub",
    .details = "One process with an embedded store under the state "
	       "directory. Without any configuration it listens on "
	       "127.0.0.1:3000. SIGTERM ends it: running jobs are handed over "
	       "to the next start, or waited for with --shutdown-mode=drain.",
    .run = cmd_serve,
};

const struct command *const commands[] = {
    &command_serve,
    &command_job_delegate,
    &command_job_list,
    &command_job_show,
    &command_job_logs,
    &command_job_wait,
    &command_job_cancel,
    &command_job_retry,
    &command_queue,
    &command_container_list,
    &command_container_stats,
    &command_container_logs,
    &command_container_exec,
    &command_container_stop,
    &command_runner_list,
    &command_runner_show,
    &command_runner_register,
    &command_runner_create,
    &command_runner_drain,
    &command_runner_remove,
    &command_runner_token,
    &command_proxy_install,
    &command_proxy_status,
    &command_proxy_uninstall,
    &command_proxy_run,
    &command_component_list,
    &command_component_start,
    &command_component_status,
    &command_component_logs,
    &command_component_stop,
    &command_component_errors,
    &command_component_validate,
    &command_secret_set,
    &command_secret_list,
    &command_secret_delete,
    &command_secret_rotate,
    &command_login,
    &command_logout,
    &command_user_bootstrap,
    &command_user_add,
    &command_user_list,
    &command_user_passwd,
    &command_user_role,
    &command_user_disable,
    &command_user_enable,
    &command_user_delete,
    &command_token_create,
    &command_token_list,
    &command_token_delete,
    &command_webhook_add,
    &command_webhook_list,
    &command_webhook_test,
    &command_webhook_deliveries,
    &command_webhook_remove,
    &command_audit_list,
    &command_audit_verify,
    &command_audit_export,
    &command_events,
    &command_health,
    &command_config,
    &command_doctor,
    &command_completion,
    &command_version,
    &command_help,
    NULL,
};

/* The command whose words argv begins with; the longest name wins. */
const struct command *command_find(int argc, char **argv, int *ret_words)
{
	for (size_t i = 0; argc > 0 && commands[i] != NULL; i++) {
		const char *name = commands[i]->name;
		const char *space = strchr(name, ' ');

		if (space == NULL && strcmp(name, argv[0]) == 0) {
			*ret_words = 1;
			return commands[i];
		}
		if (space == NULL || argc < 2)
			continue;
		if (strncmp(name, argv[0], (size_t)(space - name)) == 0 &&
		    argv[0][space - name] == '\0' &&
		    strcmp(space + 1, argv[1]) == 0) {
			*ret_words = 2;
			return commands[i];
		}
	}
	return NULL;
}
