#!/bin/bash
# Delegates a job through the whole chain and shows it: is the hub up, a runner
# registered, a session opened with the runner's own token, a container leased
# to it, a step run in there, its output and exit code true, all of it ended.
#
#   scripts/test-job-delegation.sh [--image IMAGE]
#
# The hub is the one at RUNNERHUB_URL (with RUNNERHUB_API_KEY or RUNNERHUB_TOKEN
# when it has a key). Without RUNNERHUB_URL one is started here on an engine and
# a small local image, and removed again: nothing of GitHub is needed.
# RUNNERHUB names the program. Exit code 0: the chain works.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib/engine.sh"

IMAGE=runnerhub/demo:latest
NAME=delegation-test-$$
WAIT_SECONDS=120

hub_pid='' dir='' job='' engine_started='' image_made='' runner_id='' image=''

say() {
	printf '\n== %s\n' "$*"
}

die() {
	printf 'test-job-delegation: %s\n' "$*" >&2
	exit 1
}

. "$here/lib/program.sh"

# call METHOD PATH [BODY]: as whoever $token belongs to; the answer's JSON.
call() {
	local args=(-sS --max-time "$WAIT_SECONDS" -X "$1")
	[ -z "${token:-}" ] || args+=(-H "Authorization: Bearer $token")
	[ $# -lt 3 ] || args+=(-H 'Content-Type: application/json' -d "$3")
	curl "${args[@]}" "$RUNNERHUB_URL$2"
}

# The first "key": "value" of the JSON on stdin.
field() {
	grep -o "\"$1\": *\"[^\"]*\"" | head -n 1 | cut -d'"' -f4 || true
}

# until_is WANTED COMMAND...: its output becomes WANTED.
until_is() {
	local wanted=$1 now='' before='' deadline=$((SECONDS + WAIT_SECONDS))
	shift
	while [ $SECONDS -lt $deadline ]; do
		now=$("$@")
		[ "$now" = "$before" ] || printf '   %s\n' "${now:-no answer}"
		before=$now
		[ "$now" != "$wanted" ] || return 0
		case $now in failed | cancelled) break ;; esac
		sleep 0.1
	done
	[ -z "$job" ] || call GET "/api/jobs/$job" >&2
	die "it is ${now:-silent}, not $wanted"
}

job_status() {
	call GET "/api/jobs/$job" | field status
}

own_hub() {
	local answer port
	dir=$(mktemp -d "${TMPDIR:-/tmp}/runnerhub-delegation.XXXXXX")
	answer=$("$here/engine" ensure)
	[ "$answer" != started ] || engine_started=1
	answer=$("$here/image" "$IMAGE")
	[ "$answer" != made ] || image_made=1
	(cd "$dir" && exec env PORT=0 RUNNERHUB_LISTEN=127.0.0.1 RUNNERHUB_API_KEY= \
		RUNNERHUB_STATE_DIR="$dir/state" RUNNER_IMAGE="$IMAGE" \
		RUNNER_PULL_POLICY=never RUNNERHUB_SHUTDOWN_MODE=drain \
		RUNNERHUB_POOL_SIZE=0 "$program" serve </dev/null >"$dir/hub.log" 2>&1) &
	hub_pid=$!
	local deadline=$((SECONDS + WAIT_SECONDS))
	until port=$(grep -o 'url="*http://127.0.0.1:[0-9]*' "$dir/hub.log" | cut -d: -f3) &&
		[ -n "$port" ]; do
		kill -0 "$hub_pid" 2>/dev/null && [ $SECONDS -lt $deadline ] || {
			cat "$dir/hub.log" >&2
			die "the hub did not start"
		}
		sleep 0.05
	done
	export RUNNERHUB_URL=http://127.0.0.1:$port
}

ids_of_hub() {
	engine_call GET "/$1?all=1&filters=%7B%22label%22%3A%5B%22runnerhub.hub%3D$2%22%5D%7D" |
		grep -o '"Id":"[0-9a-f]\{64\}"' | cut -d'"' -f4 | sort -u || true
}

stop_own_hub() {
	local id network
	id=$(cat "$dir/state/hub-id" 2>/dev/null || true)
	kill -TERM "$hub_pid" 2>/dev/null || true
	wait "$hub_pid" 2>/dev/null || true
	[ -n "$id" ] || return 0
	for network in $(ids_of_hub networks "$id"); do
		engine_call DELETE "/networks/$network" >/dev/null || true
	done
	nft delete table inet "runnerhub_${id:0:8}" 2>/dev/null || true
}

clean_up() {
	local status=$?
	trap - EXIT INT TERM
	token=$admin
	[ -z "$runner_id" ] || call DELETE "/api/runners/$runner_id?force=true" >/dev/null || true
	[ -z "$hub_pid" ] || stop_own_hub
	[ -z "$image_made" ] || "$here/image" rm "$IMAGE" >/dev/null || true
	[ -z "$engine_started" ] || "$here/engine" stop >/dev/null || true
	[ -z "$dir" ] || rm -rf "$dir"
	exit $status
}

usage() {
	sed -n '2,/^set -eu/{/^set -eu/d;s/^# \{0,1\}//;p}' "$0"
}

while [ $# -gt 0 ]; do
	case $1 in
	--image)
		[ $# -gt 1 ] || die "--image needs a value; see --help"
		image=$2
		shift
		;;
	-h | --help)
		usage
		exit 0
		;;
	*) die "unknown option $1; see --help" ;;
	esac
	shift
done

admin=${RUNNERHUB_TOKEN:-${RUNNERHUB_API_KEY:-}}
token=$admin
program=$(program)
trap clean_up EXIT
trap 'exit 130' INT TERM
[ -n "${RUNNERHUB_URL:-}" ] || {
	admin='' token=''
	unset RUNNERHUB_TOKEN RUNNERHUB_API_KEY
	own_hub
}
RUNNERHUB_URL=${RUNNERHUB_URL%/}

say "The hub at $RUNNERHUB_URL"
healthy() {
	curl -sS --max-time 10 "$RUNNERHUB_URL/health" | field status
}
until_is healthy healthy

say "A runner with a token of its own"
answer=$(call POST /api/runners/register "{\"name\":\"$NAME\"}")
runner_id=$(printf %s "$answer" | field id)
token=$(printf %s "$answer" | field token)
[ -n "$token" ] || die "it could not be registered: $answer"
answer=$(call POST /api/runners/self/heartbeat '{"status":"idle"}')
printf '   %s is %s\n' "$NAME" "$(printf %s "$answer" | field status)"

say "It delegates a job"
body="{\"jobId\":\"build\",\"runId\":\"run-$$\",\"repository\":\"test/delegation\",\"runnerName\":\"$NAME\""
[ -z "$image" ] || body="$body,\"image\":\"$image\""
answer=$(call POST /api/jobs/delegate "$body}")
job=$(printf %s "$answer" | field delegationId)
[ -n "$job" ] || die "it was not taken: $answer"
printf '   %s\n' "$job"
until_is running job_status

say "A step in its container"
mark=delegated-$RANDOM-$RANDOM
answer=$(call POST "/api/jobs/$job/steps" \
	"{\"key\":\"test\",\"run\":\"echo $mark; hostname; exit 7\",\"shell\":\"sh\"}")
step=$(printf %s "$answer" | grep -o '"step": *[0-9]*' | grep -o '[0-9]*$' || true)
[ -n "$step" ] || die "it was not taken: $answer"
output=$(call GET "/api/jobs/$job/steps/$step/output?format=text")
printf '%s\n' "$output" | sed 's/^/   | /'
case $output in *"$mark"*) ;; *) die "the step's output did not come back" ;; esac
code=$(call GET "/api/jobs/$job/steps/$step" | grep -o '"exitCode": *[0-9]*' | grep -o '[0-9]*$' || true)
printf '   exit code %s\n' "${code:-none}"
[ "$code" = 7 ] || die "the exit code is not the step's own, 7"

say "Its end"
answer=$(call POST "/api/jobs/$job/proxy-complete" \
	"{\"status\":\"completed\",\"runId\":\"run-$$\",\"jobId\":\"build\",\"exitCode\":0}")
until_is completed job_status

say "What the hub keeps of it"
RUNNERHUB_TOKEN=$admin "$program" job show "$job" --url "$RUNNERHUB_URL" | sed 's/^/   /'
say "The chain works"
