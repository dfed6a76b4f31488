/* Memory of the container as the kernel counts it, cgroup v1 and v2. */
#ifndef AGENT_CGROUP_H
#define AGENT_CGROUP_H

#include <stdint.h>

struct cgroup_memory {
	uint64_t oom_kills; /* since the container started */
	uint64_t limit;     /* bytes, 0: unknown or none */
	uint64_t peak;      /* bytes, 0: unknown */
};

/* What cannot be read is 0. */
struct cgroup_memory cgroup_memory_read(void);
/* The value behind "key " at the start of a line, 0 when absent. Pure. */
uint64_t cgroup_text_value(const char *text, const char *key);

#endif
