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
func outgoingHeader(client http.Header, endpoint protocol.Endpoint) http.Header {
	header := http.Header{"User-Agent": nil} // nil: none, rather than Go's own
	for _, name := range slices.Concat(outgoing, endpoint.Fields()) {
		if values := client[name]; len(values) > 0 {
			header[name] = values
		}
	}
	return header
}

// kept are the fields of a provider's header that a client does not see: those
// that are about the connection to the provider (RFC 9110, 7.6.1), or about the
// account that Bursar has there.
var kept = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Alt-Svc", "Strict-Transport-Security",
	"Set-Cookie", "Www-Authenticate", "Openai-Organization", "Openai-Project", "Anthropic-Organization-Id",
}

// ratePrefixes begin the fields of a provider's own rate limits, which are not the caller's.
var ratePrefixes = []string{"X-Ratelimit-", "Anthropic-Ratelimit-", "Anthropic-Priority-"}

func ofRates(name string) bool {
	return slices.ContainsFunc(ratePrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// CopyHeader copies to a client what it is to see of the header of an answer.
// What the client's header has already stays.
func CopyHeader(client, answer http.Header) {
	ours := maps.Clone(client)
	for name, values := range answer {
		if !ofRates(name) {
			client[name] = values
		}
	}
	for _, names := range answer["Connection"] {
		for name := range strings.SplitSeq(names, ",") {
			client.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range kept {
		delete(client, name)
	}
	maps.Copy(client, ours)
}
