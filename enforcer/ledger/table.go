package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Database is the connection to Postgres, of a login that may insert into the
// ledger's tables and needs nothing else. *pgxpool.Pool is one.
type Database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// column is a column of a table: its name, the type of the parameter it comes in, its
// values in a batch of rows, and what is made of each.
type column[T any] struct {
	name, kind string
	values     func(batch []T) any
	expression string
}

func each[T, V any](name, kind string, value func(*T) V) column[T] {
	return column[T]{name, kind, func(batch []T) any {
		values := make([]V, len(batch))
		for i := range batch {
			values[i] = value(&batch[i])
		}
		return values
	}, name}
}

func textColumn[T any](name string, value func(*T) string) column[T] {
	return each(name, "text", func(row *T) string { return text(value(row)) })
}

// listColumn is a column of arrays. They come joined by commas, which no name has:
// an array of arrays cannot be taken apart row by row.
func listColumn[T any](name string, value func(*T) []string) column[T] {
	c := textColumn(name, func(row *T) string { return strings.Join(value(row), ",") })
	c.expression = fmt.Sprintf("coalesce(string_to_array(nullif(%s, ''), ','), '{}')", name)
	return c
}

// table is a table that rows are added to, and nothing else.
type table[T any] struct {
	columns []column[T]
	sql     string
}

// newTable makes a table. A batch is inserted in one statement, a parameter a column.
// It names no conflict target: that would take the right to read the table.
func newTable[T any](name string, columns ...column[T]) table[T] {
	var names, expressions, parameters []string
	for i, c := range columns {
		names, expressions = append(names, c.name), append(expressions, c.expression)
		parameters = append(parameters, fmt.Sprintf("$%d::%s[]", i+1, c.kind))
	}
	return table[T]{columns, "INSERT INTO " + name + " (" + strings.Join(names, ", ") + ")" +
		" SELECT " + strings.Join(expressions, ", ") +
		" FROM unnest(" + strings.Join(parameters, ", ") + ") AS batch (" + strings.Join(names, ", ") + ")" +
		" ON CONFLICT DO NOTHING"}
}

// insertWhole inserts a batch, all of it or nothing. Rows that are there already stay
// as they are.
func (t table[T]) insertWhole(ctx context.Context, db Database, batch []T) error {
	arguments := make([]any, len(t.columns))
	for i, c := range t.columns {
		arguments[i] = c.values(batch)
	}
	_, err := db.Exec(ctx, t.sql, arguments...)
	return err
}

// rejection is a row that the database will never take, and why.
type rejection[T any] struct {
	row T
	err error
}

// insert inserts a batch, but for the rows that the database will never take. After
// an error it may have some of the others; inserting them again changes nothing.
func (t table[T]) insert(ctx context.Context, db Database, batch []T) (rejected []rejection[T], err error) {
	err = t.insertWhole(ctx, db, batch)
	switch {
	case err == nil:
		return nil, nil
	case !refusedForGood(err):
		return nil, err
	case len(batch) == 1:
		return []rejection[T]{{batch[0], err}}, nil
	}
	half := len(batch) / 2
	first, err := t.insert(ctx, db, batch[:half])
	if err != nil {
		return nil, err
	}
	second, err := t.insert(ctx, db, batch[half:])
	return append(first, second...), err
}

// refusedForGood is whether the database refuses what it is given, rather than is
// unable to take anything: classes 22, data exceptions, and 23, violations of
// integrity, of SQLSTATE.
func refusedForGood(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && (strings.HasPrefix(refusal.Code, "22") || strings.HasPrefix(refusal.Code, "23"))
}

// text is s as Postgres takes it: valid UTF-8 without NUL. A caller chooses the
// name of the model that is asked for, and must not stop the ledger with it.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
