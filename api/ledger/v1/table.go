package ledgerv1

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/price"
)

// Table is a table that rows are added to: its name, the columns that are written, those
// that Postgres fills by itself, and those that it fills when a row is amended.
type Table[T any] struct {
	Name    string
	Columns []Column[T]
	// Derived are the names of the columns that no program writes.
	Derived []string
	// Amended are the names of the columns that are NULL until the true end of a call
	// takes the place of a charge in full.
	Amended []string
}

// Column is a column that is written.
type Column[T any] struct {
	Name string
	// Type is its type in SQL, and Array whether it is an array of that.
	Type  string
	Array bool
	// Values are its values in a batch of rows, a slice that has one for each. Those of an
	// array are slices themselves, and those of jsonb are json.RawMessage.
	Values func(batch []T) any
	// OneOf are the words that it may hold, which the database checks; nil if there is no
	// such check.
	OneOf []string
	// tokens is the kind of token that it counts, for the columns that add up to a call's
	// tokens.
	tokens price.Kind
}

// column is a column whose values a function finds in a row.
func column[T, V any](name, kind string, value func(*T) V) Column[T] {
	return Column[T]{Name: name, Type: kind, Values: func(batch []T) any {
		values := make([]V, len(batch))
		for i := range batch {
			values[i] = value(&batch[i])
		}
		return values
	}}
}

// text is a column of text.
func text[T any, S ~string](name string, value func(*T) S) Column[T] {
	return column(name, "text", func(row *T) string { return string(value(row)) })
}

// word is a column of text that holds one of some words.
func word[T any, S ~string](name string, words []S, value func(*T) S) Column[T] {
	c := text(name, value)
	c.OneOf = stringsOf(words)
	return c
}

// texts is a column of arrays of text.
func texts[T any](name string, value func(*T) []string) Column[T] {
	c := column(name, "text", value)
	c.Array = true
	return c
}

// object is a column of JSON objects whose members are text; {} if there are none.
func object[T any](name string, value func(*T) map[string]string) Column[T] {
	return column(name, "jsonb", func(row *T) json.RawMessage {
		members := value(row)
		if len(members) == 0 {
			return json.RawMessage("{}")
		}
		encoded, err := json.Marshal(members)
		if err != nil {
			panic(fmt.Sprintf("ledger: texts are always JSON: %v", err))
		}
		return encoded
	})
}

// number is a column of whole numbers.
func number[T any, N ~int64](name string, value func(*T) N) Column[T] {
	return column(name, "bigint", func(row *T) int64 { return int64(value(row)) })
}

// numberIfAny is a column of whole numbers that may be NULL.
func numberIfAny[T any, N ~int64](name string, value func(*T) *N) Column[T] {
	return column(name, "bigint", func(row *T) *int64 {
		found := value(row)
		if found == nil {
			return nil
		}
		n := int64(*found)
		return &n
	})
}

// tokens is a column that counts a kind of token.
func tokens(name string, kind price.Kind) Column[Entry] {
	c := number(name, func(e *Entry) int64 { return e.Usage.Tokens(kind) })
	c.tokens = kind
	return c
}

func stringsOf[S ~string](words []S) []string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = string(word)
	}
	return all
}

func milliseconds(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	ms := d.Milliseconds()
	return &ms
}

// Calls is the ledger itself: one row a call.
func Calls() Table[Entry] {
	names := text[Entry, string]
	return Table[Entry]{
		Name: "ai_usage_logs",
		Columns: []Column[Entry]{
			names("call_id", func(e *Entry) string { return e.CallID }),
			names("tenant_id", func(e *Entry) string { return e.Tenant }),
			names("user_id", func(e *Entry) string { return e.User }),
			names("tier", func(e *Entry) string { return e.Tier }),
			names("credential", func(e *Entry) string { return e.Credential }),
			names("identity_provider", func(e *Entry) string { return e.IdentityProvider }),
			names("subject", func(e *Entry) string { return e.Subject }),
			names("actor", func(e *Entry) string { return e.Actor }),
			texts("groups", func(e *Entry) []string { return e.Groups }),
			object("labels", func(e *Entry) map[string]string { return e.Labels }),
			names("provider", func(e *Entry) string { return e.Provider }),
			names("model", func(e *Entry) string { return e.Model }),
			names("model_asked", func(e *Entry) string { return e.ModelAsked }),
			names("model_used", func(e *Entry) string { return e.ModelUsed }),
			names("endpoint", func(e *Entry) string { return e.Endpoint }),
			column("streamed", "boolean", func(e *Entry) bool { return e.Streamed }),
			column("admitted_at", "timestamptz", func(e *Entry) time.Time { return e.AdmittedAt }),
			column("settled_at", "timestamptz", func(e *Entry) time.Time { return e.SettledAt }),
			word("outcome", Outcomes(), func(e *Entry) Outcome { return e.Outcome }),
			tokens("input_tokens", price.Input),
			tokens("cached_input_tokens", price.CachedInput),
			tokens("cache_write_5m_tokens", price.CacheWrite5m),
			tokens("cache_write_1h_tokens", price.CacheWrite1h),
			tokens("audio_input_tokens", price.AudioInput),
			tokens("cached_audio_input_tokens", price.CachedAudioInput),
			tokens("output_tokens", price.Output),
			tokens("audio_output_tokens", price.AudioOutput),
			tokens("image_output_tokens", price.ImageOutput),
			number("reasoning_tokens", func(e *Entry) int64 { return e.Usage.Reasoning }),
			text("service_tier", func(e *Entry) price.ServiceTier { return e.Usage.ServiceTier }),
			text("price_properties", func(e *Entry) price.Properties { return e.Usage.Properties }),
			text("fee_uses", func(e *Entry) price.Uses { return e.Usage.Uses }),
			number("held_nanos", func(e *Entry) money.Nanos { return e.Held }),
			number("cost_nanos", func(e *Entry) money.Nanos { return e.Cost }),
			number("overrun_nanos", func(e *Entry) money.Nanos { return e.Overrun() }),
			number("saved_nanos", func(e *Entry) money.Nanos { return e.Saved }),
			number("duration_ms", func(e *Entry) int64 { return e.Duration.Milliseconds() }),
			numberIfAny("time_to_first_token_ms", func(e *Entry) *int64 { return milliseconds(e.TimeToFirstToken) }),
			word("decision", Decisions(), func(e *Entry) Decision { return cmp.Or(e.Decision, Admitted) }),
			word("priced_as", Pricings(), func(e *Entry) Pricing { return cmp.Or(e.PricedAs, Listed) }),
			word("output_lowered_by", Lowerings(), func(e *Entry) Lowering { return e.OutputLoweredBy }),
			numberIfAny("max_output_tokens", func(e *Entry) *int64 { return e.maxOutput() }),
			names("session", func(e *Entry) string { return e.Session }),
			texts("ancestors", func(e *Entry) []string { return e.Ancestors }),
		},
		Derived: []string{"cost_cents", "recorded_at"},
		Amended: []string{"amended_at", "charged_before_nanos"},
	}
}

// Words are the words that columns may hold, by "table.column", for which the database
// has a CHECK: those of calls and refusals, of the limits that were ever in force, and
// of alerts and their deliveries.
func Words() map[string][]string {
	words := map[string][]string{
		"budget_limits.per":        stringsOf(limiterv1.Scopes()),
		"budget_changes.change":    stringsOf(Changes()),
		"cost_alerts.action":       stringsOf(AlertActions()),
		"cost_alerts.resolution":   stringsOf(Resolutions()),
		"alert_deliveries.channel": stringsOf(Channels()),
		"alert_marks.mark":         stringsOf(Marks()),
	}
	addWords(words, Calls())
	addWords(words, Refusals())
	return words
}

func addWords[T any](words map[string][]string, table Table[T]) {
	for _, c := range table.Columns {
		if c.OneOf != nil {
			words[table.Name+"."+c.Name] = c.OneOf
		}
	}
}

// TokenColumns are the names of the columns of Calls that add up to how many tokens a call
// used, as price.Usage.Total counts them.
func TokenColumns() (names []string) {
	for _, c := range Calls().Columns {
		if c.tokens != "" {
			names = append(names, c.Name)
		}
	}
	return names
}

// Refusals is the table of the calls that a limit refused: one row a call.
func Refusals() Table[Refusal] {
	names := text[Refusal, string]
	return Table[Refusal]{
		Name: "ai_refusals",
		Columns: []Column[Refusal]{
			names("call_id", func(r *Refusal) string { return r.CallID }),
			names("tenant_id", func(r *Refusal) string { return r.Tenant }),
			names("user_id", func(r *Refusal) string { return r.User }),
			names("tier", func(r *Refusal) string { return r.Tier }),
			names("credential", func(r *Refusal) string { return r.Credential }),
			names("identity_provider", func(r *Refusal) string { return r.IdentityProvider }),
			names("subject", func(r *Refusal) string { return r.Subject }),
			names("actor", func(r *Refusal) string { return r.Actor }),
			texts("groups", func(r *Refusal) []string { return r.Groups }),
			object("labels", func(r *Refusal) map[string]string { return r.Labels }),
			names("model_asked", func(r *Refusal) string { return r.ModelAsked }),
			names("model", func(r *Refusal) string { return r.Model }),
			names("endpoint", func(r *Refusal) string { return r.Endpoint }),
			column("refused_at", "timestamptz", func(r *Refusal) time.Time { return r.RefusedAt }),
			word("reason", Reasons(), func(r *Refusal) Reason { return r.Reason }),
			names("limit_tenant", func(r *Refusal) string { return r.LimitTenant }),
			names("limit_name", func(r *Refusal) string { return r.Limit }),
			text("per", func(r *Refusal) limiterv1.Scope { return r.Per }),
			names("limit_group", func(r *Refusal) string { return r.LimitGroup }),
			text("period", func(r *Refusal) period.Kind { return r.Period }),
			numberIfAny("amount_nanos", func(r *Refusal) *money.Nanos { return r.Amount }),
			numberIfAny("spent_nanos", func(r *Refusal) *money.Nanos { return r.Spent }),
			numberIfAny("held_nanos", func(r *Refusal) *money.Nanos { return r.Held }),
			column("resets_at", "timestamptz", func(r *Refusal) *time.Time { return r.ResetsAt }),
			text("unit", func(r *Refusal) limiterv1.Unit { return r.Unit }),
			numberIfAny("retry_after_ms", func(r *Refusal) *int64 { return milliseconds(r.RetryAfter) }),
			number("bound_nanos", func(r *Refusal) money.Nanos { return r.Bound }),
			number("tokens", func(r *Refusal) int64 { return r.Tokens }),
			word("fallback", slices.Concat([]limiterv1.FallbackKind{""}, limiterv1.FallbackKinds()),
				func(r *Refusal) limiterv1.FallbackKind { return r.Fallback }),
			names("session", func(r *Refusal) string { return r.Session }),
			texts("ancestors", func(r *Refusal) []string { return r.Ancestors }),
		},
		Derived: []string{"recorded_at"},
	}
}
