/*
 * ~ `doctor`: is this machine ready to run jobs? The table below is the
 * list of checks, in order; later ones may use what earlier ones found.
 */
#include "cmd/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "cmd/cmd.h"
#include "cmd/ui.h"

#define CHECK_TIMEOUT_MS 60000

static const struct doctor_check doctor_checks[] = {
    {"versions", doctor_versions},
    {"configuration", doctor_config},
    {"access", doctor_access},
    {"certificate", doctor_tls},
    {"state directory", doctor_state_dir},
    {"disk", doctor_disk},
    {"hub", doctor_hub},
    {"store", doctor_store},
    {"GitHub", doctor_github},
    {"vault", doctor_vault},
    {"process limits", doctor_limits},
    {"engine", doctor_engine},
    {"engine limits", doctor_engine_limits},
    {"engine security", doctor_engine_security},
    {"session names", doctor_session_names},
    {"clock", doctor_clock},
    {"image", doctor_image},
    {"sandbox", doctor_sandbox},
};

static const char *const verdict_names[] = {
    [DOCTOR_OK] = "ok",
    [DOCTOR_WARN] = "warn",
    [DOCTOR_FAIL] = "fail",
    [DOCTOR_SKIP] = "skip",
};

void finding_set(struct finding *f, enum verdict verdict, const char *fmt, ...)
{
	va_list ap;

	f->verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

void finding_advise(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->advice, sizeof(f->advice), fmt, ap);
	va_end(ap);
}

static void print_finding(const char *name, const struct finding *f)
{
	CLEANUP(buf_fini) struct buf out = {.max = 4096};
	const char *verdict = verdict_names[f->verdict];
	char clean[480];

	IGNORE(buf_printf(&out, "%s%-4s%s  %-16s  %s\n",
	    ui_on(ui_status_style(verdict)), verdict, ui_off(), name,
	    ui_clean(f->text, clean, sizeof(clean))));
	if (f->advice[0] != '\0')
		IGNORE(buf_printf(&out, "%24s%s-> %s%s\n", "", ui_on(UI_BOLD),
		    ui_clean(f->advice, clean, sizeof(clean)), ui_off()));
	ui_print(&out);
}

static void add_json(struct json *j, const char *name, const struct finding *f)
{
	json_obj(j);
	json_kstr(j, "name", name);
	json_kstr(j, "verdict", verdict_names[f->verdict]);
	json_kstr(j, "text", f->text);
	json_kstr(j, "advice", f->advice[0] != '\0' ? f->advice : NULL);
	json_end(j);
}

/* Everything but the first two needs the settings. */
static void run_check(
    const struct doctor_check *check, struct patient *p, struct finding *f)
{
	struct ctx root = ctx_root();
	struct ctx timed = ctx_with_timeout(&root, CHECK_TIMEOUT_MS);

	*f = (struct finding){.verdict = DOCTOR_FAIL};
	if (p->o == NULL && check->run != doctor_versions &&
	    check->run != doctor_config) {
		finding_set(f, DOCTOR_SKIP, "the configuration is not valid");
		return;
	}
	p->ctx = &timed;
	check->run(p, f);
}

/* Runs all; the number of failures. */
static size_t examine(struct patient *p, bool as_json)
{
	CLEANUP(buf_fini) struct buf out = {.max = 1 << 20};
	struct finding f;
	struct json j;
	size_t failed = 0;

	json_init(&j, &out);
	json_obj(&j);
	json_karr(&j, "checks");
	for (size_t i = 0; i < ARRAY_LEN(doctor_checks); i++) {
		run_check(&doctor_checks[i], p, &f);
		failed += f.verdict == DOCTOR_FAIL;
		if (as_json)
			add_json(&j, doctor_checks[i].name, &f);
		else
			print_finding(doctor_checks[i].name, &f);
	}
	json_end(&j);
	json_kbool(&j, "ok", failed == 0);
	json_end(&j);
	IGNORE(buf_append_char(&out, '\n'));
	if (as_json)
		ui_print(&out);
	return failed;
}

/* Also when the arguments cannot be parsed because a setting is wrong. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--json") == 0 ||
		    strcmp(argv[i], "-j") == 0)
			return true;
	return false;
}

/* Not through invocation_begin: a wrong setting is a finding here. */
static int doctor_run(int argc, char **argv)
{
	struct config *config = NULL;
	struct err config_error = ERR_INIT, err = ERR_INIT;
	struct patient p = {.config_error = &config_error};
	struct args args = {.command = NULL};
	bool json = wants_json(argc, argv);
	size_t failed;

	if (config_load(&config, &argc, argv, &config_error) == 0) {
		p.config = config;
		p.o = config_options(config);
		if (args_parse(&args, &command_doctor, argc, argv, &err) < 0) {
			args_fini(&args);
			config_free(config);
			return command_usage_error(&command_doctor, &err);
		}
	}
	failed = examine(&p, json);
	if (failed > 0 && !json)
		printf("\n%zu of %zu checks failed.\n", failed,
		    ARRAY_LEN(doctor_checks));
	engine_close(p.engine);
	config_free(config);
	args_fini(&args);
	return failed > 0 ? EXIT_FAILED : EXIT_OK;
}

static const struct command_option doctor_options[] = {
    {"json", 'j', NULL, "print JSON, for programs", NULL},
    {0},
};

const struct command command_doctor = {
    .name = "doctor",
    .operands = "",
    .flags = COMMAND_CONFIG,
    .summary = "check that this machine can run jobs",
    .details = "Looks at the configuration, the state directory, the store, "
	       "the engine and the image, each with what to do when it is not "
	       "well. Ends with 1 when a check fails.",
    .options = doctor_options,
    .run = doctor_run,
};
