/* Tables whose columns fit their content: see ui.h. Main thread. */
#include "base/mem.h"
#include "cmd/ui.h"

#define CELL_MAX 256
#define GAP      2

void ui_table_init(struct ui_table *t, size_t columns)
{
	ASSERT(columns > 0 && columns <= UI_COLUMNS_MAX);
	*t = (struct ui_table){.columns = columns};
}

void ui_table_cell(struct ui_table *t, enum ui_style style, const char *text)
{
	char clean[CELL_MAX];
	size_t n = t->ncells;

	if (n == t->cap) {
		t->cap = t->cap > 0 ? t->cap * 2 : 64;
		t->cells = mem_realloc(t->cells, t->cap * sizeof(*t->cells));
		t->styles = mem_realloc(t->styles, t->cap * sizeof(*t->styles));
	}
	t->cells[n] = mem_strdup(ui_clean(text, clean, sizeof(clean)));
	t->styles[n] = style;
	t->ncells++;
}

/* Characters, not bytes: what the terminal counts, wide ones aside. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void print_cell(
    const struct ui_table *t, size_t i, size_t fill, struct buf *out)
{
	bool last = i % t->columns == t->columns - 1;

	IGNORE(buf_printf(out, "%s%s%s", ui_on(t->styles[i]), t->cells[i],
	    t->styles[i] != UI_PLAIN ? ui_off() : ""));
	if (last)
		IGNORE(buf_append_char(out, '\n'));
	for (size_t w = width(t->cells[i]); !last && w < fill + GAP; w++)
		IGNORE(buf_append_char(out, ' '));
}

void ui_table_print(const struct ui_table *t)
{
	CLEANUP(buf_fini) struct buf out = {.max = 64 << 20};
	size_t widths[UI_COLUMNS_MAX] = {0};

	for (size_t i = 0; i < t->ncells; i++) {
		size_t w = width(t->cells[i]);

		if (w > widths[i % t->columns])
			widths[i % t->columns] = w;
	}
	for (size_t i = 0; i < t->ncells; i++)
		print_cell(t, i, widths[i % t->columns], &out);
	ui_print(&out);
}

void ui_table_fini(struct ui_table *t)
{
	for (size_t i = 0; i < t->ncells; i++)
		mem_free(t->cells[i]);
	mem_free(t->cells);
	mem_free(t->styles);
	*t = (struct ui_table){0};
}
