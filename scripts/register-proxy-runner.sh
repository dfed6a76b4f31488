#!/bin/sh
# Registers a runner of yours with the hub and puts its token into a file.
#
#   scripts/register-proxy-runner.sh NAME [OPTION...]
#
#   --dir DIR         the runner's directory: its _work and externals become
#                     what its jobs may see, and the token goes to
#                     DIR/.runnerhub-token unless --token-file says otherwise
#   --root PATH[:ro]  one more directory that its jobs may see; repeatable
#   --label LABEL     a label; repeatable
#   --for OWNER/REPO  the repository (or organization) that it serves: the hub
#                     gets its GitHub tokens with its own GITHUB_TOKEN
#   --token-file FILE where the token goes (mode 600); without it and --dir it
#                     is printed
#
# The hub: RUNNERHUB_URL (http://127.0.0.1:3000), with RUNNERHUB_API_KEY or
# RUNNERHUB_TOKEN when it has a key. RUNNERHUB names the program, else it is
# looked for in the build directories and in PATH. An existing NAME is refused;
# `runnerhub runner token NAME` gives it a new token.
set -eu

die() {
	printf 'register-proxy-runner: %s\n' "$*" >&2
	exit 1
}

usage() {
	sed -n '2,/^set -eu/{/^set -eu/d;s/^# \{0,1\}//;p}' "$0"
}

# shellcheck source=scripts/lib/program.sh
. "$(dirname "$0")/lib/program.sh"

case ${1:-} in
-h | --help)
	usage
	exit 0
	;;
'' | -*)
	usage >&2
	exit 2
	;;
esac
name=$1
shift

dir='' token_file=''
set -- "$@" --end
while [ "$1" != --end ]; do
	option=$1
	shift
	case $option in
	--dir | --root | --label | --for | --token-file) ;;
	-h | --help)
		usage
		exit 0
		;;
	*) die "unknown option $option; see --help" ;;
	esac
	[ "$1" != --end ] || die "$option needs a value; see --help"
	value=$1
	shift
	case $option in
	--dir) dir=$(realpath "$value") || die "$value is not there" ;;
	--token-file) token_file=$value ;;
	*) set -- "$@" "$option" "$value" ;;
	esac
done
shift # --end; what is left are options of `runner register`

if [ -n "$dir" ]; then
	[ -x "$dir/run.sh" ] ||
		die "$dir holds no run.sh: it is not the directory of a runner"
	set -- "$@" --root "$dir/_work" --root "$dir/externals:ro"
	token_file=${token_file:-$dir/.runnerhub-token}
fi
[ -z "$token_file" ] || set -- "$@" --output "$token_file"

"$(program)" runner register "$name" "$@" || exit
[ -z "$token_file" ] || cat <<NEXT
Give the runner these two variables, and start it as a proxy:
  RUNNERHUB_URL=${RUNNERHUB_URL:-http://127.0.0.1:3000}
  RUNNERHUB_TOKEN_FILE=$token_file
  runnerhub proxy run --dir ${dir:-<the runner's directory>}
NEXT
