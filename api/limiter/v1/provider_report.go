package limiterv1

import (
	"errors"
	"slices"
)

// ProviderTrouble is why calls to a provider fail that whoever runs Bursar can mend, and
// callers cannot.
type ProviderTrouble string

const (
	// NoTrouble is that it was seen to work.
	NoTrouble ProviderTrouble = "None"
	// Untried is that nothing stands in the way as far as can be seen without a call.
	Untried ProviderTrouble = "Untried"
	// CredentialFileMissing is that the file that spec.credentialFile names is not there, cannot be
	// read, or is empty.
	CredentialFileMissing ProviderTrouble = "CredentialFileMissing"
	// KeyRejected is that the provider answers 401.
	KeyRejected ProviderTrouble = "KeyRejected"
	// KeyForbidden is that the provider answers 403.
	KeyForbidden ProviderTrouble = "KeyForbidden"
	// NotFound is that the provider answers 404.
	NotFound ProviderTrouble = "NotFound"
	// HostNotFound is that the endpoint's host name is not in DNS.
	HostNotFound ProviderTrouble = "HostNotFound"
	// ConnectionRefused is that nothing listens at the endpoint's address.
	ConnectionRefused ProviderTrouble = "ConnectionRefused"
	// ConnectionTimedOut is that no connection came about in time.
	ConnectionTimedOut ProviderTrouble = "ConnectionTimedOut"
	// ConnectionFailed is that no connection came about, for another reason.
	ConnectionFailed ProviderTrouble = "ConnectionFailed"
	// TLSFailed is that the endpoint's certificate is not trusted, or it does not speak TLS.
	TLSFailed ProviderTrouble = "TLSFailed"
)

// TroubleOf is the trouble that an error has by its method Trouble; empty where it has none.
func TroubleOf(err error) ProviderTrouble {
	var told interface{ Trouble() ProviderTrouble }
	if errors.As(err, &told) {
		return told.Trouble()
	}
	return ""
}

// ProviderReport is what an enforcer has seen of a provider. It has nothing that the
// provider has sent, and nothing of a key.
type ProviderReport struct {
	// Reachable and Credential are what stands in the way of calls: NoTrouble where it was
	// seen that nothing does, and empty while nothing was seen.
	Reachable  ProviderTrouble `json:"reachable,omitempty"`
	Credential ProviderTrouble `json:"credential,omitempty"`
	// Models are the models whose calls the provider answers with 403 or 404, in order,
	// where it does not answer all calls so.
	Models []string `json:"models,omitempty"`
}

// Equal reports whether two reports say the same.
func (r ProviderReport) Equal(other ProviderReport) bool {
	return r.Reachable == other.Reachable && r.Credential == other.Credential && slices.Equal(r.Models, other.Models)
}
