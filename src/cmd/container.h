/* The rows of container.c and container_act.c. */
#ifndef CMD_CONTAINER_H
#define CMD_CONTAINER_H

#include "cmd/client.h"
#include "cmd/cmd.h"

extern const struct command command_container_list, command_container_stats,
    command_container_logs, command_container_exec, command_container_stop;

/* "/api/containers/<id>" and suffix; mem_free. */
char *container_path(const char *id, const char *suffix);

#endif
