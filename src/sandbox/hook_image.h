/*
 * The hook client as a static program, and the script by which a runner
 * starts it, embedded: the hub places them in containers whose processes open
 * sessions of their own (sandbox_spec.nested). Any thread.
 */
#ifndef SANDBOX_HOOK_IMAGE_H
#define SANDBOX_HOOK_IMAGE_H

#include <stddef.h>
#include <stdint.h>

extern const unsigned char hook_image[], hook_image_end[];
extern const unsigned char hook_shim[], hook_shim_end[];

#define HOOK_IMAGE_NAME "runnerhub-hook"
#define HOOK_SHIM_NAME  "runnerhub-hook.sh"

static inline size_t hook_image_size(void)
{
	return (uintptr_t)hook_image_end - (uintptr_t)hook_image;
}

static inline size_t hook_shim_size(void)
{
	return (uintptr_t)hook_shim_end - (uintptr_t)hook_shim;
}

#endif
