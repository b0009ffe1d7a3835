#!/bin/sh
# Makes, once, a private authority and a certificate for each store and role, all in the volume /certs.
# Delete the volume to make new ones. Certificates last 825 days; `openssl x509 -enddate` tells.
set -eu
umask 077
cd /certs
if [ ! -f authority.key ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -subj "/CN=Rune private authority" -keyout authority.key -out ca.pem
fi
chmod 644 ca.pem
# name, user id inside that container
while read -r name user; do
  [ -f "$name/key.pem" ] && continue
  mkdir -p "$name"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
    -keyout "$name/key.pem" -out "$name/request.pem"
  names="DNS:$name,DNS:localhost"
  case "$name" in edge | web) names="$names,DNS:${PUBLIC_NAME:-localhost}" ;; esac
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$names" > "$name/extensions"
  openssl x509 -req -in "$name/request.pem" -CA ca.pem -CAkey authority.key -CAcreateserial \
    -days 825 -extfile "$name/extensions" -out "$name/certificate.pem"
  rm "$name/request.pem" "$name/extensions"
  cp ca.pem "$name/ca.pem"
  chmod 644 "$name/certificate.pem" "$name/ca.pem"
  chown -R "$user" "$name"
  chmod 755 "$name"
done <<NAMES
clickhouse 101:101
postgres 999:999
redis 999:999
edge 10001:10001
web 10001:10001
worker 10001:10001
NAMES
chmod 755 /certs
