package main

import (
	"context"
	"io"
	"log/slog"
)

// newLogger makes the manager's log: JSON, with the four levels that slog has names for. The
// libraries log at finer ones, which would be written as "DEBUG+3".
func newLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(handler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: named})})
}

// named writes levels between two that have names as the lower one.
func named(groups []string, a slog.Attr) slog.Attr {
	level, isLevel := a.Value.Any().(slog.Level)
	if len(groups) > 0 || a.Key != slog.LevelKey || !isLevel {
		return a
	}
	name := slog.LevelDebug
	for _, next := range []slog.Level{slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if level >= next {
			name = next
		}
	}
	return slog.String(slog.LevelKey, name.String())
}

// handler leaves out a record that a library logs as an error although it is none.
type handler struct{ slog.Handler }

// Handle writes a record, unless controller-runtime reports with it that a manager no longer
// leads because it was told to stop. A manager that has lost its Lease ends with that error
// anyway.
func (h handler) Handle(ctx context.Context, record slog.Record) error {
	if record.Message == "error received after stop sequence was engaged" {
		isLease := false
		record.Attrs(func(a slog.Attr) bool {
			isLease = isLease || a.Value.String() == "leader election lost"
			return true
		})
		if isLease {
			return nil
		}
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs wraps what the inner handler returns.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup wraps what the inner handler returns.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
