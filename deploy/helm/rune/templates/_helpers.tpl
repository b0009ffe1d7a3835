{{- define "rune.name" -}}
{{- printf "%s" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "rune.labels" -}}
app.kubernetes.io/name: rune
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{- define "rune.selector" -}}
app.kubernetes.io/name: rune
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{/* The pod of a role: root, role, resources, and how its data folder is kept. */}}
{{- define "rune.pod" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: 30
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
containers:
  - name: rune
    image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: [{{ .role | quote }}]
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    envFrom:
      - secretRef: {name: {{ .root.Values.existingSecret | quote }}}
    env:
      - {name: RUNE_PUBLIC_URL, value: {{ .root.Values.publicUrl | quote }}}
      - {name: RUNE_TLS_CERTIFICATE, value: /etc/rune/tls/tls.crt}
      - {name: RUNE_TLS_KEY, value: /etc/rune/tls/tls.key}
      {{- range $name, $value := .root.Values.settings }}
      - {name: {{ $name }}, value: {{ $value | quote }}}
      {{- end }}
    {{- if ne .role "migrate" }}
    ports:
      - {name: https, containerPort: 8420}
    readinessProbe:
      httpGet: {path: /readyz, port: https, scheme: HTTPS}
      periodSeconds: 5
    livenessProbe:
      httpGet: {path: /healthz, port: https, scheme: HTTPS}
      periodSeconds: 10
      failureThreshold: 6
    {{- end }}
    {{- with .resources }}
    resources: {{- toYaml . | nindent 6 }}
    {{- end }}
    volumeMounts:
      - {name: data, mountPath: /data}
      - {name: tmp, mountPath: /tmp}
      - {name: tls, mountPath: /etc/rune/tls, readOnly: true}
      {{- if .root.Values.storesCaSecret }}
      - {name: ca, mountPath: /etc/rune/ca, readOnly: true}
      {{- end }}
volumes:
  - {name: tmp, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
  - name: tls
    secret: {secretName: {{ .root.Values.tlsSecret | quote }}, defaultMode: 288}
  {{- if .root.Values.storesCaSecret }}
  - name: ca
    secret: {secretName: {{ .root.Values.storesCaSecret | quote }}}
  {{- end }}
  {{- if not .keptData }}
  - {name: data, emptyDir: {}}
  {{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
