#!/bin/sh
# The runner's hook for a job that has started
# (ACTIONS_RUNNER_HOOK_JOB_STARTED): see docs/HOOKS.md. As in
# runnerhub-hook.sh, PATH is not asked, and this file becomes the program.
here=${0%/*}
for program in "$here/runnerhub-hook" /usr/local/bin/runnerhub-hook \
	/usr/bin/runnerhub-hook; do
	if [ -x "$program" ]; then
		exec "$program" job-started
	fi
done
echo "::error::runnerhub-hook is neither in $here nor in /usr/local/bin or /usr/bin: install it there"
exit 1
