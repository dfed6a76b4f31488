/*
 * A log by the numbers of its lines (from 0), for viewers that jump: see
 * line_walk.h for what a line is, line_index.h for what a jump costs. Any
 * thread; nothing is held between calls but the index.
 */
#ifndef SPOOL_LINES_H
#define SPOOL_LINES_H

#include "spool/spool.h"

#define SPOOL_LINE_MAX       (8 * 1024)         /* bytes given of a line */
#define SPOOL_LINES_MAX      2000               /* lines given at once */
#define SPOOL_LINES_BYTES    (4 * 1024 * 1024)  /* and their bytes, about */
#define SPOOL_SEARCH_MAX     1024               /* bytes of a text sought */
#define SPOOL_SEARCH_LINE    (1024 * 1024)      /* of a line, searched */
#define SPOOL_SEARCH_BYTES   (16 * 1024 * 1024) /* searched by one call */
#define SPOOL_SEARCH_MATCHES 1000

struct spool_line {
	uint64_t number;
	int64_t time_ns; /* of its first byte, as are the next two */
	enum spool_stream stream;
	uint16_t step;    /* 0xffff: none */
	const char *text; /* until the callback returns; any bytes */
	size_t len;
	bool cut; /* there is more of it */
};

struct spool_lines {
	/* asked for */
	int64_t from;   /* -1: the last `limit` ones */
	unsigned limit; /* 1 to SPOOL_LINES_MAX */
	/* answered */
	uint64_t first; /* the number of the first line given */
	uint64_t total; /* so far */
	bool complete;  /* no more will come */
};
/* Calls cb for each, fewer than limit when they are long. Of a log that is
 * not there: none. */
int spool_lines(struct spool *s, const char *id, struct spool_lines *q,
    void (*cb)(void *arg, const struct spool_line *line), void *arg,
    struct err *err) MUST_CHECK;

struct spool_match {
	uint64_t number; /* of the line */
	int64_t time_ns;
	uint64_t column; /* characters before it in its line */
};
struct spool_search {
	/* asked for */
	const char *text; /* 1 to SPOOL_SEARCH_MAX bytes, as they are */
	size_t len;
	bool exact_case; /* else base/fold.h */
	uint64_t from;   /* line */
	unsigned limit;  /* 1 to SPOOL_SEARCH_MATCHES */
	/* answered */
	bool has_next;
	uint64_t next;    /* line to go on from */
	uint64_t scanned; /* lines looked at */
};
/* Calls cb with the first match of each line that has one. */
int spool_search(struct spool *s, const char *id, struct spool_search *q,
    void (*cb)(void *arg, const struct spool_match *match), void *arg,
    struct err *err) MUST_CHECK;

#endif
