{{/*
The web server listens to its own pod only and knows no users; this is the one way to it. Nothing is answered without the
password but the question whether it lives, and that without a body. Pages of other origins may not ask GraphQL: browsers
send a known password along.
*/}}
{{- define "datamill.proxy" -}}
worker_processes 1;
pid /run/nginx/nginx.pid;
error_log stderr warn;
daemon off;
events {
  worker_connections 512;
}
http {
  access_log off;
  server_tokens off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  map $http_upgrade $connection_upgrade {
    default upgrade;
    "" close;
  }
  server {
    listen 8080;
    auth_basic "Data Mill";
    auth_basic_user_file /run/nginx/users;
    client_max_body_size 16m;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Authorization "";
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_read_timeout 3600s;
    location / {
      proxy_pass http://127.0.0.1:3000;
    }
    location = /graphql {
      if ($http_sec_fetch_site = "cross-site") {
        return 403;
      }
      proxy_pass http://127.0.0.1:3000;
    }
    location = /healthz {
      auth_basic off;
      # The web server answers that it takes no such request there: it lives, and has told nothing about itself.
      proxy_method POST;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_intercept_errors on;
      error_page 405 = @alive;
      proxy_pass http://127.0.0.1:3000/server_info;
    }
    location @alive {
      auth_basic off;
      return 204;
    }
  }
}
{{- end }}

{{/* The proxy reads users from a file in memory. */}}
{{- define "datamill.proxyStart" -}}
umask 077
password="$(cat /etc/datamill-secret/{{ .Values.secret.key }})"
case "$password" in
  "" | *:*) echo "The password is empty or has a colon in it, which ends it in a file of users." >&2; exit 1 ;;
esac
printf '%s:{PLAIN}%s\n' {{ .Values.proxy.username }} "$password" > /run/nginx/users
unset password
exec nginx -e stderr -c /etc/datamill/nginx.conf
{{- end }}
