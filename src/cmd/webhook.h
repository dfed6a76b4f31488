/* The `webhook` commands: whom the hub tells of events. */
#ifndef CMD_WEBHOOK_H
#define CMD_WEBHOOK_H

#include "cmd/cmd.h"

extern const struct command command_webhook_add, command_webhook_list,
    command_webhook_test, command_webhook_remove, command_webhook_deliveries;

#endif
