/* The `secret` commands: what the hub keeps for components. */
#ifndef CMD_SECRET_H
#define CMD_SECRET_H

#include "cmd/cmd.h"

extern const struct command command_secret_rotate;
extern const struct command command_secret_set, command_secret_list,
    command_secret_delete;

#endif
