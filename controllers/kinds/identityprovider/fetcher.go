package identityprovider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// The bounds of a fetch.
const (
	fetchTimeout = 5 * time.Second
	maxBody      = 256 << 10
	maxHeader    = 16 << 10
	maxRedirects = 3
)

// jwksPath is where an API server has the keys of its issuer.
const jwksPath = "/openid/v1/jwks"

// Fetched are keys that were fetched.
type Fetched struct {
	// Issuer is what the claim iss is, as the cluster says; empty of other issuers.
	Issuer string
	// Keys is the JWK set, with what verifies signatures alone, and IDs are their ids.
	Keys json.RawMessage
	IDs  []string
	// MaxAge is how long the issuer lets them be kept; nil where it does not say.
	MaxAge *time.Duration
}

// Fetcher fetches keys over HTTPS.
type Fetcher struct {
	// cluster asks the API server at clusterURL, as the manager. timeout bounds a fetch.
	cluster    *http.Client
	clusterURL string
	timeout    time.Duration
}

// NewFetcher makes a Fetcher with a client and the base URL of the cluster's API server.
func NewFetcher(cluster *http.Client, clusterURL string) *Fetcher {
	return &Fetcher{cluster: cluster, clusterURL: strings.TrimSuffix(clusterURL, "/"), timeout: fetchTimeout}
}

// Fetch fetches the keys of an issuer. Its errors say what was asked and what was wrong
// with the answer, and quote nothing of it.
func (f *Fetcher) Fetch(ctx context.Context, issuer v1alpha1.Issuer) (Fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	if issuer.Cluster {
		return f.fetchCluster(ctx)
	}
	client, err := clientOf(issuer)
	if err != nil {
		return Fetched{}, err
	}
	defer client.CloseIdleConnections()
	at := issuer.JWKSURL
	if at == "" {
		discovered, err := discover(ctx, client, sourceOf(issuer))
		switch {
		case err != nil:
			return Fetched{}, err
		case discovered.Issuer != issuer.URL:
			return Fetched{}, fmt.Errorf("%s is the discovery document of another issuer, %.200q: set spec.issuer.url to that, or spec.issuer.discoveryURL",
				sourceOf(issuer), discovered.Issuer)
		case !mayAsk(discovered.JWKSURI):
			return Fetched{}, fmt.Errorf("%s has no https URL in jwks_uri", sourceOf(issuer))
		}
		at = discovered.JWKSURI
	}
	return fetchKeys(ctx, client, at)
}

func (f *Fetcher) fetchCluster(ctx context.Context) (Fetched, error) {
	discovered, err := discover(ctx, f.cluster, f.clusterURL+discoveryPath)
	if err != nil {
		return Fetched{}, err
	}
	if discovered.Issuer == "" {
		return Fetched{}, fmt.Errorf("%s names no issuer", f.clusterURL+discoveryPath)
	}
	fetched, err := fetchKeys(ctx, f.cluster, f.clusterURL+jwksPath)
	fetched.Issuer = discovered.Issuer
	return fetched, err
}

// discovery is what is read of a discovery document.
type discovery struct {
	Issuer  string `json:"issuer"`
	JWKSURI string `json:"jwks_uri"`
}

func discover(ctx context.Context, client *http.Client, at string) (found discovery, err error) {
	body, _, err := get(ctx, client, at)
	if err != nil {
		return discovery{}, err
	}
	if json.Unmarshal(body, &found) != nil {
		return discovery{}, fmt.Errorf("%s is no discovery document: it is not JSON, or its issuer or jwks_uri is no text", at)
	}
	return found, nil
}

func fetchKeys(ctx context.Context, client *http.Client, at string) (Fetched, error) {
	body, header, err := get(ctx, client, at)
	if err != nil {
		return Fetched{}, err
	}
	keys, err := identity.ParseKeys(body)
	if err != nil {
		return Fetched{}, fmt.Errorf("%s: %w", at, err)
	}
	set, err := keys.Public()
	if err != nil {
		return Fetched{}, fmt.Errorf("%s: %w", at, err)
	}
	ids, err := idsOf(set)
	return Fetched{Keys: set, IDs: ids, MaxAge: maxAgeOf(header)}, err
}

// idsOf are the ids of the keys of a set.
func idsOf(set json.RawMessage) ([]string, error) {
	var read struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	err := json.Unmarshal(set, &read)
	ids := []string{}
	for _, key := range read.Keys {
		ids = append(ids, key.ID)
	}
	return ids, err
}

// clientOf makes a client that trusts whom the issuer says, and keeps no connection.
func clientOf(issuer v1alpha1.Issuer) (*http.Client, error) {
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
			if len(via) > maxRedirects || !mayAsk(request.URL.String()) {
				return errors.New("it redirects too often, or to what is not https")
			}
			return nil
		},
	}, nil
}

// mayAsk reports whether keys may be fetched from a URL: without TLS, only from this machine.
func mayAsk(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" {
		return false
	}
	host := parsed.Hostname()
	return parsed.Scheme == "https" || parsed.Scheme == "http" && (host == "localhost" || host == "127.0.0.1")
}

// get asks for what is at a URL.
func get(ctx context.Context, client *http.Client, at string) (body []byte, header http.Header, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, nil, err
	}
	// An API server gives its keys as application/jwk-set+json alone (RFC 7517, 8.5).
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", at, plain(err))
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s answers with status %d, not 200", at, response.StatusCode)
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%s: %w", at, plain(err))
	case len(body) > maxBody:
		return nil, nil, fmt.Errorf("%s answers with more than %d bytes", at, maxBody)
	}
	return body, response.Header, nil
}

// plain is an error without what differs from one try to the next, such as ports: it
// stands in a condition.
func plain(err error) error {
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

// maxAgeOf is how long an answer may be kept (RFC 9111, 5.2.2); nil where it does not say.
func maxAgeOf(header http.Header) *time.Duration {
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-cache", "no-store":
			return new(time.Duration)
		case "max-age":
			if seconds, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil && seconds >= 0 {
				age := time.Duration(seconds) * time.Second
				return &age
			}
		}
	}
	return nil
}
