package stack

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/parts/openid"
)

// signInYAML trusts both issuers, and makes their people members of config/samples' tenant.
//
//go:embed signin.yaml
var signInYAML string

// SignIn are the issuers at which the sample company's people sign in.
type SignIn struct {
	// OpenID is an OpenID Connect server, whose tokens have groups.
	OpenID *openid.Server
	// StackAuth has the same people, but its tokens have only their e-mail addresses. It is at
	// StackAuthURL.
	StackAuth    *issuer.StackAuth
	StackAuthURL string
}

// StartSignIn starts the issuers, which the stack stops.
func (s *Stack) StartSignIn() error {
	server, err := openid.Start(openid.People())
	if err != nil {
		return err
	}
	s.onStop(server.Stop)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.SignIn = &SignIn{OpenID: server, StackAuthURL: "http://" + listener.Addr().String()}
	if s.SignIn.StackAuth, err = issuer.NewStackAuth(s.SignIn.StackAuthURL, issuer.SampleProject); err != nil {
		return err
	}
	for _, person := range openid.People() {
		s.SignIn.StackAuth.AddUser(person.Email, person.Password())
	}
	running := &http.Server{Handler: s.SignIn.StackAuth, ReadHeaderTimeout: 10 * time.Second}
	s.onStop(running.Close)
	go func() { _ = running.Serve(listener) }() // it ends with Close
	return nil
}

// ApplySignIn makes Bursar trust the issuers, and waits until every enforcer does.
// REQUIRES: StartSignIn and ApplySamples.
func (s *Stack) ApplySignIn(ctx context.Context) (string, error) {
	resources := fmt.Sprintf(signInYAML, s.SignIn.OpenID.URL, s.SignIn.StackAuth.Issuer(issuer.Regular), issuer.SampleProject)
	out, err := s.kubectl(ctx, resources, "apply", "-f", "-")
	if err != nil {
		return out, err
	}
	return out, s.awaitProgrammed(ctx, "identityproviders", "memberships")
}
