{{- define "postgres.settings" -}}
{{- $settings := dict
  "listen_addresses" "*"
  "port" "5432"
  "unix_socket_directories" "/run/postgresql"
  "hba_file" "/etc/postgres/pg_hba.conf"
  "max_connections" (.Values.connections | toString)
  "shared_buffers" .Values.buffers
  "password_encryption" "scram-sha-256"
  "logging_collector" "off"
  "log_timezone" "UTC"
  "timezone" "UTC"
-}}
{{- range $key, $value := mergeOverwrite $settings .Values.settings }}
{{ $key }} = '{{ kindIs "float64" $value | ternary ($value | toJson) ($value | toString) | replace "'" "''" }}'
{{- end }}
{{- end }}

{{/* Nobody gets in without a password, on no way. */}}
{{- define "postgres.access" -}}
local all all scram-sha-256
host all all all scram-sha-256
{{- end }}

{{/*
A directory that was left half made is made again, beside its place. Then the administrator gets the password that the
Secret has now, through standard input of a server that nobody can reach: the volume may be older than the Secret.
*/}}
{{- define "postgres.start" -}}
umask 077
data=/var/lib/postgresql/data/pgdata
if [ ! -s "$data/PG_VERSION" ]; then
  rm -rf "$data.new"
  initdb --pgdata="$data.new" --username={{ .Values.username }} --pwfile=/etc/postgres-secret/{{ .Values.secret.key }} \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --data-checksums
  mv "$data.new" "$data"
fi
password="$(sed "s/'/''/g" /etc/postgres-secret/{{ .Values.secret.key }})"
printf "ALTER ROLE \"%s\" PASSWORD '%s'\n" {{ .Values.username }} "$password" |
  postgres --single -D "$data" -c config_file=/etc/postgres/postgresql.conf -c exit_on_error=on postgres > /dev/null
unset password
exec postgres -D "$data" -c config_file=/etc/postgres/postgresql.conf
{{- end }}
