/* What is to be seen of a container: see look.h. Pure. */
#include "containers/look.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "containers/document.h"
#include "containers/paths.h"

enum container_health container_judge(const json_t *doc, bool must_run)
{
	const char *status =
	    json_string_value(document_at(doc, "State.Health.Status"));
	bool running = json_is_true(document_at(doc, "State.Running"));
	bool checked =
	    status != NULL && status[0] != '\0' && strcmp(status, "none") != 0;

	if (!running && (must_run || checked))
		return CONTAINER_BAD;
	if (!checked || strcmp(status, "healthy") == 0)
		return CONTAINER_WELL;
	return strcmp(status, "starting") == 0 ? CONTAINER_STARTING
					       : CONTAINER_BAD;
}

void container_tell_end(const json_t *doc, char *out, size_t size)
{
	bool memory = json_is_true(document_at(doc, "State.OOMKilled"));
	int code = (int)json_number_value(document_at(doc, "State.ExitCode"));
	const char *why = "";

	if (code == 128 + SIGKILL && !memory)
		why = " (killed: out of memory, or by somebody)";
	snprintf(out, size, "%sended with code %d%s",
	    memory ? "ran out of memory and " : "", code, why);
}

/* Letters, digits, ".", "_" and "-" are all that an image's name can have. */
char *container_image_alias(const char *image)
{
	const char *slash = strrchr(image, '/');
	const char *name = slash != NULL ? slash + 1 : image;

	return mem_strndup(name, strcspn(name, ":@"));
}

bool container_is_alpine(const char *releases)
{
	for (const char *line = releases; line != NULL && *line != '\0';) {
		const char *end = strchrnul(line, '\n');

		if (strncmp(line, "ID=", 3) == 0 &&
		    memmem(line, (size_t)(end - line), "alpine", 6) != NULL)
			return true;
		line = *end != '\0' ? end + 1 : end;
	}
	return false;
}

char *container_path_inside(const struct container_wish *wish, const char *path)
{
	const struct wish_mount *best = NULL;

	for (size_t i = 0; i < wish->nsystem_mounts; i++) {
		const struct wish_mount *m = &wish->system_mounts[i];

		if (m->source != NULL && m->target != NULL &&
		    path_is_below(path, m->source) &&
		    (best == NULL || strlen(m->source) > strlen(best->source)))
			best = m;
	}
	if (best == NULL)
		return NULL;
	return mem_printf("%s%s", best->target, path + strlen(best->source));
}
