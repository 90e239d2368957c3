package certificate

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// refreshEvery is how long a server uses an authority before it reads it again.
const refreshEvery = 10 * time.Second

// readWithin bounds how long a handshake waits for the Secret.
const readWithin = 2 * time.Second

// Server has the certificate of one server of webhooks.
type Server struct {
	reader client.Reader
	secret types.NamespacedName
	names  []string
	clock  clock.PassiveClock

	mu        sync.Mutex
	authority *authority
	readAt    time.Time
	// certificate is signed by the authority; nil when there is none yet.
	certificate *tls.Certificate
}

// NewServer makes a Server that is called by the names. The reader must have no cache and
// must not watch: that would need more rights.
func NewServer(reader client.Reader, secret types.NamespacedName, names []string, clock clock.PassiveClock) *Server {
	return &Server{reader: reader, secret: secret, names: names, clock: clock}
}

// GetCertificate is a certificate for a handshake, as tls.Config wants it. It fails
// until there is an authority, which the API server takes for a webhook that is away.
func (s *Server) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if s.certificate == nil || now.Sub(s.readAt) >= refreshEvery {
		if err := s.refresh(hello.Context(), now); err != nil && s.certificate == nil {
			return nil, err
		}
	}
	if s.certificate == nil || now.Add(servingLife/2).After(s.certificate.Leaf.NotAfter) {
		signed, err := s.authority.sign(s.names, now)
		if err != nil {
			return nil, err
		}
		s.certificate = signed
	}
	return s.certificate, nil
}

// refresh reads the authority again.
func (s *Server) refresh(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	var secret corev1.Secret
	if err := s.reader.Get(ctx, s.secret, &secret); err != nil {
		return err
	}
	read, err := readAuthority(secret.Data, now)
	if err != nil {
		return fmt.Errorf("certificate authority in Secret %s: %w", s.secret, err)
	}
	if !read.is(s.authority) {
		s.authority, s.certificate = read, nil
	}
	s.readAt = now
	return nil
}
