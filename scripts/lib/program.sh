# For other scripts: where the program is. Sourced, with $0 in scripts/.

# Prints its path: RUNNERHUB, the newest build, or what PATH has.
program() {
	_top=$(cd "$(dirname "$0")/.." && pwd)
	if [ -n "${RUNNERHUB:-}" ]; then
		[ -x "$RUNNERHUB" ] || die "RUNNERHUB: $RUNNERHUB is not a program"
		printf '%s\n' "$RUNNERHUB"
		return
	fi
	_found=$(ls -t "$_top"/build/runnerhub "$_top"/build/*/src/cmd/runnerhub 2>/dev/null |
		head -n 1)
	[ -n "$_found" ] || _found=$(command -v runnerhub || true)
	[ -n "$_found" ] || die "runnerhub is neither built (make) nor in PATH"
	printf '%s\n' "$_found"
}
