package config

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// put applies a document in place of its previous version. After an error, which says
// why the document cannot be run, the previous version stays.
func (c *Config) put(id limiterv1.DocumentID, body []byte) error {
	switch id.Kind {
	case limiterv1.TenantDocument:
		return c.putTenant(id.Name, body)
	case limiterv1.CredentialDocument:
		return c.putCredential(id.Name, body)
	case limiterv1.ProviderDocument:
		return c.putProvider(id.Name, body)
	case limiterv1.IdentityDocument:
		return c.putIdentityProvider(id.Name, body)
	case limiterv1.MembersDocument:
		return c.putMembers(id.Name, body)
	}
	return fmt.Errorf("unknown kind %q: this enforcer may be older than the control plane", id.Kind)
}

// withdraw removes a document.
func (c *Config) withdraw(id limiterv1.DocumentID) {
	switch id.Kind {
	case limiterv1.TenantDocument:
		c.tenants.Delete(id.Name)
	case limiterv1.CredentialDocument:
		if namespace, hash, err := parseCredentialName(id.Name); err == nil {
			c.SetCredential(namespace, hash, nil)
		}
	case limiterv1.ProviderDocument:
		delete(c.providers, id.Name)
		c.routes.Store(newRoutes(c.providers))
	case limiterv1.IdentityDocument:
		c.SetProvider(id.Name, nil)
	case limiterv1.MembersDocument:
		c.Members().Withdraw(id.Name)
	}
}

func (c *Config) putTenant(name string, body []byte) error {
	var document limiterv1.Tenant
	if err := json.Unmarshal(body, &document); err != nil {
		return err
	}
	if document.Tenant != name {
		return fmt.Errorf("the document is for tenant %q", document.Tenant)
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
	namespace, hash, err := parseCredentialName(name)
	switch {
	case err != nil:
		return err
	case limiterv1.CredentialName(credential.Namespace(), credential.SHA256) != name:
		return errors.New("the document is for another credential")
	case credential.Tenant == "" || credential.User == "":
		return errors.New("the credential has no tenant or no user")
	}
	c.SetCredential(namespace, hash, &credential)
	return nil
}

func parseCredentialName(name string) (namespace string, hash Hash, err error) {
	namespace, digits, _ := strings.Cut(name, "/")
	n, err := hex.Decode(hash[:], []byte(digits))
	if err != nil || n != len(hash) || digits != strings.ToLower(digits) || namespace == "" {
		return "", Hash{}, errors.New("the credential's name is not a namespace and a SHA-256 in lower-case hexadecimal")
	}
	return namespace, hash, nil
}

func (c *Config) putProvider(name string, body []byte) error {
	var provider limiterv1.Provider
	if err := json.Unmarshal(body, &provider); err != nil {
		return err
	}
	if err := validateProvider(provider, name); err != nil {
		return err
	}
	c.providers[name] = newSource(provider)
	c.routes.Store(newRoutes(c.providers))
	return nil
}

func validateProvider(p limiterv1.Provider, name string) error {
	if p.Name != name {
		return fmt.Errorf("the document is for provider %q", p.Name)
	}
	if !slices.Contains(limiterv1.Protocols(), p.Protocol) {
		return fmt.Errorf("unknown protocol %q: this enforcer may be older than the control plane", p.Protocol)
	}
	endpoint, err := url.Parse(p.Endpoint)
	if err != nil || endpoint.Scheme != "https" && endpoint.Scheme != "http" || endpoint.Host == "" {
		return fmt.Errorf("endpoint %q is not an http or https URL", p.Endpoint)
	}
	for _, m := range p.Models {
		if err := validateModel(m); err != nil {
			return fmt.Errorf("model %q: %w", m.Name, err)
		}
	}
	if unlisted := p.UnlistedModels; unlisted != nil && (unlisted.MaxOutputTokens <= 0 || unlisted.ContextWindow < 0) {
		return errors.New("unlistedModels: maxOutputTokens must be above 0 and contextWindow not negative")
	}
	return nil
}

func validateModel(m limiterv1.Model) error {
	if m.Name == "" || m.UpstreamName == "" {
		return errors.New("the model has no name or no upstream name")
	}
	if m.MaxOutputTokens < 0 || m.ContextWindow < 0 {
		return errors.New("maxOutputTokens and contextWindow must not be negative")
	}
	if err := m.Prices.Validate(); err != nil {
		return err
	}
	var last time.Time
	for _, change := range m.PriceChanges {
		if !change.EffectiveFrom.After(last) {
			return fmt.Errorf("prices from %s are listed after those from %s: sort them by time", change.EffectiveFrom, last)
		}
		last = change.EffectiveFrom
		if err := change.Prices.Validate(); err != nil {
			return fmt.Errorf("prices from %s: %w", last, err)
		}
	}
	return nil
}
