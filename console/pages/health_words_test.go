package pages

import (
	"testing"

	"golang.org/x/text/language"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
)

// TestKeyVerdict: a key that no enforcer has is not one that the provider rejected.
func TestKeyVerdict(t *testing.T) {
	for reason, want := range map[string][2]string{
		v1alpha1.ReasonCredentialFileMissing: {"Missing", "Falta"},
		v1alpha1.ReasonKeyRejected:           {"Rejected", "Rechazada"},
		v1alpha1.ReasonKeyForbidden:          {"Rejected", "Rechazada"},
	} {
		for n, tag := range []language.Tag{language.English, language.Spanish} {
			q := &request{l: newLocale(tag)}
			got := q.keyVerdict(api.Condition{Status: "False", Reason: reason, Message: "why"})
			if got != (verdict{want[n], "bad", "why"}) {
				t.Errorf("%s in %s: got %+v, want %q", reason, tag, got, want[n])
			}
		}
	}
}

// TestEnforcersTile counts in words that fit the number.
func TestEnforcersTile(t *testing.T) {
	for behind, want := range map[int]string{
		0: "Revision 28 everywhere", 1: "Revision 28; one object is not everywhere yet", 2: "Revision 28; 2 objects are not everywhere yet",
	} {
		h := &api.Health{Enforcers: api.EnforcersHealth{Live: 2, Revision: 28, Behind: behind}}
		q := &request{l: newLocale(language.English)}
		if got := q.healthTiles(h)[0].Text; got != want {
			t.Errorf("%d behind: got %q, want %q", behind, got, want)
		}
	}
}
