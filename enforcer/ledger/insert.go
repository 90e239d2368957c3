package ledger

import (
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

// column is a column of ai_usage_logs: its name, its type, and its values in a batch.
type column struct {
	name, kind string
	values     func(batch []Entry) any
}

func each[T any](name, kind string, value func(*Entry) T) column {
	return column{name, kind, func(batch []Entry) any {
		values := make([]T, len(batch))
		for i := range batch {
			values[i] = value(&batch[i])
		}
		return values
	}}
}

func textColumn(name string, value func(*Entry) string) column {
	return each(name, "text", func(e *Entry) string { return text(value(e)) })
}

var columns = []column{
	textColumn("call_id", func(e *Entry) string { return e.CallID }),
	textColumn("tenant_id", func(e *Entry) string { return e.Tenant }),
	textColumn("user_id", func(e *Entry) string { return e.User }),
	textColumn("tier", func(e *Entry) string { return e.Tier }),
	textColumn("credential", func(e *Entry) string { return e.Credential }),
	textColumn("provider", func(e *Entry) string { return e.Provider }),
	textColumn("model_asked", func(e *Entry) string { return e.ModelAsked }),
	textColumn("model_used", func(e *Entry) string { return e.ModelUsed }),
	textColumn("endpoint", func(e *Entry) string { return e.Endpoint }),
	each("streamed", "boolean", func(e *Entry) bool { return e.Streamed }),
	each("admitted_at", "timestamptz", func(e *Entry) time.Time { return e.AdmittedAt }),
	each("settled_at", "timestamptz", func(e *Entry) time.Time { return e.SettledAt }),
	textColumn("outcome", func(e *Entry) string { return string(e.Outcome) }),
	each("input_tokens", "bigint", func(e *Entry) int64 { return e.Usage.Input }),
	each("cached_input_tokens", "bigint", func(e *Entry) int64 { return e.Usage.CachedInput }),
	each("output_tokens", "bigint", func(e *Entry) int64 { return e.Usage.Output }),
	each("held_nanos", "bigint", func(e *Entry) int64 { return int64(e.Held) }),
	each("cost_nanos", "bigint", func(e *Entry) int64 { return int64(e.Cost) }),
	each("overrun_nanos", "bigint", func(e *Entry) int64 { return int64(e.Overrun()) }),
	each("duration_ms", "bigint", func(e *Entry) int64 { return e.Duration.Milliseconds() }),
	each("time_to_first_token_ms", "bigint", timeToFirstToken),
	textColumn("session", func(e *Entry) string { return e.Session }),
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
	var names, parameters []string
	for i, c := range columns {
		names = append(names, c.name)
		parameters = append(parameters, fmt.Sprintf("$%d::%s[]", i+1, c.kind))
	}
	return "INSERT INTO ai_usage_logs (" + strings.Join(names, ", ") + ")" +
		" SELECT * FROM unnest(" + strings.Join(parameters, ", ") + ") ON CONFLICT DO NOTHING"
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
