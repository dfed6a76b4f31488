/* What an instance uses, in figures: see figures.h. Pure. */
#include "components/figures.h"

#include <stdio.h>

#include "base/defs.h"

enum { SHORT_ID = 12, PAIR = 80 };

void figure_make(struct figure *ret, const struct engine_container_stats *s,
    const struct figure *before, int64_t now)
{
	int64_t cpu, machine;

	*ret = (struct figure){.at = now, .s = *s};
	if (before == NULL)
		return;
	cpu = s->cpu_ns - before->s.cpu_ns;
	machine = s->system_ns - before->s.system_ns;
	if (cpu > 0 && machine > 0)
		ret->cpu_percent =
		    (double)cpu / (double)machine * s->cpus * 100;
}

double figure_memory_percent(const struct figure *f)
{
	return f->s.memory_limit > 0
		   ? (double)f->s.memory_bytes / (double)f->s.memory_limit * 100
		   : 0;
}

/* -- for programs ------------------------------------------------------ */

void figure_write(const struct figure *f, const char *container, struct json *j)
{
	json_obj(j);
	json_kstr(j, "containerId", container);
	json_ktime(j, "timestamp", f->at);
	json_kobj(j, "cpu");
	json_knum(j, "usage", f->cpu_percent);
	json_end(j);
	json_kobj(j, "memory");
	json_kint(j, "usage", f->s.memory_bytes);
	json_kint(j, "limit", f->s.memory_limit);
	json_knum(j, "percentage", figure_memory_percent(f));
	json_end(j);
	json_kobj(j, "network");
	json_kint(j, "rxBytes", f->s.rx_bytes);
	json_kint(j, "txBytes", f->s.tx_bytes);
	json_end(j);
	json_kobj(j, "io");
	json_kint(j, "readBytes", f->s.read_bytes);
	json_kint(j, "writeBytes", f->s.write_bytes);
	json_end(j);
	json_end(j);
}

/* -- in words ---------------------------------------------------------- */

const char *figure_bytes(int64_t n, int base, char out[FIGURE_WORD])
{
	static const char *const binary[] = {
	    "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	static const char *const decimal[] = {
	    "B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double v = n > 0 ? (double)n : 0;
	size_t unit = 0;

	while (v >= base && unit + 1 < ARRAY_LEN(binary)) {
		v /= base;
		unit++;
	}
	/* 999.9 with three digits would be 1e+03. */
	if (base == 1000 && v >= 999.5 && unit + 1 < ARRAY_LEN(decimal)) {
		v = 1;
		unit++;
	}
	snprintf(out, FIGURE_WORD, base == 1024 ? "%.4g%s" : "%.3g%s", v,
	    base == 1024 ? binary[unit] : decimal[unit]);
	return out;
}

static void put_pair(
    struct json *j, const char *key, int64_t left, int64_t right, int base)
{
	char a[FIGURE_WORD], b[FIGURE_WORD], text[PAIR];

	snprintf(text, sizeof(text), "%s / %s", figure_bytes(left, base, a),
	    figure_bytes(right, base, b));
	json_kstr(j, key, text);
}

static void put_percent(struct json *j, const char *key, double v)
{
	char text[FIGURE_WORD];

	snprintf(text, sizeof(text), "%.2f%%", v);
	json_kstr(j, key, text);
}

void figure_write_words(const struct figure *f, const char *container,
    const char *name, struct json *j)
{
	char text[FIGURE_WORD];

	json_obj(j);
	put_pair(j, "BlockIO", f->s.read_bytes, f->s.write_bytes, 1000);
	put_percent(j, "CPUPerc", f->cpu_percent);
	json_kstr(j, "Container", container);
	snprintf(text, sizeof(text), "%.*s", SHORT_ID, container);
	json_kstr(j, "ID", text);
	put_percent(j, "MemPerc", figure_memory_percent(f));
	put_pair(j, "MemUsage", f->s.memory_bytes, f->s.memory_limit, 1024);
	json_kstr(j, "Name", name);
	put_pair(j, "NetIO", f->s.rx_bytes, f->s.tx_bytes, 1000);
	snprintf(text, sizeof(text), "%lld", (long long)f->s.pids);
	json_kstr(j, "PIDs", text);
	json_end(j);
}
