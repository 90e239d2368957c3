{{/* Ways in from outside: {root, values, program, port}. */}}
{{- define "bursar.routes" -}}
{{- $name := printf "bursar-%s" .program -}}
{{- $meta := dict "name" $name "namespace" .root.Release.Namespace "labels" (dict "app.kubernetes.io/component" .program) -}}
{{- with .values.ingress -}}
{{- if .enabled -}}
{{- $backend := dict "service" (dict "name" $name "port" (dict "name" $.port)) -}}
{{- $rule := dict "host" .host "http" (dict "paths" (list (dict "path" "/" "pathType" "Prefix" "backend" $backend))) -}}
{{- $spec := dict "rules" (list $rule) -}}
{{- with .className }}{{- $_ := set $spec "ingressClassName" . -}}{{- end -}}
{{- with .tlsSecret }}{{- $_ := set $spec "tls" (list (dict "hosts" (list $.values.ingress.host) "secretName" .)) -}}{{- end -}}
{{- $object := dict "apiVersion" "networking.k8s.io/v1" "kind" "Ingress" "metadata" (deepCopy $meta) "spec" $spec -}}
{{- with .annotations }}{{- $_ := set $object.metadata "annotations" . -}}{{- end -}}
{{- include "bursar.write" (dict "root" $.root "object" $object) }}
{{- end -}}
{{- end -}}
{{- with .values.httpRoute -}}
{{- if .enabled -}}
{{- $backend := dict "name" $name "port" 80 -}}
{{- $object := dict "apiVersion" "gateway.networking.k8s.io/v1" "kind" "HTTPRoute" "metadata" (deepCopy $meta)
  "spec" (dict "parentRefs" .parentRefs "hostnames" .hostnames "rules" (list (dict "backendRefs" (list $backend)))) -}}
{{- include "bursar.write" (dict "root" $.root "object" $object) }}
{{- end -}}
{{- end -}}
{{- end -}}
