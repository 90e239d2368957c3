{{/* The objects of a directory in files/, in this release's namespace: {root, directory}; as JSON, {objects: [...]}. The directories are those of the kustomizations. */}}
{{- define "bursar.objects" -}}
{{- $objects := list -}}
{{- range $path, $content := .root.Files.Glob (printf "files/%s/*.yaml" .directory) -}}
  {{- if not (hasSuffix "/kustomization.yaml" $path) -}}
  {{- range splitList "\n---\n" (printf "\n%s" ($content | toString | replace "bursar-system" $.root.Release.Namespace)) -}}
    {{- $object := fromYaml . -}}
    {{- if $object.kind -}}{{- $objects = append $objects $object -}}{{- end -}}
  {{- end -}}
  {{- end -}}
{{- end -}}
{{- dict "objects" $objects | toJson -}}
{{- end -}}

{{/* An object as it goes into the release: with the labels that Helm's tools look for. */}}
{{- define "bursar.write" }}
{{- $labels := dict "app.kubernetes.io/name" "bursar" "app.kubernetes.io/instance" .root.Release.Name "app.kubernetes.io/managed-by" .root.Release.Service "app.kubernetes.io/version" .root.Chart.AppVersion "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") }}
{{- $_ := set .object.metadata "labels" (merge (dict) (.object.metadata.labels | default dict) $labels (.root.Values.commonLabels | default dict)) }}
---
{{ toYaml .object }}
{{- end }}

{{/* Memory for the garbage collector: nine tenths of a limit in Mi or Gi, as GOMEMLIMIT has it. Empty for other limits. */}}
{{- define "bursar.goMemLimit" -}}
{{- $limit := . | toString -}}
{{- if hasSuffix "Mi" $limit -}}{{ div (mul 9 (trimSuffix "Mi" $limit | int64)) 10 }}MiB
{{- else if hasSuffix "Gi" $limit -}}{{ div (mul 9 1024 (trimSuffix "Gi" $limit | int64)) 10 }}MiB
{{- end -}}
{{- end -}}

{{/* The image of a program. */}}
{{- define "bursar.image" -}}
{{- $image := .values.image | default dict -}}
{{- $repository := $image.repository | default (printf "bursar-%s" .program) -}}
{{- if .root.Values.image.registry -}}{{- $repository = printf "%s/%s" (trimSuffix "/" .root.Values.image.registry) $repository -}}{{- end -}}
{{- if $image.digest -}}{{ $repository }}@{{ $image.digest }}
{{- else -}}{{ $repository }}:{{ $image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Changes the Deployment of a program by its values: {root, object, values, program}. */}}
{{- define "bursar.deployment" -}}
{{- $values := .values -}}
{{- $spec := .object.spec -}}
{{- $pod := $spec.template.spec -}}
{{- $container := index $pod.containers 0 -}}
{{- $_ := set $container "image" (include "bursar.image" .) -}}
{{- with .root.Values.image.pullPolicy }}{{- $_ := set $container "imagePullPolicy" . -}}{{- end -}}
{{- with .root.Values.image.pullSecrets }}{{- $_ := set $pod "imagePullSecrets" . -}}{{- end -}}
{{- if dig "autoscaling" "enabled" false $values -}}{{- $_ := unset $spec "replicas" -}}
{{- else -}}{{- $_ := set $spec "replicas" $values.replicas -}}{{- end -}}
{{- $_ := set $container "resources" $values.resources -}}
{{- $env := list -}}
{{- $memory := include "bursar.goMemLimit" (dig "limits" "memory" "" $values.resources) -}}
{{- range $container.env -}}
  {{- $variable := . -}}
  {{- if dig "valueFrom" "secretKeyRef" "" $variable -}}{{- $_ := set $variable.valueFrom.secretKeyRef "name" $values.existingSecret -}}{{- end -}}
  {{- if ne $variable.name "GOMEMLIMIT" -}}{{- $env = append $env $variable -}}
  {{- else if $memory -}}{{- $env = append $env (dict "name" "GOMEMLIMIT" "value" $memory) -}}{{- end -}}
{{- end -}}
{{- $_ := set $container "env" (concat $env ($values.extraEnv | default list)) -}}
{{- $_ := set $container "args" (concat $container.args ($values.extraArgs | default list)) -}}
{{- with $values.extraVolumeMounts }}{{- $_ := set $container "volumeMounts" (concat ($container.volumeMounts | default list) .) -}}{{- end -}}
{{- $secrets := dict (printf "bursar-%s" .program) $values.existingSecret -}}
{{- with $values.providerCredentials }}{{- $_ := set $secrets "bursar-provider-credentials" .existingSecret -}}{{- end -}}
{{- with $values.clientSecrets }}{{- $_ := set $secrets "bursar-console-clients" .existingSecret -}}{{- end -}}
{{- range $volume := $pod.volumes -}}
  {{- if dig "secret" "secretName" "" $volume -}}
    {{- if and (eq $volume.name "provider-credentials") $values.providerCredentials.optional -}}{{- $_ := set $volume.secret "optional" true -}}{{- end -}}
    {{- $_ := set $volume.secret "secretName" (index $secrets $volume.secret.secretName | default $volume.secret.secretName) -}}
  {{- end -}}
{{- end -}}
{{- with $values.extraVolumes }}{{- $_ := set $pod "volumes" (concat ($pod.volumes | default list) .) -}}{{- end -}}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "topologySpreadConstraints" -}}
  {{- with index $values $field -}}{{- $_ := set $pod $field . -}}{{- end -}}
{{- end -}}
{{- with $values.podAnnotations }}{{- $_ := set $spec.template.metadata "annotations" . -}}{{- end -}}
{{- with $values.podLabels }}{{- $_ := set $spec.template.metadata "labels" (merge (dict) $spec.template.metadata.labels .) -}}{{- end -}}
{{- end -}}

{{/* Writes the objects of a component: {root, directory, values, program}. */}}
{{- define "bursar.component" -}}
{{- $context := . -}}
{{- range (include "bursar.objects" (dict "root" .root "directory" .directory) | fromJson).objects -}}
  {{- $skip := or (and (eq .kind "NetworkPolicy") (not $context.root.Values.networkPolicy.enabled))
                  (and (eq .kind "PodDisruptionBudget") (not (dig "disruptionBudget" "enabled" true $context.values))) -}}
  {{- if not $skip -}}
    {{- if eq .kind "Deployment" -}}{{- include "bursar.deployment" (merge (dict "object" .) $context) -}}{{- end -}}
    {{- if eq .kind "PodDisruptionBudget" -}}{{- $_ := set .spec "maxUnavailable" $context.values.disruptionBudget.maxUnavailable -}}{{- end -}}
    {{- if and (eq .kind "Service") $context.values.service (ne .metadata.name "bursar-manager-metrics") -}}{{- include "bursar.service" (dict "object" . "values" $context.values.service) -}}{{- end -}}
    {{- if and (eq .kind "ServiceAccount") (dig "serviceAccount" "annotations" "" $context.values) -}}{{- $_ := set .metadata "annotations" $context.values.serviceAccount.annotations -}}{{- end -}}
    {{- if eq .kind "NetworkPolicy" -}}{{- include "bursar.networkPolicy" (dict "object" . "values" $context.root.Values.networkPolicy) -}}{{- end -}}
    {{- include "bursar.write" (dict "root" $context.root "object" .) }}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "bursar.service" -}}
{{- if ne .values.type "ClusterIP" -}}{{- $_ := set .object.spec "type" .values.type -}}{{- end -}}
{{- with .values.annotations }}{{- $_ := set $.object.metadata "annotations" . -}}{{- end -}}
{{- end -}}

{{/* Adds rules for what pods may reach, if there are some. DNS is always among them. */}}
{{- define "bursar.networkPolicy" -}}
{{- if .values.egress.enabled -}}
{{- $dns := dict "ports" (list (dict "port" 53 "protocol" "UDP") (dict "port" 53 "protocol" "TCP")) -}}
{{- $_ := set .object.spec "policyTypes" (list "Ingress" "Egress") -}}
{{- $_ := set .object.spec "egress" (prepend (.values.egress.rules | default list) $dns) -}}
{{- end -}}
{{- end -}}
