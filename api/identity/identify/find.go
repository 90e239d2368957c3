package identify

import (
	"slices"
	"strings"
)

const (
	// TenantHeader names the tenant that pays, among those that the credential proves.
	TenantHeader = "X-Bursar-Tenant"
	// TenantParameter does the same in a query.
	TenantParameter = "bursar-tenant"
	// maxCredentials is how many different credentials of a request are looked at; no
	// client sends more.
	maxCredentials = 8
)

// Fields are the fields of a header.
type Fields interface {
	// Values are those of all fields of a name, which may be written in any case.
	Values(name string) []string
}

// Request is the part of a request that may identify its sender.
type Request struct {
	Header Fields
	// KeyFields are the header fields other than Authorization in which clients send keys.
	KeyFields []string
	Query     map[string][]string
	// KeyParameter is the query parameter that has a key; empty if none may have one.
	KeyParameter string
}

// find is the credentials of a request, each once: in Authorization, in any of the other
// fields for keys, and in the query.
func find(request Request) []string {
	var found []string
	add := func(credential string) {
		credential = strings.TrimSpace(credential)
		if credential != "" && !slices.Contains(found, credential) && len(found) < maxCredentials {
			found = append(found, credential)
		}
	}
	for _, value := range request.Header.Values("Authorization") {
		add(bearer(value))
	}
	for _, name := range request.KeyFields {
		for _, value := range request.Header.Values(name) {
			add(value)
		}
	}
	if request.KeyParameter != "" {
		for _, value := range request.Query[request.KeyParameter] {
			add(value)
		}
	}
	return found
}

// bearer is the token of an Authorization field (RFC 6750, 2.1), empty when there is none.
func bearer(field string) string {
	scheme, token, _ := strings.Cut(field, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// tenantAsked is the tenant that a request names, empty for none.
func tenantAsked(request Request) (string, error) {
	named := slices.Concat(request.Header.Values(TenantHeader), request.Query[TenantParameter])
	named = slices.Compact(slices.DeleteFunc(named, func(name string) bool { return name == "" }))
	switch len(named) {
	case 0:
		return "", nil
	case 1:
		return named[0], nil
	}
	return "", errTenantTwice
}
