/*
 * The part of the Engine API that runs what a user describes: containers
 * from a whole create document, exec with streamed output, builds. Beside
 * engine.h, whose rules (blocking, contexts, kinds and codes of errors)
 * hold here too. Source: Docker Engine API v1.41 reference.
 */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include "engine/engine.h"

/* Bytes of a container, as they come. stream: 1 stdout, 2 stderr. Not 0: the
 * call ends with that error. */
typedef int engine_output_fn(
    void *arg, int stream, const char *data, size_t len, struct err *err);

/* The document of POST /containers/create for our own spec. Pure. */
int engine_spec_json(const struct engine_container_spec *spec, struct buf *out,
    struct err *err) MUST_CHECK;
/*
 * Creates from a document of POST /containers/create that the caller made.
 * name and platform ("linux/arm64") may be NULL. Nothing in it is judged here:
 * policy is the caller's.
 */
int engine_container_create_from(struct engine *e, const struct ctx *ctx,
    const char *name, const char *platform, const char *json, size_t len,
    char ret_id[ENGINE_ID_LEN], struct err *err) MUST_CHECK;
/* The engine's whole document about one container (for fields that
 * engine_container_inspect leaves out): health, ports, mounts. */
int engine_container_document(struct engine *e, const struct ctx *ctx,
    const char *id, struct buf *out, struct err *err) MUST_CHECK;
/* 1 path exists inside the container (running or not), 0 it does not. */
int engine_container_has_path(struct engine *e, const struct ctx *ctx,
    const char *id, const char *path, struct err *err) MUST_CHECK;
/* The last `tail` lines of both streams. Podman and Docker keep them unless
 * the log driver is "none" or a remote one. */
int engine_container_logs(struct engine *e, const struct ctx *ctx,
    const char *id, int tail, engine_output_fn *output, void *arg,
    struct err *err) MUST_CHECK;
/* Both streams from the first byte on until the container has ended; not
 * bounded but by ctx. Reading again hands out the same bytes. Stream 0, no
 * bytes: all that has arrived was handed over, more is waited for. */
int engine_container_follow(struct engine *e, const struct ctx *ctx,
    const char *id, engine_output_fn *output, void *arg,
    struct err *err) MUST_CHECK;
/* A message is what the container wrote of a line; of a long line there are
 * several. It comes in pieces. stream 0: as with engine_container_follow. */
struct engine_message {
	int stream;      /* 1 stdout, 2 stderr */
	int64_t time_ns; /* the engine's, wall clock; of a stream it grows */
	const char *data;
	size_t len;
	bool last; /* piece of its message */
};
typedef int engine_message_fn(
    void *arg, const struct engine_message *m, struct err *err);
struct engine_log_wish {
	int64_t since_ns; /* messages of that time or later; 0: all it has */
	bool follow;      /* until the container has ended */
	engine_message_fn *message;
	void *arg;
};
/* The log that the engine keeps, of which it may have dropped the beginning.
 * As engine_container_follow's its last lines may be missed while it follows;
 * not bounded but by ctx. */
int engine_container_log(struct engine *e, const struct ctx *ctx,
    const char *id, const struct engine_log_wish *wish,
    struct err *err) MUST_CHECK;
/* Appends the content of a regular file inside the container (running or
 * not), a link at the end of path followed once. 1 read, 0 there is none. */
int engine_container_read_file(struct engine *e, const struct ctx *ctx,
    const char *id, const char *path, struct buf *out,
    struct err *err) MUST_CHECK;
/* As `docker stop`: the image's stop signal, and SIGKILL after grace_ms
 * (rounded up to seconds). One that does not run, or is gone, is fine. */
int engine_container_stop(struct engine *e, const struct ctx *ctx,
    const char *id, int64_t grace_ms, struct err *err) MUST_CHECK;
/* Blocks until the container ends; not bounded but by ctx. */
int engine_container_wait(struct engine *e, const struct ctx *ctx,
    const char *id, int *ret_exit_code, struct err *err) MUST_CHECK;

/* What a running container uses. Counters are since its start; memory without
 * the cache that can be given back. */
struct engine_container_stats {
	int64_t cpu_ns;    /* of all its processes */
	int64_t system_ns; /* of the whole machine, all processors together */
	int cpus;
	int64_t memory_bytes, memory_limit; /* limit: at least the machine's */
	int64_t pids;
	int64_t rx_bytes, tx_bytes; /* of all its networks */
	int64_t read_bytes, write_bytes;
};
/* One round trip. ERR_CONFLICT "container_not_running". */
int engine_container_stats(struct engine *e, const struct ctx *ctx,
    const char *id, struct engine_container_stats *ret,
    struct err *err) MUST_CHECK;

/* From now on it has so many processes at most, also when it runs already. */
int engine_container_limit_pids(struct engine *e, const struct ctx *ctx,
    const char *id, int64_t pids, struct err *err) MUST_CHECK;
/* Bytes of the files that it has made or changed. The engine walks them. */
int engine_container_written(struct engine *e, const struct ctx *ctx,
    const char *id, int64_t *ret, struct err *err) MUST_CHECK;

/* Arrays end with NULL; NULL: absent. Borrowed. */
struct engine_exec_spec {
	const char *const *argv;
	const char *const *env; /* "K=V", beside the container's own */
	const char *working_dir;
	const char *user; /* NULL: the container's */
};
int engine_exec_create(struct engine *e, const struct ctx *ctx,
    const char *container, const struct engine_exec_spec *spec,
    char ret_exec[ENGINE_ID_LEN], struct err *err) MUST_CHECK;
/* Starts it and hands over the framed stream, as engine_container_attach. */
int engine_exec_start(struct engine *e, const struct ctx *ctx, const char *exec,
    int *ret_fd, struct buf *early, struct err *err) MUST_CHECK;
/* After the end of its output: the exit code, awaiting it for a moment. */
int engine_exec_result(struct engine *e, const struct ctx *ctx,
    const char *exec, int *ret_exit_code, struct err *err) MUST_CHECK;

/*
 * A framed stream (engine_exec_start, engine_container_attach) being read.
 * A read that was cancelled or timed out may be repeated: nothing is lost.
 */
struct engine_stream;
/* Takes fd and what came early. */
struct engine_stream *engine_stream_new(int fd, struct buf *early);
void engine_stream_free(struct engine_stream *s);
DEFINE_CLEANUP(struct engine_stream *, engine_stream_free);
/* Hands everything to output until the stream ends. */
int engine_stream_read(struct engine_stream *s, const struct ctx *ctx,
    engine_output_fn *output, void *arg, struct err *err) MUST_CHECK;

/* The classic builder. context: a tar, streamed as http_call.body_source is;
 * dockerfile: its path in there. progress: the builder's output in pieces. */
struct engine_build {
	const char *tag;
	const char *dockerfile;
	const char *network; /* of its RUN lines; NULL: the engine's default */
	const struct engine_pair *labels;
	int (*context)(void *arg, struct buf *out, struct err *err);
	void *context_arg;
	void (*progress)(void *arg, const char *text);
	/* Of each stage, at its end, the image; the last one's is the result.
	 * Told by the builder, not read from what a RUN line prints. NULL:
	 * nobody asks. */
	void (*stage)(void *arg, const char *id);
	void *progress_arg;              /* of both */
	int64_t memory_bytes, nano_cpus; /* of its RUN lines; 0: no limit */
	bool fresh; /* nothing of earlier builds is taken for its own */
	const struct engine_pair *args; /* NULL: none */
	const char *target;             /* build stage, NULL: the last */
};
/* A source of contexts: reads a file to its end; arg is a const int *. */
int engine_context_from_fd(void *arg, struct buf *out, struct err *err);
int engine_image_build(struct engine *e, const struct ctx *ctx,
    const struct engine_build *build, struct err *err) MUST_CHECK;
/* engine_image_pull, three times: registries fail in passing. What it is
 * about is told through progress (which may not be NULL). */
int engine_image_pull_again(struct engine *e, const struct ctx *ctx,
    const char *ref, const char *auth,
    void (*progress)(void *arg, const char *line), void *arg,
    struct err *err) MUST_CHECK;
/* Value of a variable of the image; NULL: it has none. Borrowed. */
const char *engine_image_variable(
    const struct engine_image *image, const char *name);
/* Removes the name and, when it was the last, the image. Gone is fine. */
int engine_image_remove(struct engine *e, const struct ctx *ctx,
    const char *ref, struct err *err) MUST_CHECK;
/* Gives an image (a reference or an id) the name repo:tag, which another may
 * lose by that. The moment is the image's tagged_at, also when it had the name
 * already. */
int engine_image_tag(struct engine *e, const struct ctx *ctx, const char *ref,
    const char *repo, const char *tag, struct err *err) MUST_CHECK;
/* Every image that the engine has, intermediate ones too. */
struct engine_image_item {
	char id[80], parent[80]; /* parent: "" none, or not told */
	int64_t size_bytes;      /* with all that it is built on */
	char **tags;             /* ends with NULL */
};
struct engine_images {
	struct engine_image_item *items;
	size_t n;
};
int engine_image_list_all(struct engine *e, const struct ctx *ctx,
    struct engine_images *ret, struct err *err) MUST_CHECK;
void engine_images_free(struct engine_images *l);
static inline void engine_images_free_guard(struct engine_images *l)
{
	engine_images_free(l);
}
/* Refs of the images that bear each "key=value"; free as a NULL-terminated
 * array of mem strings. */
int engine_image_list(struct engine *e, const struct ctx *ctx,
    const char *const *labels, char ***ret, struct err *err) MUST_CHECK;
void engine_image_refs_free(char **refs);
DEFINE_CLEANUP(char **, engine_image_refs_free);

/* -- volumes ----------------------------------------------------------- */
/* Names of the volumes that bear the labels ("key=value" or "key"), a
 * NULL-terminated array for engine_image_refs_free. */
int engine_volume_list(struct engine *e, const struct ctx *ctx,
    const char *const *labels, char ***ret, struct err *err) MUST_CHECK;
/* Where the engine keeps its files, on the engine's host. */
int engine_volume_mountpoint(struct engine *e, const struct ctx *ctx,
    const char *name, struct buf *out, struct err *err) MUST_CHECK;

#endif
