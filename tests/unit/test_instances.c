/*
 * store/instances: admission is atomic and names who is in the way, changes
 * are compare-and-set, and the list is the order of creation.
 */
#include "store_fixture.h"

#include "store/instances.h"

static instance_id admit(struct fixture *f, const char *ref, int64_t max)
{
	const struct instance_admission a = {.component_ref = ref,
	    .owner = "group:default/team-a",
	    .progress = "{}",
	    .max = max};
	struct err err = ERR_INIT;
	instance_id id;

	if (store_instance_admit(f->s, &a, &id, &err) < 0)
		fail_msg("%s", err.msg);
	return id;
}

static void change(struct fixture *f, instance_id id, enum instance_status to)
{
	const struct instance_change c = {.to = to};
	struct err err = ERR_INIT;

	if (store_instance_change(f->s, id, &c, &err) < 0)
		fail_msg("%s", err.msg);
}

static void refused(
    struct fixture *f, const char *ref, int64_t max, const char *words)
{
	const struct instance_admission a = {.component_ref = ref, .max = max};
	struct err err = ERR_INIT;
	instance_id id;

	assert_int_equal(store_instance_admit(f->s, &a, &id, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_string_equal(err.code, "component_running");
	if (strstr(err.msg, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.msg, words);
}

static void one_at_a_time_and_it_is_named(void **state)
{
	struct fixture *f = *state;
	instance_id id = admit(f, "Component:default/a", 1);

	refused(f, "Component:default/b", 1, "Component:default/a is starting");
	change(f, id, INSTANCE_RUNNING);
	refused(f, "Component:default/b", 1, "Component:default/a is running");
	change(f, id, INSTANCE_STOPPING);
	refused(f, "Component:default/b", 1, "stopping");
	change(f, id, INSTANCE_STOPPED);
	admit(f, "Component:default/b", 1);
}

/* Its network was made ahead, under that id. */
static void one_may_have_an_id_already(void **state)
{
	struct fixture *f = *state;
	const instance_id mine = {uuid_v4()};
	const struct instance_admission a = {
	    .id = &mine, .component_ref = "Component:default/a", .max = 1};
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;
	instance_id id;

	assert_int_equal(store_instance_admit(f->s, &a, &id, &err), 0);
	assert_true(uuid_equal(id.u, mine.u));
	assert_int_equal(store_instance_get(f->s, mine, &i, &err), 1);
	refused(f, "Component:default/b", 1, "Component:default/a is starting");
}

static void a_failed_one_is_in_nobodys_way(void **state)
{
	struct fixture *f = *state;

	change(f, admit(f, "Component:default/a", 1), INSTANCE_ERROR);
	admit(f, "Component:default/a", 1);
}

static void more_of_them_by_configuration_but_none_twice(void **state)
{
	struct fixture *f = *state;

	admit(f, "Component:default/a", 2);
	refused(f, "Component:default/a", 2, "Component:default/a is already");
	admit(f, "Component:default/b", 2);
	refused(f, "Component:default/c", 2, "components.max");
}

static void *rival(void *arg)
{
	const struct instance_admission a = {
	    .component_ref = "Component:default/x", .max = 1};
	struct err err = ERR_INIT;
	instance_id id;

	return store_instance_admit(arg, &a, &id, &err) == 0 ? arg : NULL;
}

static void of_many_at_once_one_wins(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[8];
	void *won;
	int winners = 0;

	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, rival, f->s), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		pthread_join(threads[i], &won);
		winners += won != NULL;
	}
	assert_int_equal(winners, 1);
}

static void a_change_from_another_state_is_refused(void **state)
{
	struct fixture *f = *state;
	const struct instance_change c = {
	    .from = {INSTANCE_RUNNING}, .to = INSTANCE_STOPPING};
	instance_id id = admit(f, "Component:default/a", 1);
	struct err err = ERR_INIT;

	assert_int_equal(store_instance_change(f->s, id, &c, &err), -1);
	assert_string_equal(err.code, "instance_state");
	id.u = uuid_v4();
	assert_int_equal(store_instance_change(f->s, id, &c, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void a_change_reads_back_and_survives(void **state)
{
	struct fixture *f = *state;
	const struct instance_change c = {.to = INSTANCE_ERROR,
	    .container_id = "c0ffee",
	    .ports = "[8080]",
	    .error_code = "CONTAINER_EXITED",
	    .error = "it ended",
	    .set_exit_code = true,
	    .exit_code = 0,
	    .oom_killed = true,
	    .restarts = 3,
	    .set_log_offset = true,
	    .log_offset = 7};
	const struct instance_change gone = {.clear_container = true};
	CLEANUP(instance_fini) struct instance i = {0};
	instance_id id = admit(f, "Component:Default/Case", 1);
	struct err err = ERR_INIT;

	assert_int_equal(store_instance_change(f->s, id, &c, &err), 0);
	fixture_reopen(f);
	assert_int_equal(store_instance_get(f->s, id, &i, &err), 1);
	assert_string_equal(i.component_ref, "Component:Default/Case");
	assert_int_equal(i.status, INSTANCE_ERROR);
	assert_string_equal(i.container_id, "c0ffee");
	assert_string_equal(i.ports, "[8080]");
	assert_true(i.has_exit_code && i.exit_code == 0 && i.oom_killed);
	assert_true(i.has_log_offset && i.log_offset == 7);
	assert_int_equal(i.restarts, 3);
	assert_string_equal(i.owner, "group:default/team-a");
	assert_null(i.started_by);
	assert_true(i.stopped_at >= i.started_at && i.started_at > 0);
	instance_fini(&i);
	assert_int_equal(store_instance_change(f->s, id, &gone, &err), 0);
	assert_int_equal(store_instance_get(f->s, id, &i, &err), 1);
	assert_null(i.container_id);
	assert_string_equal(i.error, "it ended");
}

static void the_list_is_the_order_of_creation(void **state)
{
	struct fixture *f = *state;
	CLEANUP(instance_list_free) struct instance_list l = {0};
	struct err err = ERR_INIT;

	change(f, admit(f, "Component:default/1", 1), INSTANCE_STOPPED);
	change(f, admit(f, "Component:default/2", 1), INSTANCE_ERROR);
	admit(f, "Component:default/3", 1);
	assert_int_equal(store_instance_list(f->s, false, 2, &l, &err), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.items[0].component_ref, "Component:default/2");
	assert_string_equal(l.items[1].component_ref, "Component:default/3");
	instance_list_free(&l);
	assert_int_equal(store_instance_list(f->s, true, 100, &l, &err), 0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.items[0].component_ref, "Component:default/3");
}

/* -- replacing --------------------------------------------------------- */

static instance_id replace(struct fixture *f, const char *ref, int64_t max)
{
	const struct instance_admission a = {
	    .component_ref = ref, .max = max, .replace = true};
	struct err err = ERR_INIT;
	instance_id id;

	if (store_instance_admit(f->s, &a, &id, &err) < 0)
		fail_msg("%s", err.msg);
	return id;
}

static enum instance_status status_now(struct fixture *f, instance_id id)
{
	CLEANUP(instance_fini) struct instance i = {0};
	struct err err = ERR_INIT;

	assert_int_equal(store_instance_get(f->s, id, &i, &err), 1);
	return i.status;
}

static void the_oldest_makes_room(void **state)
{
	struct fixture *f = *state;
	instance_id a = admit(f, "Component:default/a", 2);
	instance_id b = admit(f, "Component:default/b", 2);
	instance_id c;

	change(f, a, INSTANCE_RUNNING);
	c = replace(f, "Component:default/c", 2);
	assert_int_equal(status_now(f, a), INSTANCE_STOPPING);
	assert_int_equal(status_now(f, b), INSTANCE_STARTING);
	assert_int_equal(status_now(f, c), INSTANCE_STARTING);
	/* The one that is on its way out holds no place. */
	replace(f, "Component:default/d", 3);
	assert_int_equal(status_now(f, b), INSTANCE_STARTING);
}

static void another_of_its_component_makes_room(void **state)
{
	struct fixture *f = *state;
	instance_id a = admit(f, "Component:default/a", 3);
	instance_id b = admit(f, "Component:default/b", 3);

	replace(f, "Component:default/b", 3);
	assert_int_equal(status_now(f, a), INSTANCE_STARTING);
	assert_int_equal(status_now(f, b), INSTANCE_STOPPING);
}

/* arg: whose may go. */
static bool is_owners(void *arg, const char *owner)
{
	return owner == NULL || strcmp(arg, owner) == 0;
}

static instance_id admit_of(
    struct fixture *f, const char *ref, const char *owner)
{
	const struct instance_admission a = {
	    .component_ref = ref, .owner = owner, .max = 2};
	struct err err = ERR_INIT;
	instance_id id;

	assert_int_equal(store_instance_admit(f->s, &a, &id, &err), 0);
	return id;
}

static void only_what_may_go_makes_room(void **state)
{
	static char us[] = "group:b/us", them[] = "group:b/them",
		    nobody[] = "group:b/nobody";
	struct fixture *f = *state;
	instance_id theirs = admit_of(f, "Component:default/a", them);
	instance_id ours = admit_of(f, "Component:default/b", us);
	struct instance_admission w = {.component_ref = "Component:default/c",
	    .owner = us,
	    .max = 2,
	    .replace = true,
	    .may_replace = is_owners,
	    .arg = us};
	struct err err = ERR_INIT;
	instance_id id;

	/* The oldest is another's. */
	assert_int_equal(store_instance_admit(f->s, &w, &id, &err), 0);
	assert_int_equal(status_now(f, theirs), INSTANCE_STARTING);
	assert_int_equal(status_now(f, ours), INSTANCE_STOPPING);

	/* None of these may go: nothing has changed then. */
	w.component_ref = "Component:default/d";
	w.arg = nobody;
	assert_int_equal(store_instance_admit(f->s, &w, &id, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_string_equal(err.code, "component_running");
	assert_non_null(strstr(err.msg, "Component:default/a is already"));
	assert_non_null(strstr(err.msg, them));
	assert_int_equal(status_now(f, theirs), INSTANCE_STARTING);

	/* Another of the component, with places free. */
	err_clear(&err);
	w.component_ref = "Component:default/a";
	w.max = 9;
	assert_int_equal(store_instance_admit(f->s, &w, &id, &err), -1);
	assert_non_null(strstr(err.msg, them));
	w.arg = them;
	err_clear(&err);
	assert_int_equal(store_instance_admit(f->s, &w, &id, &err), 0);
	assert_int_equal(status_now(f, theirs), INSTANCE_STOPPING);
}

static void signals_have_names(void **state)
{
	(void)state;
	assert_string_equal(instance_signal(137), "KILL");
	assert_string_equal(instance_signal(139), "SEGV");
	assert_null(instance_signal(0));
	assert_null(instance_signal(128));
	assert_null(instance_signal(255));
}

/* -- history ----------------------------------------------------------- */

static void the_oldest_are_forgotten(void **state)
{
	struct fixture *f = *state;
	CLEANUP(instance_list_free) struct instance_list l = {0};
	instance_id gone[8], id[6];
	struct err err = ERR_INIT;

	/* The only one of its component, three of another, one that runs. */
	id[0] = admit(f, "Component:default/rare", 9);
	change(f, id[0], INSTANCE_ERROR);
	for (int i = 1; i < 4; i++) {
		id[i] = admit(f, "Component:default/often", 9);
		change(f, id[i], INSTANCE_STOPPED);
	}
	id[4] = admit(f, "Component:default/often", 9);
	assert_int_equal(store_instance_prune(f->s, 4, gone, 8, &err), 0);
	assert_int_equal(store_instance_prune(f->s, 1, gone, 1, &err), 1);
	assert_true(uuid_equal(gone[0].u, id[1].u));
	assert_int_equal(store_instance_prune(f->s, 1, gone, 8, &err), 1);
	assert_true(uuid_equal(gone[0].u, id[2].u));
	assert_int_equal(store_instance_prune(f->s, 1, gone, 8, &err), 0);
	assert_int_equal(store_instance_list(f->s, false, 9, &l, &err), 0);
	assert_int_equal(l.n, 3);
	assert_true(uuid_equal(l.items[0].id.u, id[0].u));
	assert_true(uuid_equal(l.items[1].id.u, id[3].u));
	assert_true(uuid_equal(l.items[2].id.u, id[4].u));
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(one_at_a_time_and_it_is_named),
	    TEST(one_may_have_an_id_already),
	    TEST(a_failed_one_is_in_nobodys_way),
	    TEST(more_of_them_by_configuration_but_none_twice),
	    TEST(of_many_at_once_one_wins),
	    TEST(a_change_from_another_state_is_refused),
	    TEST(a_change_reads_back_and_survives),
	    TEST(the_list_is_the_order_of_creation),
	    TEST(the_oldest_makes_room),
	    TEST(another_of_its_component_makes_room),
	    TEST(only_what_may_go_makes_room),
	    TEST(signals_have_names),
	    TEST(the_oldest_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
