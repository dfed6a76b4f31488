# Sourced by scripts/engine, scripts/image and scripts/demo: where the
# container engine listens, and one call of its HTTP API by curl. The docker
# command line is not needed.

ENGINE_API=v1.41 # Docker 20.10 and later, and Podman

# "unix:///run/docker.sock" or "tcp://host:port", from DOCKER_HOST.
engine_host() {
	case ${DOCKER_HOST:-} in
	"") echo unix:///var/run/docker.sock ;;
	/*) echo "unix://$DOCKER_HOST" ;;
	*) echo "$DOCKER_HOST" ;;
	esac
}

# engine_call METHOD PATH [curl options]: the answer's body on stdout; fails
# on a status of 400 and above, the engine's words going to stderr.
engine_call() {
	engine_method=$1
	engine_path=$2
	shift 2
	case $(engine_host) in
	unix://*)
		set -- --unix-socket "$(engine_host | sed 's|^unix://||')" "$@"
		engine_base=http://engine
		;;
	tcp://*) engine_base=http://$(engine_host | sed 's|^tcp://||') ;;
	*)
		echo "DOCKER_HOST '$(engine_host)': use unix:///path or tcp://host:port" >&2
		return 1
		;;
	esac
	curl --silent --show-error --fail-with-body --globoff --connect-timeout 5 \
		--max-time 120 -X "$engine_method" "$@" \
		"$engine_base/$ENGINE_API$engine_path"
}

engine_answers() {
	engine_call GET /_ping --max-time 5 >/dev/null 2>&1
}

# engine_has_image NAME
engine_has_image() {
	engine_call GET "/images/$1/json" >/dev/null 2>&1
}

# json_field NAME: the first string value of that name in the JSON on stdin.
# Enough for the engine's own answers; not a parser.
json_field() {
	{ grep -o '"'"$1"'": *"[^"]*"' || true; } | head -n 1 |
		sed 's/^"[^"]*": *"//; s/"$//'
}
