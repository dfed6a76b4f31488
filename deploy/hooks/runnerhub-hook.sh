#!/bin/sh
# The runner starts hooks through a shell and signals only the process that it
# started: this file becomes runnerhub-hook, which then gets the signals.
#
# The program stands next to this file, or in one of the system's directories.
# PATH is not asked: a job can put directories of its own in front of it.
here=${0%/*}
for program in "$here/runnerhub-hook" /usr/local/bin/runnerhub-hook \
	/usr/bin/runnerhub-hook; do
	if [ -x "$program" ]; then
		exec "$program" "$@"
	fi
done
echo "::error::runnerhub-hook is neither in $here nor in /usr/local/bin or /usr/bin: install it there"
exit 1
