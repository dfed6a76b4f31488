/* The `user` and `token` commands: who may use the hub. */
#ifndef CMD_USER_H
#define CMD_USER_H

#include "cmd/cmd.h"

extern const struct command command_user_bootstrap, command_user_add,
    command_user_list, command_user_passwd, command_user_role,
    command_user_disable, command_user_enable, command_user_delete,
    command_token_create, command_token_list, command_token_delete;

#endif
