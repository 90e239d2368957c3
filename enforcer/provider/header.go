package provider

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// outgoing are the header fields of a client that are sent to every provider.
// Fields choose who is billed (Authorization, OpenAI-Project), and make requests
// repeat (Idempotency-Key), so that one is sent only when it is known to be harmless.
// A trace (Traceparent, Tracestate) is the caller's, and no matter of a provider's.
var outgoing = []string{"Accept", "User-Agent"}

// outgoingHeader is what of a client's header is sent to a provider of the protocol.
func outgoingHeader(client http.Header, p protocol.Protocol) http.Header {
	header := http.Header{"User-Agent": nil} // nil: none, rather than Go's own
	for _, name := range slices.Concat(outgoing, p.Fields().Forwarded) {
		if values := client.Values(name); len(values) > 0 {
			header[http.CanonicalHeaderKey(name)] = values
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

// withheld are the fields of a provider's header that clients do not get.
type withheld struct{ names, prefixes []string }

// newWithheld are those of connections, and of all the protocols: a gateway that speaks
// one of them may be a customer of a provider that speaks another.
func newWithheld(protocols []protocol.Protocol) withheld {
	w := withheld{names: slices.Clone(connectionFields)}
	for _, p := range protocols {
		for _, name := range p.Fields().Withheld {
			if name = http.CanonicalHeaderKey(name); strings.HasSuffix(name, "-") {
				w.prefixes = append(w.prefixes, name)
			} else {
				w.names = append(w.names, name)
			}
		}
	}
	return w
}

// removeFrom removes the fields from the header of an answer.
func (w withheld) removeFrom(answer http.Header) {
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
