package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// newWrites is a client that tells the API server, in each request, on behalf of which person
// it is. It impersonates itself, because only with impersonation does the API server take more
// than a user's name.
func newWrites(config *rest.Config, manager ctrl.Manager) (client.Client, error) {
	scheme := runtime.NewScheme()
	utilruntime.Must(authenticationv1.AddToScheme(scheme))
	plain, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	itself := &self{client: plain}
	config = rest.CopyConfig(config)
	config.WarningHandlerWithContext = heardWarnings{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return forPerson{itself, next} })
	return client.New(config, client.Options{Scheme: manager.GetScheme(), Mapper: manager.GetRESTMapper()})
}

// begin is the context of a request on behalf of the person, and the warnings of its answer.
func (w Writer) begin(ctx context.Context) (context.Context, *heard) {
	warnings := &heard{}
	return context.WithValue(context.WithValue(ctx, personKey{}, w.person), heardKey{}, warnings), warnings
}

type personKey struct{}

var errNobody = errors.New("a change of the cluster is for a person, and this one for nobody")

// forPerson sends requests as the console itself, with the person's name in addition.
type forPerson struct {
	itself *self
	next   http.RoundTripper
}

// RoundTrip sends a request.
func (f forPerson) RoundTrip(request *http.Request) (*http.Response, error) {
	person, _ := request.Context().Value(personKey{}).(string)
	if person == "" {
		return nil, errNobody
	}
	as, err := f.itself.named(request.Context())
	if err != nil {
		return nil, err
	}
	as.Extra = map[string][]string{v1alpha1.PersonExtra: {person}}
	return transport.NewImpersonatingRoundTripper(as, f.next).RoundTrip(request)
}

// self is the console's own identity, as the API server knows it.
type self struct {
	client client.Client
	mu     sync.Mutex
	known  transport.ImpersonationConfig
}

// named asks the API server the first time.
func (s *self) named(ctx context.Context) (transport.ImpersonationConfig, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known.UserName != "" {
		return s.known, nil
	}
	review := &authenticationv1.SelfSubjectReview{}
	if err := s.client.Create(ctx, review); err != nil {
		return transport.ImpersonationConfig{}, fmt.Errorf("ask the API server who the console is: %w", err)
	}
	user := review.Status.UserInfo
	s.known.UserName = user.Username
	if !strings.HasPrefix(user.Username, "system:serviceaccount:") { // whose groups follow from its name
		s.known.Groups = user.Groups
	}
	return s.known, nil
}

type heardKey struct{}

// heard are the warnings of one request.
type heard struct {
	mu  sync.Mutex
	all []string
}

func (h *heard) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all
}

// heardWarnings adds a warning to those of its request.
type heardWarnings struct{}

// HandleWarningHeaderWithContext adds a warning.
func (heardWarnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	const miscellaneous = 299 // the only code that the API server uses
	if h, ok := ctx.Value(heardKey{}).(*heard); ok && code == miscellaneous {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = append(h.all, text)
	}
}
