package callers_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/callers"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func TestStandingOf(t *testing.T) {
	at := func(status metav1.ConditionStatus, generation int64) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: status, ObservedGeneration: generation}}
	}
	for name, tc := range map[string]struct {
		conditions []metav1.Condition
		deleted    bool
		want       callers.Standing
	}{
		"new":                            {nil, false, callers.Undecided},
		"accepted":                       {at(metav1.ConditionTrue, 2), false, callers.InForce},
		"accepted as it was":             {at(metav1.ConditionTrue, 1), false, callers.Undecided},
		"refused":                        {at(metav1.ConditionFalse, 2), false, callers.Refused},
		"refused as it was":              {at(metav1.ConditionFalse, 1), false, callers.Undecided},
		"nobody knows":                   {at(metav1.ConditionUnknown, 2), false, callers.Undecided},
		"accepted, and going":            {at(metav1.ConditionTrue, 2), true, callers.Refused},
		"not looked at again, and going": {at(metav1.ConditionTrue, 1), true, callers.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			object := &v1alpha1.Membership{ObjectMeta: meta("people", 2)}
			object.Status.Conditions = tc.conditions
			if tc.deleted {
				object.DeletionTimestamp = &metav1.Time{Time: time.Now()}
			}
			if got := callers.StandingOf(object); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestFetched(t *testing.T) {
	inline := v1alpha1.Issuer{URL: "https://login.example.com", JWKS: `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`}
	fetched := v1alpha1.IdentityProviderStatus{Issuer: "https://kubernetes.example", Keys: &v1alpha1.FetchedKeys{JWKS: "fetched"}}
	for name, tc := range map[string]struct {
		issuer           v1alpha1.Issuer
		status           v1alpha1.IdentityProviderStatus
		wantIss, wantSet string
	}{
		"inline":      {inline, v1alpha1.IdentityProviderStatus{}, inline.URL, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		"fetched":     {v1alpha1.Issuer{URL: "https://login.example.com"}, fetched, "https://login.example.com", "fetched"},
		"the cluster": {v1alpha1.Issuer{Cluster: true}, fetched, "https://kubernetes.example", "fetched"},
	} {
		t.Run(name, func(t *testing.T) {
			document, err := callers.Fetched(&v1alpha1.IdentityProvider{Spec: v1alpha1.IdentityProviderSpec{Issuer: tc.issuer}, Status: tc.status})
			if err != nil || len(document.Issuers) != 1 || document.Issuers[0] != tc.wantIss {
				t.Fatalf("issuers %q, %v; want %q", document.Issuers, err, tc.wantIss)
			}
			if got := string(document.Keys); !strings.Contains(got, tc.wantSet) {
				t.Errorf("keys %s, want %q in them", got, tc.wantSet)
			}
		})
	}
	if _, err := callers.Fetched(&v1alpha1.IdentityProvider{Spec: v1alpha1.IdentityProviderSpec{Issuer: v1alpha1.Issuer{JWKS: "no"}}}); err == nil {
		t.Error("keys that cannot be read are no error")
	}
}
