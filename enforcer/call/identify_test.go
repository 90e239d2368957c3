package call_test

import (
	"context"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/identity/identify"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/identity"
)

// nobody is a way to sign in by which nobody is known.
type nobody struct{ why *identify.Error }

func (n nobody) Identify(context.Context, identity.Request) (admission.Subject, error) {
	return admission.Subject{}, n.why
}

// TestUnidentified: the caller is told why in a sentence, whatever the way to sign in says.
func TestUnidentified(t *testing.T) {
	for name, tc := range map[string]struct {
		why    identify.Error
		status int
		want   string
	}{
		"a message":                {identify.Error{Code: "invalid_token", Message: "the token has expired"}, 401, `"message":"The token has expired."`},
		"one that is not in ASCII": {identify.Error{Message: "éxito"}, 401, `"message":"Éxito."`},
		"no message":               {identify.Error{Code: "invalid_token"}, 401, `"message":"The caller could not be identified."`},
		"not now, no message":      {identify.Error{Status: identify.Unavailable}, 503, `"message":"The caller could not be identified."`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, acme(), "")
			w.calls.Identifier = nobody{&tc.why}
			c, _ := begin(w, "key", chat)
			defer c.End()
			_, got := c.Admit(t.Context())
			if got == nil || got.Status != tc.status || !strings.Contains(string(got.Body), tc.want) {
				t.Errorf("got %+v, want %d with %s", got, tc.status, tc.want)
			}
		})
	}
}
