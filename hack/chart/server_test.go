package chart_test

import (
	"strings"
	"testing"
)

// options are the values with which the chart renders all that it can.
const options = everything + `
redis: {embedded: true}
postgres: {embedded: true}
enforcer:
  autoscaling: {enabled: true}
  providerCredentials: {optional: true}
  service: {type: LoadBalancer}
  ingress: {enabled: true, className: nginx, host: ai.example.com, tlsSecret: ai}
  httpRoute: {enabled: true, parentRefs: [{name: gateway}], hostnames: [ai.example.com]}
  extraArgs: [--log-level=debug]
  podAnnotations: {a: b}
networkPolicy: {egress: {enabled: true, rules: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}}
webhooks: {certManager: {enabled: true, issuerRef: {kind: ClusterIssuer, name: internal}}}
`

// TestServerAccepts: an API server accepts every object, knows every field, and warns of none,
// in a namespace where pods must be as the Pod Security Standard "restricted" wants them.
func TestServerAccepts(t *testing.T) {
	namespace := kustomize(t, root+"config/namespace").write(t)
	if _, stderr, err := kubectl(t, namespace, "apply", "-f", "-"); err != nil {
		t.Fatalf("the namespace: %s", stderr)
	}
	for name, rendered := range map[string]objects{
		"kustomizations":                kustomize(t, root+"config/crd", root+"config/default", root+"config/console"),
		"chart":                         chart(t, ""),
		"chart with all of its options": chart(t, options),
	} {
		stdout, stderr, err := kubectl(t, rendered.write(t), "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
		if err != nil || strings.Contains(stderr, "Warning") {
			t.Errorf("%s: %v: %s", name, err, stderr)
		}
		if got := strings.Count(stdout, "serverside-applied"); got < 20 {
			t.Errorf("%s: only %d objects were looked at", name, got)
		}
	}
}

// TestSamplesAreAppliedInOrder: the budget comes before the objects that name it, so that no webhook warns.
func TestSamplesAreAppliedInOrder(t *testing.T) {
	stdout, stderr, err := kubectl(t, "", "apply", "--dry-run=client", "-k", root+"config/samples")
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	if budget, key := strings.Index(stdout, "tenantbudget"), strings.Index(stdout, "apikey"); budget < 0 || key < budget {
		t.Errorf("the budget is not applied before its keys:\n%s", stdout)
	}
}

// TestValues: values that must be a mistake are refused, and the error names them.
func TestValues(t *testing.T) {
	for values, want := range map[string]string{
		"enforcer: {replica: 3}":                      "replica",
		"manager: {replicas: two}":                    "replicas",
		"image: {registry: 5}":                        "registry",
		"enforcer: {image: {digest: latest}}":         "digest",
		"console: {platformAdmins: [everybody]}":      "platformAdmins",
		"redis: {embedded: true}":                     "redis.embedded and postgres.embedded go together",
		"enforcer: {extraArgs: [log-level=debug]}":    "extraArgs",
		"webhook: {enabled: false}":                   "webhook",
		"enforcer: {service: {type: Ingress}}":        "type",
		"postgres: {embedded: true, storage: much}":   "storage",
		"enforcer: {autoscaling: {callsInFlight: 0}}": "callsInFlight",
		"manager: {existingSecret: 'my secret'}":      "existingSecret",
	} {
		if _, err := helm(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error about %s", values, err, want)
		}
	}
}
