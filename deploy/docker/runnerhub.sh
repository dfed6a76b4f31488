#!/bin/sh
# runnerhub in an image that need not have its libraries: started by the
# loader that was copied with it.
set -- "$(dirname "$(readlink -f "$0")")" "$@"
[ -d /opt/runnerhub ] && here=/opt/runnerhub || here=$1
shift
loader=$(ls "$here"/lib64/ld-linux-*.so.* "$here"/lib/ld-linux-*.so.* 2>/dev/null | head -n 1)
exec "$loader" --library-path "$here/lib" "$here/bin/runnerhub" "$@"
