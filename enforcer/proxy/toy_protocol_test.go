package proxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/enforcer/provider"
)

// parrot is a protocol that nobody speaks. This file is all there is of it: it shows what
// a protocol needs, and that nothing outside of it knows protocols by their names.
type parrot struct{}

func (parrot) Name() limiterv1.Protocol       { return "Parrot" }
func (parrot) Endpoints() []protocol.Endpoint { return []protocol.Endpoint{say{}} }
func (parrot) Prefixes() []string             { return []string{"/parrot/"} }
func (parrot) KeyParameter() string           { return "perch" }
func (parrot) TraceName() string              { return "parrot" }

func (parrot) Fields() protocol.Fields {
	return protocol.Fields{Key: []string{"Parrot-Key"}, Forwarded: []string{"Parrot-Mood"}, Withheld: []string{"Parrot-Owner", "Parrot-Quota-"}}
}

func (parrot) Authorize(header protocol.Header, key string) { header.Set("Parrot-Provider-Key", key) }

func (parrot) ErrorBody(err protocol.Error) any {
	return struct {
		Squawk string `json:"squawk"`
		Reason string `json:"reason"`
		protocol.ProblemDetails
	}{err.Message, err.Code, protocol.NewProblemDetails(err)}
}

func (parrot) SetRate(header protocol.Header, rate protocol.Rate, _ time.Time) {
	header.Set("Parrot-"+string(rate.Unit)+"-Left", fmt.Sprintf("%d/%d", rate.Remaining, rate.Limit))
}

// say is parrot's one endpoint.
type say struct{}

func (say) Protocol() protocol.Protocol { return parrot{} }
func (say) Path() string                { return "/parrot/v1/say" }
func (say) Operation() string           { return "say" }

// Read reads {"voice": model, "say": text, "words": most tokens of the answer, "live": streamed}.
func (say) Read(in protocol.Incoming) (protocol.ParsedRequest, error) {
	r := sayRequest{length: int64(len(in.Body))}
	if err := json.Unmarshal(in.Body, &r); err != nil {
		return nil, &protocol.RequestError{Reason: "is not what parrots hear"}
	}
	if r.Words <= 0 {
		return nil, &protocol.RequestError{Param: "words", Reason: "must be at least 1"}
	}
	return &r, nil
}

type sayRequest struct {
	Voice string `json:"voice"`
	Say   string `json:"say"`
	Words int64  `json:"words"`
	Live  bool   `json:"live"`

	length int64
}

// Unpriced is nothing: parrots hear no other members.
func (r *sayRequest) Unpriced() []protocol.Unpriced { return nil }

func (r *sayRequest) Model() string                                     { return r.Voice }
func (r *sayRequest) Streamed() bool                                    { return r.Live }
func (r *sayRequest) Message(protocol.Text) (a protocol.Plain, ok bool) { return a, false }

func (r *sayRequest) For(model limiterv1.Model, _ protocol.OutputLimits) (protocol.BoundedCall, error) {
	bound := price.Usage{Input: r.length, Output: r.Words}
	cost, err := model.Prices.Dearest(bound)
	if err != nil {
		return protocol.BoundedCall{}, &protocol.RequestError{Reason: err.Error()}
	}
	asked := *r
	asked.Voice = model.UpstreamName
	body, err := json.Marshal(asked)
	return protocol.BoundedCall{
		Path: "/say", Body: func() []byte { return body }, Bound: bound, Cost: cost,
		Dearest: func(used price.Usage) (money.Nanos, error) { return model.Prices.Dearest(used) },
		Whole:   func() protocol.Answer { return &said{} },
		Stream:  func() protocol.Answer { return &said{streamed: true} },
	}, err
}

// said is an answer: an object with what was used, or a stream of which the last event
// is that object.
type said struct {
	seen          bytes.Buffer
	streamed, cut bool
}

func (s *said) Pass(chunk []byte) []byte { s.seen.Write(chunk); return chunk }
func (s *said) End(cut bool) []byte      { s.cut = cut; return nil }
func (s *said) Unfinished() bool         { return s.cut }

// Progress and Seen: a parrot that breaks off has said no more than what was heard of it.
func (s *said) Progress() protocol.Progress {
	if !s.streamed || s.seen.Len() == 0 {
		return protocol.NotBegun
	}
	return protocol.Underway
}

func (s *said) Seen(protocol.Cut) (price.Usage, bool) {
	return price.Usage{Input: 9, Output: int64(strings.Count(s.seen.String(), " "))}, s.Progress() == protocol.Underway
}

func (s *said) Usage() (price.Usage, bool) {
	text := s.seen.String()
	if s.streamed {
		text = text[strings.LastIndex(text, "data:")+len("data:"):]
	}
	var answer struct {
		Used *struct{ Heard, Spoken int64 }
	}
	if s.cut || json.Unmarshal([]byte(text), &answer) != nil || answer.Used == nil {
		return price.Usage{}, false
	}
	return price.Usage{Input: answer.Used.Heard, Output: answer.Used.Spoken}, true
}

func (s *said) Problem(body []byte) ([]byte, bool) {
	if !s.streamed {
		return nil, true
	}
	return fmt.Appendf(nil, "data: %s\n\n", body), false
}

// aviary is a provider that speaks parrot: it hears four tokens and says two.
type aviary struct {
	asked  []*http.Request
	bodies []string
	// breaks is whether it breaks off a stream after its first event.
	breaks bool
}

func (a *aviary) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.asked, a.bodies = append(a.asked, r), append(a.bodies, string(body))
	w.Header().Set("Parrot-Owner", "bursar")
	w.Header().Set("Parrot-Quota-Left", "3")
	w.Header().Set("Parrot-Name", "Polly")
	if !strings.Contains(string(body), `"live":true`) {
		_, _ = io.WriteString(w, aviaryWhole)
		return
	}
	frames := []string{aviaryFirst, aviaryLast}
	if a.breaks {
		frames[1] = cut
	}
	stream(frames...)(w, r)
}

const (
	aviaryWhole = `{"said":"hello hello","used":{"heard":4,"spoken":2}}`
	aviaryFirst = "data: {\"said\":\"hello hello\"}\n\n"
	aviaryLast  = "data: {\"used\":{\"heard\":4,\"spoken\":2}}\n\n"
)

const (
	sayHello  = `{"voice":"mini","say":"hello","words":7}`
	sayLive   = `{"voice":"mini","say":"hello","words":7,"live":true}`
	parrotURL = "/parrot/v1/say"
)

// newParrotDoor is a door of all protocols and parrot, before an aviary that has mini and
// to which Bursar's key is "seeds".
func newParrotDoor(t *testing.T, a *aviary) *door {
	t.Helper()
	cage := httptest.NewServer(a)
	t.Cleanup(cage.Close)
	keys := t.TempDir()
	if err := os.WriteFile(filepath.Join(keys, "parrot"), []byte("seeds"), 0o600); err != nil {
		t.Fatal(err)
	}
	protocols := append(protocol.Protocols(), parrot{})
	client := provider.NewClient(keys)
	t.Cleanup(client.Close)
	d := newDoor(t, whole(http.StatusOK, answer), func(o *doorOptions) { o.Protocols, o.door.Client = protocols, client })
	openAI := *d.config.routes[0]
	openAI.Model.Name = "gpt"
	d.config.routes = []*config.Route{&openAI, {
		Provider: limiterv1.Provider{Name: "aviary", Protocol: "Parrot", Endpoint: cage.URL + "/v2", CredentialFile: "parrot"},
		Model:    mini,
	}}
	return d
}

// say asks the parrot, with the key where its clients send theirs.
func (d *door) say(body string) reply {
	d.t.Helper()
	request := d.request(http.MethodPost, parrotURL, body)
	request.Header = http.Header{"Parrot-Key": {"key"}, "Parrot-Mood": {"merry"}, "Parrot-Owner": {"me"}}
	return d.do(request)
}

// TestToyProtocol: a protocol that one file adds is admitted, passed on and settled like
// any other, whole and streamed.
func TestToyProtocol(t *testing.T) {
	for name, tc := range map[string]struct {
		body, want, sent string
		breaks           bool
		outcome          ledgerv1.Outcome
		cost             money.Nanos
	}{
		"whole": {
			body: sayHello, want: aviaryWhole, sent: `{"voice":"mini-2026","say":"hello","words":7,"live":false}`,
			outcome: ledgerv1.Settled, cost: 4*1000 + 2*10_000,
		},
		"streamed": {
			body: sayLive, want: aviaryFirst + aviaryLast, sent: `{"voice":"mini-2026","say":"hello","words":7,"live":true}`,
			outcome: ledgerv1.Settled, cost: 4*1000 + 2*10_000,
		},
		"a stream that breaks off": {
			body: sayLive, breaks: true, sent: `{"voice":"mini-2026","say":"hello","words":7,"live":true}`,
			want: aviaryFirst + `data: {"squawk":"The provider's answer was cut off before its end. Sending it again makes, and pays for, a new call.","reason":"provider_cut",` +
				`"type":"urn:bursar:problem:provider-cut","title":"Answer cut off","status":502,"detail":"The provider's answer was cut off before its end. Sending it again makes, and pays for, a new call."}` + "\n\n",
			outcome: ledgerv1.ChargedSeen, cost: 9*1000 + 2*10_000,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := &aviary{breaks: tc.breaks}
			d := newParrotDoor(t, a)
			got := d.say(tc.body)
			if got.status != http.StatusOK || got.body != tc.want || got.err != nil {
				t.Errorf("the client sees %d %q, %v; want %q", got.status, got.body, got.err, tc.want)
			}
			checkParrotRates(t, got.header, 1, len(tc.body)+7)
			if got.header.Get("Parrot-Name") != "Polly" || got.header.Get("Parrot-Owner") != "" || got.header.Get("Parrot-Quota-Left") != "" {
				t.Errorf("of the provider's answer, the client sees the header %v", got.header)
			}
			entry, end := d.ending()
			asked := a.asked[0]
			if asked.URL.Path != "/v2/say" || a.bodies[0] != tc.sent || asked.Header.Get("Parrot-Provider-Key") != "seeds" ||
				asked.Header.Get("Parrot-Mood") != "merry" || asked.Header.Get("Parrot-Key") != "" || asked.Header.Get("Parrot-Owner") != "" {
				t.Errorf("the provider is asked at %s %s with %v", asked.URL.Path, a.bodies[0], asked.Header)
			}
			held := money.Nanos(len(tc.body)*1000 + 7*10_000)
			if entry.Outcome != tc.outcome || entry.Cost != tc.cost || entry.Held != held || end.Cost != tc.cost {
				t.Errorf("%s at %s of %s, counted %s; want %s at %s of %s", entry.Outcome, entry.Cost, entry.Held, end.Cost, tc.outcome, tc.cost, held)
			}
			if entry.Provider != "aviary" || entry.Endpoint != parrotURL || entry.ModelAsked != "mini" || entry.ModelUsed != "mini-2026" ||
				entry.Streamed != strings.Contains(tc.body, "live") || entry.Tenant != "acme" || entry.User != "gerente-1" {
				t.Errorf("the ledger has %+v", entry)
			}
		})
	}
}

// checkParrotRates checks that what is left of dollarADay's rate limits, of which so much
// is taken, is told in parrot's fields, and in no others.
func checkParrotRates(t *testing.T, header http.Header, requests, tokens int) {
	t.Helper()
	got := http.Header{}
	for name, values := range header {
		if strings.HasSuffix(name, "-Left") || strings.Contains(name, "Ratelimit") {
			got[name] = values
		}
	}
	want := http.Header{
		"Parrot-Requests-Left": {fmt.Sprintf("%d/20", 20-requests)},
		"Parrot-Tokens-Left":   {fmt.Sprintf("%d/200000", 200_000-tokens)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("rate fields %v, want %v", got, want)
	}
}

// TestToyProtocolRefuses: what is refused has the protocol's shape, and its provider is
// not asked.
func TestToyProtocolRefuses(t *testing.T) {
	exhausted := refusing(admission.AdmitReply{Refusing: 1, Spent: 80 * money.Cent, Held: 20 * money.Cent, Debts: left(200_000, 20)})
	for name, tc := range map[string]struct {
		path, key, body string
		change          func(*door)
		status          int
		want            string // begins the body
		rates           bool
	}{
		"a spent budget": {
			change: exhausted, status: 429, rates: true,
			want: `{"squawk":"The call may cost $0.00011, more than is left of the limit \"daily\" of tenant acme: $0.80 spent, $0.20 held for calls in flight, $0.00 left of $1.00 per day.`,
		},
		"a request that is wrong": {
			body: `{"voice":"mini","say":"hello"}`, status: 400,
			want: `{"squawk":"words must be at least 1.","reason":"invalid_request","type":"urn:bursar:problem:invalid-request",`,
		},
		"another protocol's model": {
			body: `{"voice":"gpt","say":"hello","words":7}`, status: 404, want: `{"squawk":"There is no model \"gpt\";`,
		},
		"an unknown path": {path: "/parrot/v1/sing", status: 404, want: `{"squawk":"Bursar serves no endpoint at /parrot/v1/sing: check the client's base URL, or call another endpoint.","reason":"unknown_url",`},
		"an unknown key":  {key: "guess", status: 401, want: `{"squawk":"The API key is unknown: send a key of Bursar's, not the provider's.","reason":"invalid_api_key",`},
	} {
		t.Run(name, func(t *testing.T) {
			a := &aviary{}
			d := newParrotDoor(t, a)
			if tc.change != nil {
				tc.change(d)
			}
			request := d.request(http.MethodPost, or(tc.path, parrotURL), or(tc.body, sayHello))
			request.Header = http.Header{"Parrot-Key": {or(tc.key, "key")}}
			got := d.do(request)
			if got.status != tc.status || !strings.HasPrefix(got.body, tc.want) || !json.Valid([]byte(got.body)) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, tc.status, tc.want)
			}
			if tc.rates {
				checkParrotRates(t, got.header, 0, 0)
				if records := d.refusals.all(); len(records) != 1 || records[0].Endpoint != parrotURL || records[0].Limit != "daily" {
					t.Errorf("refusals on record: %+v", records)
				}
				if !strings.Contains(got.body, `"limit":"daily","per":"Tenant","period":"Day"`) {
					t.Errorf("no members of the limit in %s", got.body)
				}
			}
			if len(a.asked) > 0 || len(d.ledger.all()) > 0 {
				t.Errorf("the provider was asked %d times, and the ledger has %v", len(a.asked), d.ledger.all())
			}
		})
	}
}

// TestToyProtocolBesideOthers: clients of any protocol may send a key in any field; in the
// query, where their protocol has it. Others are served as before.
func TestToyProtocolBesideOthers(t *testing.T) {
	d := newParrotDoor(t, &aviary{})
	gpt := strings.Replace(chat, "mini", "gpt", 1)
	for name, tc := range map[string]struct {
		path, field, body string
		want              int
	}{
		"the parrot's key in its query": {path: parrotURL + "?perch=key", body: sayHello, want: 200},
		"and in OpenAI's":               {path: parrotURL + "?key=key", body: sayHello, want: 401},
		"in Anthropic's field":          {path: parrotURL, field: "X-Api-Key", body: sayHello, want: 200},
		"OpenAI's in the parrot's":      {path: "/v1/chat/completions", field: "Parrot-Key", body: gpt, want: 200},
		"OpenAI's in a query":           {path: "/v1/chat/completions?perch=key", body: gpt, want: 401},
	} {
		request := d.request(http.MethodPost, tc.path, tc.body)
		request.Header = http.Header{}
		if tc.field != "" {
			request.Header.Set(tc.field, "key")
		}
		if got := d.do(request); got.status != tc.want {
			t.Errorf("%s: got %d %s, want %d", name, got.status, got.body, tc.want)
		}
	}
}
