/*
 * The terminal: colour and live lines only where a person looks, and
 * nothing from outside that could drive the terminal. NO_COLOR (when not
 * empty) turns colour off.
 */
#ifndef CMD_UI_H
#define CMD_UI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum ui_style { UI_PLAIN, UI_BOLD, UI_DIM, UI_RED, UI_GREEN, UI_YELLOW };

bool ui_stdout_is_terminal(void);
bool ui_stderr_is_terminal(void);
/* Escape sequences that begin and end a style on stdout; "" without colour. */
const char *ui_on(enum ui_style style);
const char *ui_off(void);
/* The style of a job's or step's status. */
enum ui_style ui_status_style(const char *status);

/* Writes all of it to stdout, at once; a closed stdout ends the process as
 * a filter's does. */
void ui_print(const struct buf *text);
void ui_write(const char *data, size_t len);

/* text with control bytes replaced, at most max bytes; NULL: "-". */
const char *ui_clean(const char *text, char *out, size_t max);
/* "850 µs", "12.3 ms", "4.56 s", "2 min 03 s", "1 h 04 min" */
const char *ui_duration(double ms, char out[32]);
/* "3 s ago", from an ISO time; "-" when there is none. */
const char *ui_ago(const char *iso, char out[32]);

/* A line on stderr that later ones replace; nothing without a terminal. */
void ui_live(const char *line);
void ui_live_clear(void);

/* Columns that fit their content. Cells are copied and cleaned. */
#define UI_COLUMNS_MAX 8
struct ui_table {
	size_t columns;
	size_t ncells, cap;
	char **cells;
	enum ui_style *styles; /* per cell */
};
void ui_table_init(struct ui_table *t, size_t columns);
void ui_table_cell(struct ui_table *t, enum ui_style style, const char *text);
void ui_table_print(const struct ui_table *t); /* the first row: headings */
void ui_table_fini(struct ui_table *t);

/*
 * Job output for a terminal: colours pass, every other escape sequence and
 * control byte but newline, carriage return and tab does not (it could
 * rename the window, answer prompts, hide lines). Keeps its state between
 * chunks.
 */
struct ui_filter {
	int state;
	char held[32];
	size_t nheld;
};
void ui_filter_feed(
    struct ui_filter *f, const char *data, size_t len, struct buf *out);
/* Output of a job or component as it comes, in place of a live line; f NULL:
 * as it is, for what is no terminal. */
void ui_show(struct ui_filter *f, const char *data, size_t len);

/* On SIGINT: says `text` and ends with 130. The text is copied. */
void ui_on_interrupt(const char *text);

#endif
