package identity

import (
	"context"
	"net/url"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// Options are what an Identifier is made with.
type Options struct {
	// Config, Now, WantKeys and Metrics are those of identify.Options.
	Config   identify.Config
	Now      func() time.Time
	WantKeys func(ctx context.Context, provider string) error
	Metrics  *identify.Metrics
	// Protocols are those in whose header fields clients send credentials.
	Protocols []protocol.Protocol
	// TellUses is told which API keys were used at a time, by the names of their documents; nil
	// if nothing wants to know.
	TellUses func(ctx context.Context, at time.Time, names []string) error
}

// Identifier finds out who is calling, by API keys and by tokens. Its methods may be called
// concurrently.
type Identifier struct {
	*identify.Identifier
	keyFields []string
	uses      *uses
}

// NewIdentifier makes an Identifier, which takes credentials from any of the header fields
// in which clients of the protocols send them.
func NewIdentifier(options Options) *Identifier {
	i := &Identifier{
		Identifier: identify.New(identify.Options{Config: options.Config, Now: options.Now, WantKeys: options.WantKeys, Metrics: options.Metrics}),
		uses:       newUses(options.TellUses),
	}
	for _, p := range options.Protocols {
		i.keyFields = append(i.keyFields, p.Fields().Key...)
	}
	return i
}

// Run tells which API keys were used, until ctx ends.
func (i *Identifier) Run(ctx context.Context) {
	if i.uses.tell != nil {
		i.uses.run(ctx)
	}
}

// Request is the part of a request that may identify its sender.
type Request struct {
	// Protocol is the one of the endpoint, or the path, that was asked.
	Protocol protocol.Protocol
	Header   protocol.HeaderView
	Query    url.Values
}

// Identify returns the subject that sent a request. A credential in the query is read where
// the protocol has a parameter for it. The error is an *identify.Error.
func (i *Identifier) Identify(ctx context.Context, request Request) (subject admission.Subject, err error) {
	err = i.IdentifyPayer(ctx, identify.Request{
		Header: request.Header, KeyFields: i.keyFields, Query: request.Query, KeyParameter: request.Protocol.KeyParameter(),
	}, func(caller identify.Caller, tenancy identity.Tenancy) (err error) {
		subject = i.subject(caller, tenancy)
		if tenancy.ActFor != nil {
			subject, err = act(subject, *tenancy.ActFor, request.Header)
		}
		return err
	})
	if err != nil {
		return admission.Subject{}, err
	}
	return subject, nil
}

// subject is the subject of the caller's own credential. It notes that an API key was used.
func (i *Identifier) subject(caller identify.Caller, tenancy identity.Tenancy) admission.Subject {
	subject := admission.Subject{
		Tenant: tenancy.Tenant, User: tenancy.User, Tier: tenancy.Tier, Groups: tenancy.Groups, Labels: tenancy.Labels, Admin: tenancy.Admin,
	}
	if caller.Key == nil {
		subject.IdentityProvider, subject.Subject = caller.Claims.Provider, caller.Claims.Subject
		return subject
	}
	i.uses.note(caller.Hash, *caller.Key, i.Now())
	subject.Credential, subject.Models = caller.Key.Name, caller.Key.Models
	return subject
}
