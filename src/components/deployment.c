/* The five steps of a start: see deployment.h. */
#include "components/deployment.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *type, *title, *description;
} about[DEPLOY_STEPS] = {
    [DEPLOY_DOWNLOAD] = {"downloading_repository", "Downloading Repository",
	"Fetching the component's source"},
    [DEPLOY_EXTRACT] = {"extracting_files", "Extracting Files",
	"Unpacking the source and reading its configuration"},
    [DEPLOY_BUILD] = {"building_image", "Building Docker Image",
	"Building the image from the component's Dockerfile"},
    [DEPLOY_START] = {"starting_container", "Starting Container",
	"Creating and starting the container"},
    [DEPLOY_MONITOR] = {"monitoring_container", "Monitoring Container",
	"Waiting until the component is ready"},
};

static const char *const states[] = {
    [DEPLOY_PENDING] = "pending",
    [DEPLOY_IN_PROGRESS] = "in_progress",
    [DEPLOY_COMPLETED] = "completed",
    [DEPLOY_FAILED] = "failed",
};

void deployment_begin(struct deployment *d, int64_t now)
{
	memset(d, 0, sizeof(*d));
	d->started_at = now;
	for (int i = 0; i < DEPLOY_STEPS; i++)
		d->steps[i].percent = -1;
}

static void complete_before(
    struct deployment *d, enum deployment_step end, int64_t now)
{
	for (int i = 0; i < (int)end; i++) {
		if (d->steps[i].state == DEPLOY_COMPLETED)
			continue;
		d->steps[i].state = DEPLOY_COMPLETED;
		d->steps[i].completed_at = now;
		if (d->steps[i].started_at == 0)
			d->steps[i].started_at = now;
	}
}

void deployment_enter(
    struct deployment *d, enum deployment_step step, int64_t now)
{
	complete_before(d, step, now);
	d->current = step;
	d->steps[step].state = DEPLOY_IN_PROGRESS;
	d->steps[step].started_at = now;
}

void deployment_percent(struct deployment *d, int percent)
{
	if (percent > d->steps[d->current].percent && percent <= 100)
		d->steps[d->current].percent = percent;
}

void deployment_describe(struct deployment *d, const char *text)
{
	d->steps[d->current].description = text;
}

void deployment_complete(struct deployment *d, int64_t now)
{
	complete_before(d, DEPLOY_STEPS, now);
	d->current = DEPLOY_STEPS - 1;
	d->completed_at = now;
}

void deployment_fail(struct deployment *d, const char *error, int64_t now)
{
	d->steps[d->current].state = DEPLOY_FAILED;
	d->steps[d->current].completed_at = now;
	snprintf(
	    d->steps[d->current].error, sizeof(d->steps[0].error), "%s", error);
	d->completed_at = now;
}

static void optional_time(struct json *j, const char *key, int64_t at)
{
	if (at != 0)
		json_ktime(j, key, at);
}

static void write_step(const struct deployment *d, int i, struct json *j)
{
	json_obj(j);
	json_kstr(j, "type", about[i].type);
	json_kstr(j, "status", states[d->steps[i].state]);
	json_kstr(j, "title", about[i].title);
	json_kstr(j, "description",
	    d->steps[i].description != NULL ? d->steps[i].description
					    : about[i].description);
	optional_time(j, "startedAt", d->steps[i].started_at);
	optional_time(j, "completedAt", d->steps[i].completed_at);
	if (d->steps[i].error[0] != '\0')
		json_kstr(j, "error", d->steps[i].error);
	if (d->steps[i].percent >= 0 && d->steps[i].state == DEPLOY_IN_PROGRESS)
		json_kint(j, "progress", d->steps[i].percent);
	json_end(j);
}

void deployment_write(const struct deployment *d, struct json *j)
{
	int completed = 0;
	bool failed = false;

	json_obj(j);
	json_kstr(j, "currentStep", about[d->current].type);
	json_karr(j, "steps");
	for (int i = 0; i < DEPLOY_STEPS; i++) {
		completed += d->steps[i].state == DEPLOY_COMPLETED;
		failed |= d->steps[i].state == DEPLOY_FAILED;
		write_step(d, i, j);
	}
	json_end(j);
	json_kint(j, "overallProgress", 100 * completed / DEPLOY_STEPS);
	json_kbool(j, "isComplete", failed || completed == DEPLOY_STEPS);
	json_kbool(j, "hasError", failed);
	json_ktime(j, "startedAt", d->started_at);
	optional_time(j, "completedAt", d->completed_at);
	json_end(j);
}
