/* The `component` commands. */
#ifndef CMD_COMPONENT_H
#define CMD_COMPONENT_H

#include "cmd/cmd.h"

extern const struct command command_component_validate;

#endif
