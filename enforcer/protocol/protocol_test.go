package protocol_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// TestProtocolsAreThoseOfTheContract: what a ModelProvider may name, an enforcer speaks.
func TestProtocolsAreThoseOfTheContract(t *testing.T) {
	var names []limiterv1.Protocol
	for _, p := range protocol.Protocols() {
		names = append(names, p.Name())
	}
	want := limiterv1.Protocols()
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("protocol.Protocols are %v, limiterv1.Protocols are %v", names, want)
	}
}

// TestProtocols: what one protocol says of itself fits together, and with what the
// others say.
func TestProtocols(t *testing.T) {
	atPath := map[string]protocol.Endpoint{}
	for _, p := range protocol.Protocols() {
		if p.TraceName() == "" || len(p.Endpoints()) == 0 || len(p.Prefixes()) == 0 {
			t.Errorf("%s has no name in traces, no endpoint or no prefix", p.Name())
		}
		for _, e := range p.Endpoints() {
			if other, taken := atPath[e.Path()]; taken {
				t.Errorf("%s is an endpoint of %s and of %s", e.Path(), other.Protocol().Name(), p.Name())
			}
			atPath[e.Path()] = e
			if e.Protocol().Name() != p.Name() || e.Operation() == "" {
				t.Errorf("%s of %s is of %s, and its operation is %q", e.Path(), p.Name(), e.Protocol().Name(), e.Operation())
			}
		}
		checkFields(t, p)
	}
}

// checkFields checks that nothing chooses who is billed, or gives a key away.
func checkFields(t *testing.T, p protocol.Protocol) {
	t.Helper()
	header := protocol.Header{}
	p.Authorize(header, "secret")
	for name, values := range header {
		if slices.Contains(values, "secret") && slices.Contains(p.Fields().Forwarded, name) {
			t.Errorf("%s sends a client's %s to the provider, which takes a key from it", p.Name(), name)
		}
	}
	for _, name := range p.Fields().Key {
		if slices.Contains(p.Fields().Forwarded, name) {
			t.Errorf("%s sends a client's key to the provider, in %s", p.Name(), name)
		}
	}
	empty := protocol.Header{}
	p.Authorize(empty, "")
	for _, name := range append(p.Fields().Key, "Authorization") {
		if empty.Get(name) != "" {
			t.Errorf("%s writes %s where the provider wants no key", p.Name(), name)
		}
	}
}

func TestAtPath(t *testing.T) {
	for path, want := range map[string]limiterv1.Protocol{
		"/":                                    limiterv1.OpenAI,
		"/v1/completions":                      limiterv1.OpenAI,
		"/v1/models":                           limiterv1.OpenAI,
		"/v1/messages/count_tokens":            limiterv1.Anthropic,
		"/v1/complete":                         limiterv1.Anthropic,
		"/v1beta/models/x:countTokens":         limiterv1.Gemini,
		"/v1/models/x:generateContent":         limiterv1.Gemini,
		"/openai/deployments/x/images/edits":   limiterv1.AzureOpenAI,
		"no path":                              limiterv1.OpenAI,
		"/openai":                              limiterv1.OpenAI,
		"/v2/messages":                         limiterv1.OpenAI,
		"/v1beta":                              limiterv1.OpenAI,
		"/v1/responses/resp_1/input_items":     limiterv1.OpenAI,
		"/v1/ai/image-model":                   limiterv1.VercelAIGateway,
		"/v4/ai/config":                        limiterv1.VercelAIGateway,
		"/v1/credits":                          limiterv1.VercelAIGateway,
		"/v1/messages/batches/msgbatch_1/more": limiterv1.Anthropic,
	} {
		if got := protocol.AtPath(protocol.Protocols(), path).Name(); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}

// TestErrorBodies: in the shape of every protocol, an error has the members of RFC 9457
// and those of the limit.
func TestErrorBodies(t *testing.T) {
	resets := time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)
	limit := &protocol.LimitMembers{Limit: "daily", Per: "Tenant", Period: "Day", ResetsAt: &resets, Amount: "1.00", Spent: "0.80", Held: "0.20"}
	for _, p := range protocol.Protocols() {
		for status := 400; status < 600; status++ {
			for kind := protocol.InvalidRequest; kind <= protocol.ServerError; kind++ {
				body := protocol.EncodeError(p, protocol.Error{
					Status: status, Kind: kind, Code: "a_code", Param: "n", Title: "A title", Message: `A "message".`, Limit: limit,
				})
				var got struct {
					Error struct{ Message string }
					Type  string
					protocol.LimitMembers
					Title, Detail string
					Status        int
				}
				if err := json.Unmarshal(body, &got); err != nil {
					t.Fatalf("%s: %v in %s", p.Name(), err, body)
				}
				if got.Error.Message != `A "message".` || got.Title != "A title" || got.Detail != `A "message".` || got.Status != status ||
					got.Type == "" || !reflect.DeepEqual(&got.LimitMembers, limit) {
					t.Fatalf("%s: %s", p.Name(), body)
				}
			}
		}
	}
}

func TestSetRate(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	rate := protocol.Rate{Unit: limiterv1.Tokens, Limit: 20, Remaining: 3, FullIn: 1500*time.Millisecond + 1}
	ofOpenAI := protocol.Header{"X-Ratelimit-Limit-Tokens": {"20"}, "X-Ratelimit-Remaining-Tokens": {"3"}, "X-Ratelimit-Reset-Tokens": {"1.501s"}}
	for name, want := range map[limiterv1.Protocol]protocol.Header{
		limiterv1.OpenAI: ofOpenAI, limiterv1.AzureOpenAI: ofOpenAI, limiterv1.Gemini: ofOpenAI, limiterv1.VercelAIGateway: ofOpenAI,
		limiterv1.Anthropic: {
			"Anthropic-Ratelimit-Tokens-Limit": {"20"}, "Anthropic-Ratelimit-Tokens-Remaining": {"3"},
			"Anthropic-Ratelimit-Tokens-Reset": {"2026-11-23T12:00:02Z"},
		},
	} {
		for _, p := range protocol.Protocols() {
			if p.Name() != name {
				continue
			}
			header := protocol.Header{}
			p.SetRate(header, rate, now)
			if !reflect.DeepEqual(header, want) {
				t.Errorf("%s: got %v, want %v", name, header, want)
			}
		}
	}
}
