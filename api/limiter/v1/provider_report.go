package limiterv1

import (
	"errors"
	"slices"
)

// ProviderTrouble is why calls to a provider fail, if those who run Bursar can fix it, and callers
// cannot.
type ProviderTrouble string

const (
	// NoTrouble means that it was seen to work.
	NoTrouble ProviderTrouble = "None"
	// Untried means that nothing stands in the way as far as can be seen without a call.
	Untried ProviderTrouble = "Untried"
	// CredentialFileMissing means that the file that spec.credentialFile names is missing,
	// unreadable, or empty.
	CredentialFileMissing ProviderTrouble = "CredentialFileMissing"
	// KeyRejected means that the provider answers 401.
	KeyRejected ProviderTrouble = "KeyRejected"
	// KeyForbidden means that the provider answers 403.
	KeyForbidden ProviderTrouble = "KeyForbidden"
	// NotFound means that the provider answers 404.
	NotFound ProviderTrouble = "NotFound"
	// HostNotFound means that the endpoint's host name is not in DNS.
	HostNotFound ProviderTrouble = "HostNotFound"
	// ConnectionRefused means that nothing listens at the endpoint's address.
	ConnectionRefused ProviderTrouble = "ConnectionRefused"
	// ConnectionTimedOut means that no connection was made in time.
	ConnectionTimedOut ProviderTrouble = "ConnectionTimedOut"
	// ConnectionFailed means that no connection was made, for another reason.
	ConnectionFailed ProviderTrouble = "ConnectionFailed"
	// TLSFailed means that the endpoint's certificate is not trusted, or that it does not speak
	// TLS.
	TLSFailed ProviderTrouble = "TLSFailed"
)

// TroubleOf is what an error's method Trouble returns; empty if it has none.
func TroubleOf(err error) ProviderTrouble {
	var told interface{ Trouble() ProviderTrouble }
	if errors.As(err, &told) {
		return told.Trouble()
	}
	return ""
}

// ProviderReport is what an enforcer has seen of a provider. It contains nothing that the provider
// has sent, and nothing of a key.
type ProviderReport struct {
	// Reachable and Credential are what stands in the way of calls: NoTrouble if a call has shown
	// that nothing does, and empty while nothing was seen.
	Reachable  ProviderTrouble `json:"reachable,omitempty"`
	Credential ProviderTrouble `json:"credential,omitempty"`
	// Models are the models, in order, whose calls the provider answers with 403 or 404, unless it
	// answers all calls in this way.
	Models []string `json:"models,omitempty"`
}

// Equal reports whether two reports say the same.
func (r ProviderReport) Equal(other ProviderReport) bool {
	return r.Reachable == other.Reachable && r.Credential == other.Credential && slices.Equal(r.Models, other.Models)
}
