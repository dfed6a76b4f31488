# The first process of a container must say itself what SIGTERM does.
trap 'echo "stopping"; kill "$server"; exit 0' TERM

mkdir -p /tmp/site
sed "s/@GREETING@/$GREETING/" /srv/site/index.html >/tmp/site/index.html
echo "$GREETING: serving port 8080"
busybox httpd -f -vv -p 8080 -h /tmp/site &
server=$!
wait "$server"
