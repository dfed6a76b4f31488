/* The size of the embedded agent: see agent_image.h. Any thread. */
#include "agent/agent_image.h"

#include <stdint.h>

extern const unsigned char agent_image_end[];

size_t agent_image_size(void)
{
	return (uintptr_t)agent_image_end - (uintptr_t)agent_image;
}
