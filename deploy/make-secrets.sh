#!/bin/sh
# Makes the secrets that docker-compose.yml reads as files, each random. What is there already stays as it is.
# The folder is yours alone. The files in it can be read by whatever user a container runs as, since Docker mounts a file
# with the mode that it has here.
set -eu
folder=${1:-"$(dirname "$0")/../secrets"}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

keep() { # NAME: its standard input, unless the file is there
    if [ ! -s "$folder/$1" ]; then
        cat >"$folder/$1.new"
        chmod 444 "$folder/$1.new"
        mv -f "$folder/$1.new" "$folder/$1"
        echo "made $folder/$1"
    fi
}
random() { # 32 bytes, as 64 hexadecimal digits
    od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'
}

for name in clickhouse-password storage-secret-key export-link-secret export-link-secret-previous export-status-token \
    grafana-admin-password; do
    random | keep "$name"
done
printf 'http://credit_movements:%s@clickhouse:8123/default' "$(cat "$folder/clickhouse-password")" | keep clickhouse-dsn
