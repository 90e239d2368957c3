package ledgerv1

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// encodedSize is more than the JSON of most entries takes.
const encodedSize = 1 << 10

// Encode writes the entry as JSON, byte for byte as encoding/json does: the body of a
// limiterv1.CallRecord. Each call is encoded twice, and by reflection that would take twice
// as long.
func (e Entry) Encode() []byte {
	w := objectWriter{make([]byte, 0, encodedSize)}
	w.begin()
	w.openCall(e.OpenCall)
	w.textIfAny("identityProvider", e.IdentityProvider)
	w.textIfAny("subject", e.Subject)
	w.textIfAny("actor", e.Actor)
	w.text("provider", e.Provider)
	w.text("modelAsked", e.ModelAsked)
	w.text("modelUsed", e.ModelUsed)
	w.text("endpoint", e.Endpoint)
	w.trueIf("streamed", e.Streamed)
	w.text("session", e.Session)
	w.number("held", int64(e.Held))
	w.textIfAny("pricedAs", string(e.PricedAs))
	w.textIfAny("outputLoweredBy", string(e.OutputLoweredBy))
	w.numberIfAny("maxOutputTokens", e.MaxOutputTokens)
	w.timeIfAny("admittedAt", e.AdmittedAt)
	w.timeIfAny("settledAt", e.SettledAt)
	w.textIfAny("outcome", string(e.Outcome))
	w.textIfAny("decision", string(e.Decision))
	w.usageIfAny("usage", e.Usage)
	w.numberIfAny("cost", int64(e.Cost))
	w.numberIfAny("saved", int64(e.Saved))
	w.numberIfAny("durationNanoseconds", int64(e.Duration))
	if e.TimeToFirstToken != nil {
		w.number("timeToFirstTokenNanoseconds", int64(*e.TimeToFirstToken))
	}
	w.end()
	return w.json
}

// objectWriter writes JSON objects, member by member. Members that are IfAny are left out if
// they are zero.
type objectWriter struct{ json []byte }

func (w *objectWriter) begin() { w.json = append(w.json, '{') }
func (w *objectWriter) end()   { w.json = append(w.json, '}') }

func (w *objectWriter) openCall(c limiterv1.OpenCall) {
	w.text("callID", c.CallID)
	w.text("tenant", c.Tenant)
	w.text("user", c.User)
	w.textIfAny("tier", c.Tier)
	w.textIfAny("credential", c.Credential)
	w.textsIfAny("groups", c.Groups)
	w.labelsIfAny("labels", c.Labels)
	w.textIfAny("model", c.Model)
	w.textIfAny("root", c.Root)
	w.textsIfAny("ancestors", c.Ancestors)
	w.trueIf("share", c.Share)
	w.trueIf("probe", c.Probe)
	w.numberIfAny("tokens", c.Tokens)
	w.countersIfAny("counters", c.Counters)
}

func (w *objectWriter) countersIfAny(name string, all []limiterv1.CallCounters) {
	if len(all) == 0 {
		return
	}
	w.name(name)
	w.json = append(w.json, '[')
	for _, c := range all {
		w.next()
		w.begin()
		w.text("tenant", c.Tenant)
		w.textIfAny("user", c.User)
		w.textIfAny("group", c.Group)
		w.textIfAny("key", c.Key)
		w.textsIfAny("money", c.Money)
		w.textsIfAny("inFlight", c.InFlight)
		w.end()
	}
	w.json = append(w.json, ']')
}

func (w *objectWriter) usageIfAny(name string, u price.Usage) {
	if u == (price.Usage{}) {
		return
	}
	w.name(name)
	w.begin()
	w.number("input", u.Input)
	w.number("cachedInput", u.CachedInput)
	w.numberIfAny("cacheWrite5m", u.CacheWrite5m)
	w.numberIfAny("cacheWrite1h", u.CacheWrite1h)
	w.numberIfAny("audioInput", u.AudioInput)
	w.numberIfAny("cachedAudioInput", u.CachedAudioInput)
	w.number("output", u.Output)
	w.numberIfAny("audioOutput", u.AudioOutput)
	w.numberIfAny("imageOutput", u.ImageOutput)
	w.numberIfAny("reasoning", u.Reasoning)
	w.textIfAny("serviceTier", string(u.ServiceTier))
	w.numberIfAny("billed", int64(u.Billed))
	w.textIfAny("properties", string(u.Properties))
	w.textIfAny("uses", string(u.Uses))
	w.end()
}

// next begins a member of an object, or an element of a list.
func (w *objectWriter) next() {
	if last := w.json[len(w.json)-1]; last != '{' && last != '[' {
		w.json = append(w.json, ',')
	}
}

// name begins a member. Its name needs no escapes.
func (w *objectWriter) name(name string) {
	w.next()
	w.json = append(append(append(w.json, '"'), name...), '"', ':')
}

func (w *objectWriter) text(name, value string) {
	w.name(name)
	w.quote(value)
}

func (w *objectWriter) textIfAny(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *objectWriter) textsIfAny(name string, values []string) {
	if len(values) == 0 {
		return
	}
	w.name(name)
	w.json = append(w.json, '[')
	for _, value := range values {
		w.next()
		w.quote(value)
	}
	w.json = append(w.json, ']')
}

func (w *objectWriter) labelsIfAny(name string, labels map[string]string) {
	if len(labels) == 0 {
		return
	}
	w.name(name)
	w.begin()
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		w.next()
		w.quote(label)
		w.json = append(w.json, ':')
		w.quote(labels[label])
	}
	w.end()
}

func (w *objectWriter) trueIf(name string, is bool) {
	if is {
		w.name(name)
		w.json = append(w.json, "true"...)
	}
}

func (w *objectWriter) number(name string, value int64) {
	w.name(name)
	w.json = strconv.AppendInt(w.json, value, 10)
}

func (w *objectWriter) numberIfAny(name string, value int64) {
	if value != 0 {
		w.number(name, value)
	}
}

func (w *objectWriter) timeIfAny(name string, value time.Time) {
	if value.IsZero() {
		return
	}
	w.name(name)
	w.json = append(w.json, '"')
	var err error
	if w.json, err = value.AppendText(w.json); err != nil {
		panic(fmt.Sprintf("ledger: an entry's times are of this era: %v", err))
	}
	w.json = append(w.json, '"')
}

// quote writes a string. Nearly all strings need no escapes.
func (w *objectWriter) quote(value string) {
	if isPlain(value) {
		w.json = append(append(append(w.json, '"'), value...), '"')
		return
	}
	quoted, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("ledger: a string is always JSON: %v", err))
	}
	w.json = append(w.json, quoted...)
}

// isPlain reports whether encoding/json writes a string without escapes.
func isPlain(value string) bool {
	for i := range len(value) {
		switch b := value[i]; {
		case b < ' ', b > '~', b == '"', b == '\\', b == '<', b == '>', b == '&':
			return false
		}
	}
	return true
}
