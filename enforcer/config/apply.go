package config

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// put puts a document in the place of what there was, or changes nothing and says
// why it cannot be run.
func (c *Config) put(id limiterv1.DocumentID, body []byte) error {
	switch id.Kind {
	case limiterv1.TenantDocument:
		return c.putTenant(id.Name, body)
	case limiterv1.CredentialDocument:
		return c.putCredential(id.Name, body)
	case limiterv1.ProviderDocument:
		return c.putProvider(id.Name, body)
	}
	return fmt.Errorf("unknown kind %q: this enforcer may be older than the control plane", id.Kind)
}

// withdraw removes a document.
func (c *Config) withdraw(id limiterv1.DocumentID) {
	switch id.Kind {
	case limiterv1.TenantDocument:
		c.tenants.Delete(id.Name)
	case limiterv1.CredentialDocument:
		if hash, err := parseHash(id.Name); err == nil {
			c.credentials.Delete(hash)
		}
	case limiterv1.ProviderDocument:
		delete(c.providers, id.Name)
		c.routes.Store(newRoutes(c.providers))
	}
}

func (c *Config) putTenant(name string, body []byte) error {
	var document limiterv1.Tenant
	if err := json.Unmarshal(body, &document); err != nil {
		return err
	}
	if document.Tenant != name {
		return fmt.Errorf("is about tenant %q", document.Tenant)
	}
	tenant, err := admission.NewTenant(document)
	if err != nil {
		return err
	}
	c.tenants.Store(name, tenant)
	return nil
}

func (c *Config) putCredential(name string, body []byte) error {
	var credential limiterv1.Credential
	if err := json.Unmarshal(body, &credential); err != nil {
		return err
	}
	hash, err := parseHash(name)
	switch {
	case err != nil:
		return err
	case credential.SHA256 != name:
		return errors.New("is about another credential")
	case credential.Tenant == "" || credential.User == "":
		return errors.New("says not whose it is")
	}
	c.credentials.Store(hash, credential)
	return nil
}

func parseHash(name string) (hash Hash, err error) {
	if n, err := hex.Decode(hash[:], []byte(name)); err != nil || n != len(hash) || name != strings.ToLower(name) {
		return Hash{}, errors.New("is not named by a SHA-256 in lower-case hexadecimal")
	}
	return hash, nil
}

func (c *Config) putProvider(name string, body []byte) error {
	var provider limiterv1.Provider
	if err := json.Unmarshal(body, &provider); err != nil {
		return err
	}
	if err := validateProvider(provider, name); err != nil {
		return err
	}
	c.providers[name] = provider
	c.routes.Store(newRoutes(c.providers))
	return nil
}

func validateProvider(p limiterv1.Provider, name string) error {
	if p.Name != name {
		return fmt.Errorf("is about provider %q", p.Name)
	}
	if p.Protocol != limiterv1.OpenAI {
		return fmt.Errorf("unknown protocol %q: this enforcer may be older than the control plane", p.Protocol)
	}
	endpoint, err := url.Parse(p.Endpoint)
	if err != nil || endpoint.Scheme != "https" && endpoint.Scheme != "http" || endpoint.Host == "" {
		return fmt.Errorf("endpoint %q is not an http or https URL", p.Endpoint)
	}
	for _, m := range p.Models {
		if m.Name == "" || m.UpstreamName == "" || m.MaxOutputTokens < 1 {
			return fmt.Errorf("model %q has no name, no upstream name or no bound of its output", m.Name)
		}
		for _, price := range []money.Nanos{m.Prices.Input, m.Prices.CachedInput, m.Prices.Output} {
			if price < 0 || price > money.Max {
				return fmt.Errorf("model %q: price %s is out of range", m.Name, price)
			}
		}
	}
	return nil
}
