/*
 * The built agent, embedded: the hub writes these bytes to a file (or sends
 * them through the engine) and mounts it read-only into every container.
 */
#ifndef AGENT_AGENT_IMAGE_H
#define AGENT_AGENT_IMAGE_H

#include <stddef.h>

extern const unsigned char agent_image[];
size_t agent_image_size(void);

#endif
