/* Names of the files that belong to a step; for job.c and job_collect.c. */
#ifndef AGENT_JOB_FILES_H
#define AGENT_JOB_FILES_H

#include <stdint.h>

#define JOB_FILE_NAME_MAX 64

enum job_file {
	JOB_FILE_ENV,
	JOB_FILE_PATH,
	JOB_FILE_OUTPUT,
	JOB_FILE_SUMMARY,
};
#define JOB_FILES 4

/* "GITHUB_ENV" ... */
const char *job_file_variable(enum job_file f);
void job_file_name(char out[JOB_FILE_NAME_MAX], enum job_file f, uint16_t step);
/* Some shells insist on the ending of the script's name. */
void job_script_name(
    char out[JOB_FILE_NAME_MAX], const char *shell, uint16_t step);

#endif
