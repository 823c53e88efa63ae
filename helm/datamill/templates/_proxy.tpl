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
      proxy_method HEAD;
      proxy_pass http://127.0.0.1:3000/server_info;
    }
  }
}
{{- end }}

{{/* The proxy reads users from a file in memory. */}}
{{- define "datamill.proxyStart" -}}
umask 077
printf '%s:{PLAIN}%s\n' {{ .Values.proxy.username }} "$(cat /etc/datamill-secret/{{ .Values.secret.key }})" > /run/nginx/users
exec nginx -e stderr -c /etc/datamill/nginx.conf
{{- end }}
