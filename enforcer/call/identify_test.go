package call_test

import (
	"context"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/identity/identify"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
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

// suspending is an admitter that is suspended as soon as a fallback is asked for, and whatever
// happens meanwhile.
type suspending struct {
	call.Admitter
	meanwhile func()
}

func (s suspending) Admit(ctx context.Context, tenant *admission.Tenant, r admission.Request) (admission.Result, error) {
	if r.Fallback {
		s.meanwhile()
		return admission.Result{}, admission.ErrSuspended
	}
	return s.Admitter.Admit(ctx, tenant, r)
}

// TestKeyEndedDuringFallback: no fallback answers a caller whose key ended while the fallback before
// it waited.
func TestKeyEndedDuringFallback(t *testing.T) {
	for name, tc := range map[string]struct {
		why    identify.Status
		status int
	}{"the key is deleted": {identify.Unauthenticated, 401}, "a member no more": {identify.Forbidden, 403}} {
		t.Run(name, func(t *testing.T) {
			document := acme()
			document.Ladder[0].Fallbacks = []limiterv1.Fallback{{Kind: limiterv1.CheapestModel}, {Kind: limiterv1.Message, Text: "Later."}}
			w := newWorld(t, document, "")
			spent(90 * money.Cent)(w)
			w.calls.Admitter = suspending{w.calls.Admitter, func() { w.calls.Identifier = nobody{&identify.Error{Status: tc.why}} }}
			c, _ := begin(w, "key", chat)
			defer c.End()
			if _, got := c.Admit(t.Context()); got == nil || got.Status != tc.status || got.Header.Get(call.FallbackHeader) != "" {
				t.Errorf("got %+v, want %d and no fallback", got, tc.status)
			}
			if refusals := w.refusals.list(); len(refusals) != 1 || refusals[0].Fallback != "" {
				t.Errorf("on record are %+v, want the refusal by the limit", refusals)
			}
		})
	}
}
