/*
 * The host side of a sandbox: its directory with the channel's socket, the
 * network files and the note for a restarted hub; and the agent's binary.
 * Called by sandbox.c, any thread; each sandbox's directory has one owner.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent_image.h"
#include "base/fs.h"
#include "base/parse.h"
#include "sandbox/hook_image.h"
#include "sandbox/sandbox_internal.h"

static const char *const subdirs[] = {"hub", "etc"};
static const char *const files[] = {"hub/s", "etc/resolv.conf", "etc/hosts",
    "etc/hostname", "meta", "meta.tmp"};

const char *sandbox_files_path(const struct sandboxes *s, const char *id,
    const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/sandboxes/%s%s%s", s->config.state_dir, id,
	    *name != '\0' ? "/" : "", name);
	return out;
}

/* FNV-1a: names the file, so that another version gets another name. */
static uint64_t hash_bytes(const unsigned char *p, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static int place_agent(
    const char *state_dir, char *ret_path, size_t size, struct err *err)
{
	size_t len = agent_image_size();
	struct stat st;

	snprintf(ret_path, size, "%s/agent-%016" PRIx64, state_dir,
	    hash_bytes(agent_image, len));
	if (stat(ret_path, &st) == 0 && (size_t)st.st_size == len)
		return 0;
	return fs_replace_file(ret_path, agent_image, len, 0755, err);
}

static int place_in(const char *dir, const char *name, const unsigned char *p,
    size_t len, struct err *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path))
		return err_set(err, ERR_INVALID, NULL, "%s: too long", dir);
	return fs_replace_file(path, p, len, 0755, err);
}

/* Under a name that counts when it is whole: others may mount it already. */
static int place_hook(const char *dir, struct err *err)
{
	char making[PATH_MAX];
	struct stat st;

	if (stat(dir, &st) == 0)
		return 0;
	if (snprintf(making, sizeof(making), "%s.tmp", dir) >=
	    (int)sizeof(making))
		return err_set(err, ERR_INVALID, NULL, "%s: too long", dir);
	TRY(fs_mkdir_p(making, 0755, err));
	TRY(place_in(
	    making, HOOK_IMAGE_NAME, hook_image, hook_image_size(), err));
	TRY(place_in(making, HOOK_SHIM_NAME, hook_shim, hook_shim_size(), err));
	/* Whatever the umask says: every user of the container goes there. */
	if (chmod(making, 0755) < 0 || rename(making, dir) < 0)
		return err_sys(err, errno, "rename %s", making);
	return 0;
}

int sandbox_files_place_hook(struct sandboxes *s, struct err *err)
{
	char dir[PATH_MAX];
	int r = 0;

	mtx_lock(&s->hook_mtx);
	if (s->hook_path[0] == '\0') {
		snprintf(dir, sizeof(dir), "%s/hook-%016" PRIx64,
		    s->config.state_dir,
		    hash_bytes(hook_image, hook_image_size()) ^
			hash_bytes(hook_shim, hook_shim_size()));
		r = place_hook(dir, err);
		if (r == 0)
			memcpy(s->hook_path, dir, sizeof(dir));
	}
	mtx_unlock(&s->hook_mtx);
	return r;
}

int sandbox_files_open(
    const char *state_dir, char *ret_agent_path, size_t size, struct err *err)
{
	char path[PATH_MAX];

	if (strchr(state_dir, ':') != NULL)
		return err_set(err, ERR_INVALID, "bad_state_dir",
		    "state directory %s: the engine cannot mount a path with "
		    "\":\" in it",
		    state_dir);
	snprintf(path, sizeof(path), "%s/sandboxes", state_dir);
	/* Private: the directories in it let every user reach the socket. */
	TRY(fs_mkdir_p(path, 0700, err));
	return place_agent(state_dir, ret_agent_path, size, err);
}

static int write_file(struct sandboxes *s, const char *id, const char *name,
    const char *text, mode_t mode, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	char path[PATH_MAX];

	fd = open(sandbox_files_path(s, id, name, path),
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return err_sys(err, errno, "create %s", path);
	if (fchmod(fd, mode) < 0) /* whatever the umask says: jobs read it */
		return err_sys(err, errno, "chmod %s", path);
	return fs_write_all(fd, text, strlen(text), err);
}

static int write_network_files(
    struct sandboxes *s, const struct sandbox *sb, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {0};
	char hostname[64];

	buf_init(&text, 4096);
	network_resolv_conf(s->network, &text);
	TRY(write_file(
	    s, sb->id, "etc/resolv.conf", buf_str(&text), 0644, err));
	snprintf(hostname, sizeof(hostname), "runner-%.8s\n", sb->id);
	TRY(write_file(s, sb->id, "etc/hostname", hostname, 0644, err));
	buf_clear(&text);
	IGNORE(buf_printf(&text, /* fits: 4096 */
	    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n"
	    "%u.%u.%u.%u\t%s",
	    sb->address >> 24, sb->address >> 16 & 255, sb->address >> 8 & 255,
	    sb->address & 255, hostname));
	return write_file(s, sb->id, "etc/hosts", buf_str(&text), 0644, err);
}

int sandbox_files_make(
    struct sandboxes *s, const struct sandbox *sb, struct err *err)
{
	char path[PATH_MAX];

	if (mkdir(sandbox_files_path(s, sb->id, "", path), 0700) < 0)
		return err_sys(err, errno, "create %s", path);
	for (size_t i = 0; i < ARRAY_LEN(subdirs); i++)
		if (mkdir(sandbox_files_path(s, sb->id, subdirs[i], path),
			0711) < 0 ||
		    chmod(path, 0711) < 0)
			return err_sys(err, errno, "create %s", path);
	return sb->address != 0 ? write_network_files(s, sb, err) : 0;
}

int sandbox_files_save_meta(
    struct sandboxes *s, const struct sandbox *sb, struct err *err)
{
	char text[128];

	snprintf(text, sizeof(text), "%" PRIu32 " %" PRIu64 "\n", sb->address,
	    channel_nonce(sb->channel) & INT64_MAX);
	return write_file(s, sb->id, "meta", text, 0600, err);
}

int sandbox_files_load_meta(struct sandboxes *s, struct sandbox *sb,
    uint64_t *ret_nonce, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = {0};
	char path[PATH_MAX];
	char *space, *newline;
	int64_t address = 0, nonce = 0;

	buf_init(&text, 256);
	TRY(fs_read_file(
	    sandbox_files_path(s, sb->id, "meta", path), &text, err));
	space = text.data != NULL ? strchr(text.data, ' ') : NULL;
	newline = space != NULL ? strchr(space, '\n') : NULL;
	if (newline != NULL)
		*space = *newline = '\0';
	if (newline == NULL ||
	    parse_int(text.data, 0, UINT32_MAX, &address) < 0 ||
	    parse_int(space + 1, 0, INT64_MAX, &nonce) < 0)
		return err_set(err, ERR_INTERNAL, NULL, "%s is damaged", path);
	sb->address = (uint32_t)address;
	*ret_nonce = (uint64_t)nonce;
	return 0;
}

void sandbox_files_remove(struct sandboxes *s, const char *sandbox_id)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		unlink(sandbox_files_path(s, sandbox_id, files[i], path));
	for (size_t i = 0; i < ARRAY_LEN(subdirs); i++)
		rmdir(sandbox_files_path(s, sandbox_id, subdirs[i], path));
	rmdir(sandbox_files_path(s, sandbox_id, "", path));
}

static bool has_container(
    const struct engine_container_list *l, const char *sandbox_id)
{
	const char *id;

	for (size_t i = 0; i < l->n; i++) {
		id = engine_container_label(
		    &l->items[i], "runnerhub.sandbox.id");
		if (id != NULL && strcmp(id, sandbox_id) == 0)
			return true;
	}
	return false;
}

void sandbox_files_sweep(
    struct sandboxes *s, const struct engine_container_list *l)
{
	char path[PATH_MAX];
	struct dirent *e;
	struct uuid id;
	DIR *dir = opendir(sandbox_files_path(s, "", "", path));

	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL)
		if (uuid_parse(e->d_name, &id) == 0 &&
		    !has_container(l, e->d_name) &&
		    !sandboxes_is_live(s, e->d_name))
			sandbox_settle(s, e->d_name);
	closedir(dir);
}

int sandbox_open_channel(
    struct sandboxes *s, struct sandbox *sb, bool running, struct err *err)
{
	char path[PATH_MAX];

	if (s->remote)
		return remote_open_channel(s, sb, running, err);
	return channel_listen(
	    &sb->channel, sandbox_files_path(s, sb->id, "hub/s", path), err);
}
