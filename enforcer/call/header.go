package call

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// forwardedFields are the header fields of a client that are sent to every provider.
// Some fields choose who is billed (Authorization, OpenAI-Project), or make requests
// repeat (Idempotency-Key), so a field is sent only if it is known to be harmless. The
// caller's trace (Traceparent, Tracestate) is none of a provider's business.
var forwardedFields = []string{"Accept", "User-Agent"}

// forwardedHeader is the header of the call with the given ID to a provider of the
// protocol, without its key. Some of the fields may come from the client.
func forwardedHeader(id string, client protocol.HeaderView, p protocol.Protocol) protocol.Header {
	header := protocol.Header{
		"Content-Type": {"application/json"}, "X-Request-Id": {id},
		"Accept-Encoding": {"identity"}, // or else nobody can read the usage
	}
	for _, name := range slices.Concat(forwardedFields, p.Fields().Forwarded) {
		if values := client.Values(name); len(values) > 0 {
			header[textproto.CanonicalMIMEHeaderKey(name)] = values
		}
	}
	return header
}

// connectionFields are the fields of a provider's header that are about the connection
// to it (RFC 9110, 7.6.1), or about who may use it.
var connectionFields = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Alt-Svc", "Strict-Transport-Security",
	"Set-Cookie", "Www-Authenticate",
}

// withheldFields are the fields of a provider's header that clients do not get.
type withheldFields struct{ names, prefixes []string }

// newWithheldFields are those of connections, and of all the protocols: a gateway that
// speaks one of them may be a customer of a provider that speaks another.
func newWithheldFields(protocols []protocol.Protocol) withheldFields {
	// A provider must not say which pages may read an answer (CORS), nor write Bursar's own fields.
	w := withheldFields{names: slices.Clone(connectionFields), prefixes: []string{"Access-Control-", "X-Bursar-"}}
	for _, p := range protocols {
		for _, name := range p.Fields().Withheld {
			if name = textproto.CanonicalMIMEHeaderKey(name); strings.HasSuffix(name, "-") {
				w.prefixes = append(w.prefixes, name)
			} else {
				w.names = append(w.names, name)
			}
		}
	}
	return w
}

// removeFrom removes the fields from the header of an answer.
func (w withheldFields) removeFrom(answer protocol.Header) {
	for _, names := range answer["Connection"] {
		for name := range strings.SplitSeq(names, ",") {
			answer.Del(strings.TrimSpace(name))
		}
	}
	maps.DeleteFunc(answer, func(name string, _ []string) bool {
		return slices.Contains(w.names, name) ||
			slices.ContainsFunc(w.prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	})
}
