/*
 * What an engine's refusal, silence or absence means to a caller: the only
 * place that knows the engines' wording. Called by engine.c and image.c;
 * pure, but for the look at the socket after a failed connect.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/parse.h"
#include "engine/answer.h"
#include "engine/engine_internal.h"

/* The engine's own words that matter more than its status: engines differ in
 * the status, and one status stands for several things. First match wins. */
static const struct {
	int status; /* 0: any */
	const char *text;
	enum err_kind kind;
	const char *code;
} said[] = {
    {400, "client version", ERR_UNAVAILABLE, "engine_version"},
    {0, "no space left on device", ERR_UNAVAILABLE, "disk_full"},
    {404, "page not found", ERR_INVALID, "engine_unsupported"},
    {404, "no such image", ERR_NOT_FOUND, "image_not_found"},
    {404, "no such exec", ERR_NOT_FOUND, "exec_not_found"},
    {0, "no such container", ERR_NOT_FOUND, "container_not_found"},
    {0, "no container with name or id", ERR_NOT_FOUND, "container_not_found"},
    {404, "no such volume", ERR_NOT_FOUND, "volume_not_found"},
    {0, "network not found", ERR_NOT_FOUND, "network_not_found"},
    {404, "address pool", ERR_LIMIT, "network_pool_exhausted"},
    {404, "network", ERR_NOT_FOUND, "network_not_found"},
    {0, "non-overlapping ipv4 address pool", ERR_LIMIT,
	"network_pool_exhausted"},
    {0, "could not find free subnet", ERR_LIMIT, "network_pool_exhausted"},
    {0, "pool overlaps", ERR_CONFLICT, "network_overlap"},
    {0, "is already used on the host", ERR_CONFLICT, "network_overlap"},
    {0, "is being used by a network", ERR_CONFLICT, "network_overlap"},
    {0, "have same bridge name", ERR_CONFLICT, "network_overlap"},
    {0, "already used by", ERR_CONFLICT, "network_overlap"},
    {0, "has active endpoints", ERR_CONFLICT, "network_in_use"},
    {0, "has associated containers", ERR_CONFLICT, "network_in_use"},
    {0, "volume is in use", ERR_CONFLICT, "volume_in_use"},
    {0, "volume is being used", ERR_CONFLICT, "volume_in_use"},
    {0, "is already in progress", ERR_CONFLICT, "removal_in_progress"},
    {0, "marked for removal", ERR_CONFLICT, "removal_in_progress"},
    {0, "is already in use by", ERR_CONFLICT, "name_in_use"},
    {0, "name is already in use", ERR_CONFLICT, "name_in_use"},
    {409, "already exists", ERR_CONFLICT, "name_in_use"},
    {0, "network already exists", ERR_CONFLICT, "name_in_use"},
    {0, "no command or entrypoint", ERR_INVALID, "engine_refused"},
    {0, "a command that was not found", ERR_INVALID, "engine_refused"},
    {0, "is not running", ERR_CONFLICT, "container_not_running"},
    {0, "can only kill running containers", ERR_CONFLICT,
	"container_not_running"},
    {0, "can only create exec sessions on running", ERR_CONFLICT,
	"container_not_running"},
    /* Podman: it ended by itself while it was being removed */
    {500, "container state improper", ERR_CONFLICT, "container_ending"},
};

static const char *object_name(enum engine_object object)
{
	switch (object) {
	case ENGINE_SELF:
		return "engine";
	case ENGINE_CONTAINER:
		return "container";
	case ENGINE_IMAGE:
		return "image";
	case ENGINE_NETWORK:
		return "network";
	case ENGINE_VOLUME:
		return "volume";
	case ENGINE_EXEC:
		return "exec";
	}
	WRONG("an engine_object out of range");
}

static int refuse(struct err *err, enum err_kind kind, const char *code,
    const char *doing, const char *text)
{
	return err_set(err, kind, code, "%s: the engine says: %s", doing, text);
}

static int refused_by_status(int status, enum engine_object object,
    const char *doing, const char *text, struct err *err)
{
	const char *name = object_name(object);
	char code[32];

	switch (status) {
	case 400:
		return refuse(err, ERR_INVALID, "engine_refused", doing, text);
	case 401:
	case 403:
		return refuse(
		    err, ERR_FORBIDDEN, "engine_forbidden", doing, text);
	case 404:
		snprintf(code, sizeof(code), "%s_not_found", name);
		return refuse(err, ERR_NOT_FOUND, code, doing, text);
	case 405:
	case 501:
		return refuse(
		    err, ERR_INVALID, "engine_unsupported", doing, text);
	case 409:
		snprintf(code, sizeof(code), "%s_conflict", name);
		return refuse(err, ERR_CONFLICT, code, doing, text);
	case 429:
	case 502:
	case 503:
	case 504:
		return refuse(err, ERR_UNAVAILABLE, "engine_busy", doing, text);
	default:
		return refuse(err, status >= 500 ? ERR_INTERNAL : ERR_INVALID,
		    status >= 500 ? "engine_error" : "engine_refused", doing,
		    text);
	}
}

/* One line, printable: it goes into logs and answers. */
static void one_line(const char *in, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size; i++) {
		unsigned char c = (unsigned char)in[i];

		if (c < ' ' || c == 0x7f)
			c = ' ';
		if (c != ' ' || (n > 0 && out[n - 1] != ' '))
			out[n++] = (char)c;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}

/* The "message" of a refusal, or its whole text, or its status. */
static void message_of(
    int status, const char *body, size_t len, char *out, size_t size)
{
	CLEANUP(json_decref) json_t *doc = answer_parse_quiet(body, len);
	const char *text = answer_text(doc, "message");

	if (doc == NULL)
		one_line(body, len, out, size);
	else if (text != NULL)
		one_line(text, strlen(text), out, size);
	else
		out[0] = '\0';
	if (out[0] == '\0')
		snprintf(out, size, "status %d", status);
}

int engine_refused(int status, const char *body, size_t len,
    enum engine_object object, const char *doing, struct err *err)
{
	char text[sizeof(err->msg)];

	message_of(status, body, len, text, sizeof(text));
	if (status == 404 && strcmp(text, "Not Found") == 0)
		status = 501; /* Podman's word for a call that it has not */
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		if ((said[i].status == 0 || said[i].status == status) &&
		    strcasestr(text, said[i].text) != NULL)
			return refuse(
			    err, said[i].kind, said[i].code, doing, text);
	}
	return refused_by_status(status, object, doing, text, err);
}

bool engine_hijack_refused(struct err *err, const struct engine_request *req)
{
	static const char mark[] = "http_", before[] = ": status ";
	const char *text;
	int64_t status;

	if (strncmp(err->code, mark, strlen(mark)) != 0)
		return false;
	if (parse_int(err->code + strlen(mark), 100, 999, &status) != 0)
		return false;
	text = strstr(err->msg, before);
	text = text != NULL ? strchr(text + strlen(before), ':') : NULL;
	text = text != NULL ? text + 1 : err->msg;
	IGNORE(engine_refused((int)status, text, strlen(text), req->object,
	    req->doing, err)); /* err tells */
	return true;
}

/* -- no answer --------------------------------------------------------- */

/* Why a connect to the socket fails now: an errno, 0 when it succeeds. */
static int probe(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP(fd_close) int fd = -1;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ||
	    errno == EAGAIN)
		return 0;
	return errno;
}

static int no_engine(const struct engine *e, const char *doing, struct err *err)
{
	char why[256];
	int eno = e->socket_path != NULL ? probe(e->socket_path) : 0;

	if (eno == EACCES || eno == EPERM)
		return err_set(err, ERR_FORBIDDEN, "engine_permission",
		    "%s: no permission on %s: run as root, or add this user "
		    "to the group that owns the socket (`usermod -aG docker "
		    "$USER`, then log in again)",
		    doing, engine_host(e));
	if (eno == ENOENT || eno == ENOTDIR || eno == ECONNREFUSED)
		return err_set(err, ERR_UNAVAILABLE, "engine_down",
		    "%s: no container engine listens on %s (%s): start it "
		    "(`systemctl start docker`, or `podman system service "
		    "--time=0 %s`), or name another socket in DOCKER_HOST",
		    doing, engine_host(e),
		    eno == ECONNREFUSED ? "connection refused"
					: "there is no such socket",
		    engine_host(e));
	snprintf(why, sizeof(why), "%s", err->msg);
	return err_set(err, ERR_UNAVAILABLE, "engine_down",
	    "%s: the engine at %s does not answer: %s", doing, engine_host(e),
	    why);
}

static bool code_is(const struct err *err, const char *code)
{
	return strcmp(err->code, code) == 0;
}

/* The reason of a loss that does not matter: the call can be repeated. */
static enum err_kind certain_kind(const struct err *err)
{
	if (err->kind != ERR_UNCERTAIN)
		return err->kind;
	if (code_is(err, "timeout"))
		return ERR_TIMEOUT;
	return code_is(err, "canceled") ? ERR_CANCELED : ERR_UNAVAILABLE;
}

int engine_unreached(const struct engine *e, const struct engine_request *req,
    bool own_deadline, struct err *err)
{
	enum err_kind kind = req->repeatable ? certain_kind(err) : err->kind;
	char why[320];

	snprintf(why, sizeof(why), "%s", err->msg);
	switch (kind) {
	case ERR_UNCERTAIN:
		return err_wrap(err, "%s", req->doing);
	case ERR_TIMEOUT:
		if (!own_deadline)
			return err_set(
			    err, kind, NULL, "%s: %s", req->doing, why);
		return err_set(err, ERR_UNAVAILABLE, "engine_timeout",
		    "%s: the engine at %s did not answer within %lld s",
		    req->doing, engine_host(e),
		    (long long)(req->timeout_ms / 1000));
	case ERR_CANCELED:
		return err_set(err, kind, NULL, "%s: %s", req->doing, why);
	case ERR_UNAVAILABLE:
	case ERR_NOT_FOUND:
	case ERR_FORBIDDEN:
		return no_engine(e, req->doing, err);
	case ERR_NONE:
	case ERR_INVALID:
	case ERR_CONFLICT:
	case ERR_AUTH:
	case ERR_LIMIT:
	case ERR_INTERNAL:
		return err_wrap(err, "%s", req->doing);
	}
	WRONG("an err_kind out of range");
}
