/*
 * A plain main for a fuzz target: feeds it every file of the directories and
 * every file named as arguments, in the order of their names, so that `make
 * test` replays a corpus under the ordinary sanitizers without libFuzzer.
 * A finding ends the process (the sanitizer or ASSERT does), after the name
 * of the input was printed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1024 * 1024)

static size_t replayed;

static int fail(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return -1;
}

/* The exact size on the heap: a read past the end is then seen. */
static void feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	replayed++;
}

static int replay_file(const char *path)
{
	static uint8_t data[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t size;

	if (f == NULL)
		return fail(path);
	size = fread(data, 1, sizeof data, f);
	if (ferror(f)) {
		fclose(f);
		return fail(path);
	}
	fclose(f);
	printf("%s (%zu bytes)\n", path, size);
	fflush(stdout);
	feed(data, size);
	return 0;
}

static int replay_dir(const char *path)
{
	struct dirent **names = NULL;
	int n = scandir(path, &names, NULL, alphasort);
	int rc = n < 0 ? fail(path) : 0;

	for (int i = 0; i < n; i++) {
		char file[4096];

		if (names[i]->d_name[0] != '.' && rc == 0) {
			snprintf(
			    file, sizeof file, "%s/%s", path, names[i]->d_name);
			rc = replay_file(file);
		}
		free(names[i]);
	}
	free(names);
	return rc;
}

int main(int argc, char **argv)
{
	feed((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) < 0)
			return fail(argv[i]) < 0;
		if ((S_ISDIR(st.st_mode) ? replay_dir(argv[i])
					 : replay_file(argv[i])) < 0)
			return 1;
	}
	printf("%zu inputs\n", replayed);
	/* The empty input alone would be a corpus that got lost. */
	return replayed > 1 ? 0 : 1;
}
