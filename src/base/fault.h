/*
 * Named fault points: FAULT("after_container_create") ends the process with
 * SIGKILL when RUNNERHUB_FAULT names that point (optionally ":n" for the
 * n-th passage). With "@FILE" at its end the thread that passes waits instead,
 * as long as the file is there. For tests; without the variable one relaxed
 * load.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#define FAULT(name) fault_point(name)

/* Reads RUNNERHUB_FAULT once; call first thing in main. */
void fault_setup(void);
void fault_point(const char *name);

#endif
