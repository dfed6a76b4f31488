/*
 * libarchive, loaded when it is first needed: most hubs unpack nothing, and it
 * brings a dozen libraries of its own. The types are those of its headers; its
 * functions are called by the table, not by name. Internal to components/.
 */
#ifndef COMPONENTS_ARCHIVE_LOAD_H
#define COMPONENTS_ARCHIVE_LOAD_H

#include <archive.h>
#include <archive_entry.h>

#include "base/defs.h"
#include "base/err.h"

#define ARCHIVE_CALLS(X)                                                       \
	X(read_new)                                                            \
	X(read_support_format_tar)                                             \
	X(read_open)                                                           \
	X(read_next_header)                                                    \
	X(read_data_block)                                                     \
	X(read_free)                                                           \
	X(error_string)                                                        \
	X(set_error)                                                           \
	X(entry_pathname)                                                      \
	X(entry_hardlink)                                                      \
	X(entry_symlink)                                                       \
	X(entry_filetype)                                                      \
	X(entry_perm)

#define ARCHIVE_MEMBER(name) __typeof__(archive_##name) *name;
struct archive_calls {
	ARCHIVE_CALLS(ARCHIVE_MEMBER)
};
#undef ARCHIVE_MEMBER

/*
 * Any thread; the first call loads the library, which then stays. Where it is
 * missing, err names the package, now and in every later call.
 */
int archive_load(const struct archive_calls **ret, struct err *err) MUST_CHECK;

#endif
