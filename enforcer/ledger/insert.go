package ledger

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Database is the connection to Postgres, of a login that may insert into
// ai_usage_logs and needs nothing else. *pgxpool.Pool is one.
type Database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// column is a column of ai_usage_logs: its name, the type of the parameter it comes
// in, its values in a batch, and what is made of each.
type column struct {
	name, kind string
	values     func(batch []Entry) any
	expression string
}

func each[T any](name, kind string, value func(*Entry) T) column {
	return column{name, kind, func(batch []Entry) any {
		values := make([]T, len(batch))
		for i := range batch {
			values[i] = value(&batch[i])
		}
		return values
	}, name}
}

func textColumn(name string, value func(*Entry) string) column {
	return each(name, "text", func(e *Entry) string { return text(value(e)) })
}

// listColumn is a column of arrays. They come joined by commas, which no name has:
// an array of arrays cannot be taken apart row by row.
func listColumn(name string, value func(*Entry) []string) column {
	c := textColumn(name, func(e *Entry) string { return strings.Join(value(e), ",") })
	c.expression = fmt.Sprintf("coalesce(string_to_array(nullif(%s, ''), ','), '{}')", name)
	return c
}

var columns = []column{
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
	each("time_to_first_token_ms", "bigint", timeToFirstToken),
	textColumn("decision", func(e *Entry) string { return string(cmp.Or(e.Decision, Admitted)) }),
	textColumn("session", func(e *Entry) string { return e.Session }),
	listColumn("ancestors", func(e *Entry) []string { return e.Ancestors }),
}

func timeToFirstToken(e *Entry) *int64 {
	if e.TimeToFirstToken == nil {
		return nil
	}
	ms := e.TimeToFirstToken.Milliseconds()
	return &ms
}

// insertSQL inserts a batch in one statement, a parameter a column. It names no
// conflict target: that would take the right to read the table.
var insertSQL = func() string {
	var names, expressions, parameters []string
	for i, c := range columns {
		names, expressions = append(names, c.name), append(expressions, c.expression)
		parameters = append(parameters, fmt.Sprintf("$%d::%s[]", i+1, c.kind))
	}
	return "INSERT INTO ai_usage_logs (" + strings.Join(names, ", ") + ")" +
		" SELECT " + strings.Join(expressions, ", ") +
		" FROM unnest(" + strings.Join(parameters, ", ") + ") AS batch (" + strings.Join(names, ", ") + ")" +
		" ON CONFLICT DO NOTHING"
}()

// insert writes a batch, all of it or nothing. Entries that are there already stay
// as they are.
func insert(ctx context.Context, db Database, batch []Entry) error {
	arguments := make([]any, len(columns))
	for i, c := range columns {
		arguments[i] = c.values(batch)
	}
	_, err := db.Exec(ctx, insertSQL, arguments...)
	return err
}
