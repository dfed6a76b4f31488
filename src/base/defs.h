/*
 * The few macros every file uses: scoped cleanup, checked assertions, and
 * the warn-on-ignored-result attribute. No types, no functions of the
 * project live here.
 */
#ifndef BASE_DEFS_H
#define BASE_DEFS_H

#include <stddef.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MUST_CHECK   __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define UNUSED       __attribute__((unused))
#define NORETURN     __attribute__((noreturn))

/*
 * CLEANUP(x_free) struct x *x = NULL;  runs x_free(x) when x leaves scope.
 * DEFINE_CLEANUP(type, fn) generates the guard from an existing destructor
 * that accepts NULL. No goto in a function that uses it.
 */
#define CLEANUP(fn) __attribute__((cleanup(fn##_guard)))
#define DEFINE_CLEANUP(type, fn)                                               \
	static inline void fn##_guard(type *p)                                 \
	{                                                                      \
		fn(*p);                                                        \
	}                                                                      \
	struct base_swallow_semicolon

/* Hand a guarded pointer to a new owner: the guard then sees NULL. */
#define STEAL(p)                                                               \
	__extension__({                                                        \
		__typeof__(p) steal_tmp = (p);                                 \
		(p) = NULL;                                                    \
		steal_tmp;                                                     \
	})

/* Return -1 from the caller when expr fails; err was set by expr. */
#define TRY(expr)                                                              \
	do {                                                                   \
		if ((expr) < 0)                                                \
			return -1;                                             \
	} while (0)

/* Ignore a checked result on purpose; say why beside it. */
#define IGNORE(expr)                                                           \
	do {                                                                   \
		if (expr) {                                                    \
		}                                                              \
	} while (0)

/* For bugs only, never for input. Always on. */
#define ASSERT(cond)                                                           \
	do {                                                                   \
		if (!(cond))                                                   \
			base_panic(__FILE__, __LINE__, __func__, #cond);       \
	} while (0)
#define WRONG(why) base_panic(__FILE__, __LINE__, __func__, why)

void base_panic(
    const char *file, int line, const char *func, const char *what) NORETURN;

/* Checking cast for objects that travel through void *. */
#define MAGIC_CHECK(obj, want)                                                 \
	do {                                                                   \
		ASSERT((obj) != NULL);                                         \
		ASSERT((obj)->magic == (want));                                \
	} while (0)

#endif
