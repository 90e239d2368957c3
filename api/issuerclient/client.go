package issuerclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// The bounds of an answer.
const (
	MaxBody      = 256 << 10
	maxHeader    = 16 << 10
	maxRedirects = 3
)

// DiscoveryPath is where an issuer's discovery document is (OpenID Connect Discovery 1.0, 4).
const DiscoveryPath = "/.well-known/openid-configuration"

// DiscoveryURL is the URL of the discovery document of an issuer other than the cluster.
func DiscoveryURL(issuer v1alpha1.Issuer) string {
	return cmp.Or(issuer.DiscoveryURL, strings.TrimSuffix(issuer.URL, "/")+DiscoveryPath)
}

// New makes a client that trusts the authorities that the issuer names, and keeps no
// connections.
func New(issuer v1alpha1.Issuer) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if issuer.CertificateAuthority != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(issuer.CertificateAuthority)) {
			return nil, errors.New("spec.issuer.certificateAuthority has no certificate in PEM")
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects || !MayAsk(request.URL.String()) {
				return errors.New("it redirects too often, or to what is not https")
			}
			return nil
		},
	}, nil
}

// MayAsk reports whether a URL may be requested: without TLS, only on this machine.
func MayAsk(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" {
		return false
	}
	host := parsed.Hostname()
	return parsed.Scheme == "https" || parsed.Scheme == "http" && (host == "localhost" || host == "127.0.0.1")
}

// Get requests a URL: at most MaxBody bytes of JSON.
func Get(ctx context.Context, client *http.Client, at string) (body []byte, header http.Header, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, nil, err
	}
	// An API server only gives its keys as application/jwk-set+json (RFC 7517, 8.5).
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", at, Plain(err))
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s answers with status %d, not 200", at, response.StatusCode)
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, MaxBody+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%s: %w", at, Plain(err))
	case len(body) > MaxBody:
		return nil, nil, fmt.Errorf("%s answers with more than %d bytes", at, MaxBody)
	}
	return body, response.Header, nil
}

// Plain is an error without what differs from one attempt to the next, such as ports, so that
// it can be in a condition.
func Plain(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	var operation *net.OpError
	if errors.As(err, &operation) {
		return fmt.Errorf("%s: %w", operation.Op, operation.Err)
	}
	var asked *url.Error
	if errors.As(err, &asked) {
		return asked.Err
	}
	return err
}
