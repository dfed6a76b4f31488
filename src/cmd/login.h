/* The `login` and `logout` commands. */
#ifndef CMD_LOGIN_H
#define CMD_LOGIN_H

#include "cmd/cmd.h"

extern const struct command command_login, command_logout;

#endif
