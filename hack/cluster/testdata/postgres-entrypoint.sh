#!/bin/sh
# Does what the entrypoint of Postgres' official image does with these variables and scripts.
set -eu
mkdir -p "$PGDATA"
chmod 700 "$PGDATA" # a pod with an fsGroup finds it open to the group, and Postgres then does not start
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	printf %s "$POSTGRES_PASSWORD" >/tmp/password
	initdb -U postgres --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password --locale=C --encoding=UTF8
	rm /tmp/password
	echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"

	# Nobody else is to reach it before it is complete.
	postgres -c listen_addresses= &
	until pg_isready -q -U postgres; do sleep 0.1; done
	export POSTGRES_USER=postgres
	psql -q -U postgres -d postgres -c "CREATE DATABASE $POSTGRES_DB"
	for script in /docker-entrypoint-initdb.d/*; do
		case $script in
		*.sql) psql -q -v ON_ERROR_STOP=1 -U postgres -d "$POSTGRES_DB" -f "$script" ;;
		*.sh) . "$script" ;;
		esac
	done
	kill -INT $!
	wait $!
fi
exec postgres -c listen_addresses='*'
