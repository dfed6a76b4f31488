/*
 * The protocol between the hub and the agent, the first process of every
 * container. Shared by both sides; knows only base/.
 *
 * Transport: a byte stream. Local engine: a unix socket on which the hub
 * listens and the agent connects (and reconnects for ever). Remote engine:
 * the container's stdin/stdout through the engine's attach.
 *
 * Frame: 8-byte header, then `len` payload bytes. Integers little endian.
 *   u32 len (<= WIRE_PAYLOAD_MAX) | u8 type | u8 stream | u16 step
 *
 * Agent to hub, frames of types >= WIRE_RECORD_BASE are *records*: together
 * they form one stream of bytes (headers included) with an absolute offset
 * that starts at 0 when the agent starts. The agent keeps records until the
 * hub acknowledges an offset (a ring of WIRE_RING_BYTES; while it is full
 * the job's writers block). After a reconnect the hub says how far it got
 * (WELCOME) and the agent sends the rest again: nothing is lost or doubled.
 * An offset in ACK or WELCOME always stands at a frame boundary.
 *
 * On stdin/stdout the agent cannot see that another hub has attached: that
 * hub keeps silent for WIRE_STALE_MS (half a command of its predecessor is then
 * thrown away) and asks for HELLO by a PING of stream 1; what comes before
 * HELLO is the rest of a record, which comes again after WELCOME.
 *
 * OUT records of a step may still follow its STEP_END (and stand between
 * those of later steps): what it left running in the background goes on
 * until the job ends.
 *
 * Hub to agent, commands carry a sequence number (1, 2, ...). The agent
 * carries out a number once: after a reconnect the hub may send again what
 * it does not know to have arrived (HELLO names the last one accepted).
 */
#ifndef AGENT_WIRE_H
#define AGENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION     2 /* 1: no INPUT, SIGNAL, tunnel, RUN flags */
#define WIRE_HEADER_LEN  8
#define WIRE_PAYLOAD_MAX (1024 * 1024)
#define WIRE_RING_BYTES  (512 * 1024)
#define WIRE_OUT_MAX     (64 * 1024) /* payload of one OUT record */
#define WIRE_STEP_NONE   0xffff
#define WIRE_STALE_MS    2000         /* silence of a hub that attaches anew */
#define WIRE_INPUT_MAX   (256 * 1024) /* bytes of one INPUT */
/* Connections of the container's processes to the hub, see WIRE_TUN_OPEN. */
#define WIRE_TUNNEL_PATH   "/run/runnerhub/hub.sock"
#define WIRE_TUNNELS_MAX   32
#define WIRE_TUNNEL_WINDOW (64 * 1024)

enum wire_type {
	/* agent -> hub, not records */
	WIRE_HELLO = 1, /* u32 version, u64 boot nonce, u64 first offset held,
			   u64 next offset, u32 last seq accepted,
			   u16 active step or WIRE_STEP_NONE */
	WIRE_PONG = 2,
	/*
	 * The tunnel: a process of the container has connected to
	 * WIRE_TUNNEL_PATH. Neither records nor commands: a new connection of
	 * the channel ends all of them, and whoever was behind connects again.
	 * Each side may send WIRE_TUNNEL_WINDOW bytes of a connection beyond
	 * what the other has acknowledged; ids are the agent's and only grow.
	 * Frames of an id that is over are passed over: they were on their way.
	 *
	 * There is no half-close. A process that shuts down its writing keeps
	 * its connection, and the hub hears nothing of it: who asks over this
	 * socket says how long his question is (HTTP does). CLOSE is said when
	 * that process has closed its socket or takes no more, CLOSE_DOWN when
	 * the hub's server has ended its answer; what stands before either is
	 * passed on first.
	 */
	WIRE_TUN_OPEN = 3,  /* u32 id */
	WIRE_TUN_DATA = 4,  /* u32 id, then bytes */
	WIRE_TUN_ACK = 5,   /* u32 id, u32 bytes passed on since the last */
	WIRE_TUN_CLOSE = 6, /* u32 id: both directions are over, no answer */
	/* hub -> agent, not commands */
	WIRE_WELCOME = 16, /* u64 offset: everything before it is kept */
	WIRE_ACK = 17,     /* u64 offset */
	WIRE_PING = 18,
	WIRE_TUN_DATA_DOWN = 19, /* as the agent's own, the other way */
	WIRE_TUN_ACK_DOWN = 20,
	WIRE_TUN_CLOSE_DOWN = 21,
	/* hub -> agent, commands: payload starts with u32 seq */
	WIRE_JOB = 32,    /* struct wire_job, see below; once, before RUN */
	WIRE_RUN = 33,    /* a step, see below; header.step is its number */
	WIRE_CANCEL = 34, /* u32 grace_ms: SIGTERM to the step's processes,
			     after the grace SIGKILL to all but the agent; the
			     step ends with flag WIRE_END_CANCELLED */
	WIRE_EXIT = 35,   /* kill everything, exit 0 */
	WIRE_SIGNAL = 36, /* u32 signal number: to every process of step
			     header.step, when it runs: its session and all
			     that descends from its main process */
	WIRE_INPUT = 37,  /* for step header.step: u64 offset of the first byte
			     in all of its input, u32 flags (WIRE_INPUT_END),
			     then bytes. Bytes it has already are passed over, a
			     gap is ignored (the hub sends in order), so are
			     bytes beyond WIRE_INPUT_MAX untaken ones, and all
			     for a step that does not run */
	/* agent -> hub, records; payload starts with i64 wall-clock ns */
	WIRE_RECORD_BASE = 64,
	WIRE_OUT = 64,        /* stream 1|2; then the bytes, masked */
	WIRE_STEP_START = 65, /* then u32 pid in the container */
	WIRE_STEP_END = 66,   /* then struct wire_end */
	WIRE_OUTPUTS = 67,    /* then pairs: GITHUB_OUTPUT of the step, masked;
				 several when they are many, later keys win */
	WIRE_SUMMARY = 68,    /* then the text of GITHUB_STEP_SUMMARY, masked;
				 several when it is long: append */
	WIRE_NOTE = 69,       /* then text: the agent warns about something;
				 step may be WIRE_STEP_NONE */
	WIRE_TAKEN = 70,      /* then u64: all input before this offset went
				 into the step's pipe, or is dropped because
				 nobody reads it any more. Told when the step
				 has taken all that there is, and now and then */
};

/*
 * Strings in payloads: u32 length, then bytes (no NUL inside). A list: u32
 * count, then strings. Pairs: u32 count, then key, value strings.
 *
 * WIRE_JOB:  u32 seq, string user ("" = stay root; "name", "uid",
 *   "uid:gid", "name:group": resolved with the container's own /etc/passwd
 *   and /etc/group), pairs env (every step has them), list masks (raw secret
 *   values: masked in OUT, OUTPUTS, SUMMARY with base/mask.h), string
 *   workspace (created, owned by the user, default cwd), u32 flags
 *   (WIRE_JOB_TUNNEL: listen on WIRE_TUNNEL_PATH, for every user).
 * WIRE_RUN:  u32 seq, u32 kind (0: script, 1: argv), string name,
 *   kind 0: string shell ("" = `bash -eo pipefail` when bash is present, else
 *   `sh -e`; else a command line split at spaces, "{0}" = the script file,
 *   appended when absent), string script; kind 1: list argv;
 *   pairs env, string cwd ("" = workspace; relative to it), u64 timeout_ms
 *   (0: none), u32 grace_ms between SIGTERM and SIGKILL. Then, where the hub
 *   knows an agent of version 2: u32 flags (enum wire_run_flag), list of
 *   directories to put before PATH (the step's own, else the container's).
 */
enum wire_job_flag { WIRE_JOB_TUNNEL = 1 };
enum wire_run_flag {
	WIRE_RUN_INPUT = 1, /* INPUT becomes its standard input, else empty */
	WIRE_RUN_PIPES = 2, /* two pipes: "{in}" and "{out}" in argv become
			       the descriptors of the end that it reads (INPUT)
			       and of the one that it writes (dropped) */
};
enum wire_input_flag { WIRE_INPUT_END = 1 };
enum wire_end_flag {
	WIRE_END_SIGNALED = 1,  /* code is the signal's number */
	WIRE_END_TIMEOUT = 2,   /* the agent ended it: step timeout */
	WIRE_END_CANCELLED = 4, /* the agent ended it: CANCEL */
	WIRE_END_OOM = 8,       /* at least one process was killed for memory */
	WIRE_END_NOT_STARTED = 16, /* could not be started; reason says why;
				      code 127: no such program, else 126;
				      STEP_START may be missing */
};
/* In this order, each little endian, then string reason. */
struct wire_end {
	uint32_t code;
	uint32_t flags;
	uint64_t utime_us, stime_us, maxrss_bytes;
	uint64_t oom_kills; /* counted during the step */
	uint64_t mem_limit; /* bytes, 0: unknown */
	uint64_t mem_peak;  /* bytes, 0: unknown */
};

struct wire_header {
	uint32_t len;
	uint8_t type;
	uint8_t stream;
	uint16_t step;
};
void wire_header_put(uint8_t out[WIRE_HEADER_LEN], struct wire_header h);
/* 0, or -1 when len > WIRE_PAYLOAD_MAX. */
int wire_header_get(const uint8_t in[WIRE_HEADER_LEN], struct wire_header *ret);

/* Bounded reading of a payload: every get returns 0, or -1 past the end. */
struct wire_reader {
	const uint8_t *p;
	size_t left;
};
int wire_get_u16(struct wire_reader *r, uint16_t *ret);
int wire_get_u32(struct wire_reader *r, uint32_t *ret);
int wire_get_u64(struct wire_reader *r, uint64_t *ret);
/* Borrowed from the payload, not NUL-terminated; refuses NUL inside. */
int wire_get_str(struct wire_reader *r, const char **ret, size_t *ret_len);
int wire_get_end(struct wire_reader *r, struct wire_end *ret,
    const char **ret_reason, size_t *ret_reason_len);

struct buf;
/* Appending; overflow is kept in buf->overflow. */
void wire_put_u16(struct buf *b, uint16_t v);
void wire_put_u32(struct buf *b, uint32_t v);
void wire_put_u64(struct buf *b, uint64_t v);
void wire_put_str(struct buf *b, const char *s); /* NULL: "" */
void wire_put_strn(struct buf *b, const char *s, size_t len);
void wire_put_end(
    struct buf *b, const struct wire_end *end, const char *reason);
/* Starts a frame at the end of b (header with len 0), returns its position;
 * wire_frame_end fills in the length. */
size_t wire_frame_begin(
    struct buf *b, uint8_t type, uint8_t stream, uint16_t step);
void wire_frame_end(struct buf *b, size_t at);

#endif
