package identityprovider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/issuerclient"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// fetchTimeout bounds a fetch.
const fetchTimeout = 5 * time.Second

// jwksPath is where an API server has the keys of its issuer.
const jwksPath = "/openid/v1/jwks"

// Fetched are keys that were fetched.
type Fetched struct {
	// Issuer is the claim iss of the cluster's tokens, as the cluster says; empty for other
	// issuers.
	Issuer string
	// Keys is the JWK set, with only what verifies signatures, and IDs are the IDs of its keys.
	Keys json.RawMessage
	IDs  []string
	// MaxAge is how long the issuer lets them be kept; nil if it does not say.
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
	client, err := issuerclient.New(issuer)
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
		case !issuerclient.MayAsk(discovered.JWKSURI):
			return Fetched{}, fmt.Errorf("%s has no https URL in jwks_uri", sourceOf(issuer))
		}
		at = discovered.JWKSURI
	}
	return fetchKeys(ctx, client, at)
}

func (f *Fetcher) fetchCluster(ctx context.Context) (Fetched, error) {
	discovered, err := discover(ctx, f.cluster, f.clusterURL+issuerclient.DiscoveryPath)
	if err != nil {
		return Fetched{}, err
	}
	if discovered.Issuer == "" {
		return Fetched{}, fmt.Errorf("%s names no issuer", f.clusterURL+issuerclient.DiscoveryPath)
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
	body, _, err := issuerclient.Get(ctx, client, at)
	if err != nil {
		return discovery{}, err
	}
	if json.Unmarshal(body, &found) != nil {
		return discovery{}, fmt.Errorf("%s is no discovery document: it is not JSON, or its issuer or jwks_uri is not a string", at)
	}
	return found, nil
}

func fetchKeys(ctx context.Context, client *http.Client, at string) (Fetched, error) {
	body, header, err := issuerclient.Get(ctx, client, at)
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

// maxAgeOf is how long an answer may be kept (RFC 9111, 5.2.2); nil if it does not say.
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
