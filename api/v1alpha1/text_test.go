package v1alpha1_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// texts are objects that have, together, every field that is a string.
const texts = `
kind: TenantBudget
spec:
  tenant: acme
  parentRef: {name: company, namespace: company}
  successorRef: {name: acme-2, namespace: acme}
  allowedChildren: {namespaces: {from: All}}
  timeZone: UTC
  currency: {code: EUR, usdPerUnit: "1.085", asOf: "2026-10-01"}
  limits: [{name: daily, period: Day, amount: "5.00", per: Tenant, tiers: [gerente], models: [gpt-4o], groups: [research], labels: {team: search}}]
  ladder:
  - {atPercent: 80, action: Downgrade, models: [{from: gpt-4o, to: gpt-4o-mini}]}
  - atPercent: 90
    action: Trip
    fallback: [Cache, CheapestModel, Message]
    message: The budget is used up.
    cache: {maxAge: 1h}
    cheapestModel: {models: [gpt-4o-mini]}
  breaker: {forced: Open, reason: A key was leaked.}
  contact: ai-platform@example.com
  enforcement: Enforce
  outputCaps: [{tiers: [gerente], models: [gpt-4o], groups: [research], labels: {team: search}, maxOutputTokens: 4096}]
  fit: {mode: LowerOutput}
  unknownModel: Deny
  onStoreLoss: Deny
  virtualModels: [{name: auto, models: [gpt-4o]}]
  alerts:
    email: [ops@example.com]
    webhook: {url: "https://alerts.example.com/bursar", signingSecretRef: {name: secret, key: key}}
    slack: {urlSecretRef: {name: secret, key: key}}
    teams: {urlSecretRef: {name: secret, key: key}}
    pagerDuty: {routingKeySecretRef: {name: secret, key: key}, region: EU}
    anomalies: {spending: {minAmount: "5.00"}, refusals: {atPercent: 50, minRefused: 10}, unusedKeys: {days: 30}}
    filters: [{recipients: [Slack], limits: [daily], minSeverity: Critical}]
---
kind: TenantBudget
spec:
  tenant: acme
  limits: [{name: daily, period: Day, amount: "5.00"}]
  alerts: {webhook: {urlSecretRef: {name: secret, key: key}, signingSecretRef: {name: secret, key: key}}}
---
kind: RateLimitPolicy
spec:
  targetRef: {kind: TenantBudget, name: acme}
  unlimitedTiers: Deny
  limits: [{name: each, per: User, tiers: [gerente], models: [gpt-4o], groups: [research], labels: {team: search}, requests: 5, window: 1m}]
---
kind: RateLimitPolicy
spec:
  targetSelector: {kind: TenantBudget, namespaces: {from: All}}
  limits: [{name: each, per: User, requests: 5, window: 1m}]
---
kind: BudgetGrant
spec:
  budgetRef: {name: acme}
  limit: daily
  user: gerente-1
  amount: "5.00"
  reason: End of the quarter.
  startsAt: "2026-11-25T12:00:00Z"
  expiresAt: "2026-11-26T12:00:00Z"
---
kind: BudgetGrant
spec:
  budgetRef: {name: acme}
  limit: daily
  group: research
  amount: "5.00"
  reason: End of the quarter.
  expiresAt: "2026-11-26T12:00:00Z"
---
kind: BudgetGrant
spec:
  budgetRef: {name: acme}
  limit: daily
  apiKey: ci
  amount: "5.00"
  reason: End of the quarter.
  expiresAt: "2026-11-26T12:00:00Z"
---
kind: APIKey
spec:
  sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  budgetRef: {name: acme}
  user: gerente-1
  tier: gerente
  previousKeys: [{sha256: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752, expiresAt: "2026-11-26T12:00:00Z"}]
  models: [gpt-4o]
  actFor: {users: [ana], tiers: [gerente], groups: [research]}
  groups: [research]
  labels: {cost-centre: "4711"}
  expiresAt: "2026-11-26T12:00:00Z"
---
kind: IdentityProvider
spec:
  issuer:
    url: https://login.example.com
    aliases: [login.example.com]
    jwksURL: https://login.example.com/keys
    certificateAuthority: "-----BEGIN CERTIFICATE-----"
    audiences: [bursar]
    audienceMatchPolicy: MatchAny
  algorithms: [RS256]
  claimValidationRules:
  - {claim: hd, requiredValue: acme.example}
  - {expression: claims.email_verified, message: verify your address}
  claimMappings:
    user: {claim: email}
    tenant: {claim: tenant}
    tier: {claim: tier}
    admin: {claim: admin}
    groups: {claim: groups}
    labels: {team: {claim: team}}
  userValidationRules: [{expression: user.username != 'root', message: not you}]
  client: {displayName: Acme, clientID: bursar-console, clientSecretFile: company, scopes: [email], token: IDToken}
  tenants: [acme]
  allowedMemberships: [{namespaces: [acme], subjects: [a], emails: [a@acme.example], groups: [a]}]
---
kind: IdentityProvider
spec:
  issuer: {url: "https://login.example.com", discoveryURL: "https://login.example.com/discovery", audiences: [bursar]}
  claimMappings: 
    user: {expression: claims.sub}
    tenant: {expression: claims.tenant}
    tier: {expression: claims.tier}
    admin: {expression: claims.admin}
    groups: {expression: claims.groups}
    labels: {team: {expression: claims.team}}
  tenants: [acme]
---
kind: IdentityProvider
spec:
  issuer: {url: "https://login.example.com", jwks: "{}", audiences: [bursar]}
  claimMappings: {user: {claim: sub}, tenant: {claim: tenant}}
  tenants: [acme]
---
kind: Membership
spec:
  budgetRef: {name: acme}
  identityProviderRef: {name: company}
  members:
  - {subject: ana, user: ana, tier: gerente, groups: [research], labels: {team: search}, actFor: {users: [ana], tiers: [gerente], groups: [research]}}
  - {email: ana@acme.example}
  - {group: finance}
---
kind: ModelProvider
spec:
  protocol: OpenAI
  endpoint: https://api.openai.com/v1
  credentialFile: openai
  passFields: [plugins]
  neutralUsage: [searches]
  onClientGone: Drain
  checkInterval: 10m
  models:
  - name: gpt-4o
    upstreamName: gpt-4o
    answeredAs: [gpt-4o-eu]
    reasoning: Shown
    tokenizer: o200k_base
    maxOutputTokens: 10
    prices: &prices
      input: "2"
      cachedInput: "1"
      cacheWrite5m: "3"
      cacheWrite1h: "4"
      audioInput: "5"
      cachedAudioInput: "4"
      output: "6"
      audioOutput: "7"
      imageOutput: "8"
      longContext: &long
      - {aboveInputTokens: 9, input: "2", cachedInput: "1", cacheWrite5m: "3", cacheWrite1h: "4", audioInput: "5",
         cachedAudioInput: "4", output: "6", audioOutput: "7", imageOutput: "8"}
      serviceTiers:
      - {name: flex, input: "2", cachedInput: "1", cacheWrite5m: "3", cacheWrite1h: "4", audioInput: "5",
         cachedAudioInput: "4", output: "6", audioOutput: "7", imageOutput: "8", longContext: *long}
      multipliers: [{property: speed, value: fast, factor: "6"}]
      fees: [{name: web_search, amount: "0.01"}]
    priceChanges: [{effectiveFrom: "2026-11-26T12:00:00Z", prices: *prices}]
`

// mayHaveLines is whether a text of the field may have several lines.
func mayHaveLines(path string) bool {
	return slices.ContainsFunc([]string{".ladder[].message", ".expression", ".jwks", ".certificateAuthority"},
		func(field string) bool { return strings.HasSuffix(path, field) })
}

// checkedLater are strings that the API server takes as they are: selectors of Kubernetes'
// own. The controller does not accept an object with an invalid one.
var checkedLater = []string{"matchLabels", "matchExpressions", "selector"}

var _ = Describe("of every string, refuses", func() {
	It("control characters", func(ctx SpecContext) {
		schemas := specSchemas()
		seen := map[string]bool{}
		for _, text := range strings.Split(texts, "---\n") {
			object := map[string]any{}
			Expect(yaml.Unmarshal([]byte(text), &object)).To(Succeed())
			object["apiVersion"], object["metadata"] = "bursar.dev/v1alpha1", map[string]any{"name": "it"}
			kind := object["kind"].(string)
			if kind != "ModelProvider" && kind != "IdentityProvider" {
				object["metadata"].(map[string]any)["namespace"] = namespace
			}
			created := func() error {
				return api.Create(ctx, (&unstructured.Unstructured{Object: object}).DeepCopy(), client.DryRunAll)
			}
			Expect(created()).To(Succeed(), text)
			eachString(object["spec"], kind+".spec", func(path string, value string, set func(string)) {
				if seen[path] {
					return
				}
				seen[path] = true
				for _, character := range []string{"\x00", "\t", "\n", "\r", "\x1b", "\x7f", "\u0085", "\u009b"} {
					isText := mayHaveLines(path) && (character == "\n" || character == "\t")
					for _, planted := range []string{value[:1] + character + value[1:], value + character} {
						set(planted)
						if err := created(); apierrors.IsInvalid(err) == isText {
							Fail(fmt.Sprintf("%s: %q: got %v", path, planted, err))
						}
					}
				}
				set(value)
			})
		}
		for kind, spec := range schemas {
			for _, path := range stringPaths(spec, kind+".spec") {
				Expect(seen).To(HaveKey(path), "no object of this test has the field")
			}
		}
	})
})

// textSchema is the part of a field's schema that says where strings are.
type textSchema struct {
	Type       string
	Properties map[string]textSchema
	Items      *textSchema
}

// specSchemas are the schemas of the specs, by kind.
func specSchemas() map[string]textSchema {
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	Expect(err).NotTo(HaveOccurred())
	schemas := map[string]textSchema{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		var crd struct {
			Spec struct {
				Names    struct{ Kind string }
				Versions []struct {
					Schema struct{ OpenAPIV3Schema textSchema }
				}
			}
		}
		Expect(yaml.Unmarshal(raw, &crd)).To(Succeed(), file)
		schemas[crd.Spec.Names.Kind] = crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	}
	Expect(schemas).NotTo(BeEmpty())
	return schemas
}

// stringPaths are the paths of the strings that the API server checks.
func stringPaths(of textSchema, path string) []string {
	switch of.Type {
	case "string":
		return []string{path}
	case "array":
		return stringPaths(*of.Items, path+"[]")
	}
	var paths []string
	for name, property := range of.Properties {
		if !slices.Contains(checkedLater, name) {
			paths = append(paths, stringPaths(property, path+"."+name)...)
		}
	}
	return paths
}

// eachString visits the strings in a value, which can be set to others.
func eachString(value any, path string, visit func(path, value string, set func(string))) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			at := path + "." + name
			if text, isString := member.(string); isString {
				visit(at, text, func(other string) { value[name] = other })
			} else {
				eachString(member, at, visit)
			}
		}
	case []any:
		for i, item := range value {
			if text, isString := item.(string); isString {
				visit(path+"[]", text, func(other string) { value[i] = other })
			} else {
				eachString(item, path+"[]", visit)
			}
		}
	}
}
