package ledger

import (
	"cmp"
	"time"
)

// calls is the ledger itself.
var calls = newTable("ai_usage_logs",
	textColumn("call_id", func(e *Entry) string { return e.CallID }),
	textColumn("tenant_id", func(e *Entry) string { return e.Tenant }),
	textColumn("user_id", func(e *Entry) string { return e.User }),
	textColumn("tier", func(e *Entry) string { return e.Tier }),
	textColumn("credential", func(e *Entry) string { return e.Credential }),
	textColumn("provider", func(e *Entry) string { return e.Provider }),
	textColumn("model", func(e *Entry) string { return e.Model }),
	textColumn("model_asked", func(e *Entry) string { return e.ModelAsked }),
	textColumn("model_used", func(e *Entry) string { return e.ModelUsed }),
	textColumn("endpoint", func(e *Entry) string { return e.Endpoint }),
	each("streamed", "boolean", func(e *Entry) bool { return e.Streamed }),
	each("admitted_at", "timestamptz", func(e *Entry) time.Time { return e.AdmittedAt }),
	each("settled_at", "timestamptz", func(e *Entry) time.Time { return e.SettledAt }),
	textColumn("outcome", func(e *Entry) string { return string(e.Outcome) }),
	each("input_tokens", "bigint", func(e *Entry) int64 { return e.Usage.Input }),
	each("cached_input_tokens", "bigint", func(e *Entry) int64 { return e.Usage.CachedInput }),
	each("cache_write_5m_tokens", "bigint", func(e *Entry) int64 { return e.Usage.CacheWrite5m }),
	each("cache_write_1h_tokens", "bigint", func(e *Entry) int64 { return e.Usage.CacheWrite1h }),
	each("audio_input_tokens", "bigint", func(e *Entry) int64 { return e.Usage.AudioInput }),
	each("cached_audio_input_tokens", "bigint", func(e *Entry) int64 { return e.Usage.CachedAudioInput }),
	each("output_tokens", "bigint", func(e *Entry) int64 { return e.Usage.Output }),
	each("audio_output_tokens", "bigint", func(e *Entry) int64 { return e.Usage.AudioOutput }),
	each("image_output_tokens", "bigint", func(e *Entry) int64 { return e.Usage.ImageOutput }),
	each("reasoning_tokens", "bigint", func(e *Entry) int64 { return e.Usage.Reasoning }),
	textColumn("service_tier", func(e *Entry) string { return string(e.Usage.ServiceTier) }),
	each("held_nanos", "bigint", func(e *Entry) int64 { return int64(e.Held) }),
	each("cost_nanos", "bigint", func(e *Entry) int64 { return int64(e.Cost) }),
	each("overrun_nanos", "bigint", func(e *Entry) int64 { return int64(e.Overrun()) }),
	each("duration_ms", "bigint", func(e *Entry) int64 { return e.Duration.Milliseconds() }),
	each("time_to_first_token_ms", "bigint", func(e *Entry) *int64 { return milliseconds(e.TimeToFirstToken) }),
	textColumn("decision", func(e *Entry) string { return string(cmp.Or(e.Decision, Admitted)) }),
	textColumn("priced_as", func(e *Entry) string { return string(cmp.Or(e.PricedAs, Listed)) }),
	textColumn("session", func(e *Entry) string { return e.Session }),
	listColumn("ancestors", func(e *Entry) []string { return e.Ancestors }),
)

func milliseconds(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	ms := d.Milliseconds()
	return &ms
}
