package history

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

const (
	// DefaultPage is how many calls a page has unless a query says otherwise.
	DefaultPage = 100
	// MostPage is how many calls a page has at most.
	MostPage = 1000
	// mostLookedAt is how many rows are looked at for one page.
	mostLookedAt = 20_000
)

// ListQuery says which calls are listed.
type ListQuery struct {
	// From and To bound when calls were admitted, or refused: from From on and before To.
	From, To time.Time
	Where    Filter
	// Limit is how many are returned at most; 0 is DefaultPage.
	Limit int
	// After is the Next of the page before; empty for the first page.
	After string
}

// CallPage is a page of calls, newest first.
type CallPage struct {
	Calls []Call
	// Next is the After of the next page; empty on the last one. Only an empty Next means the last
	// page: a page with fewer calls than the limit, or none, is one on which few of the calls that
	// were looked at were selected.
	Next string
}

// ListCalls lists calls that were made and have ended, newest first. It fails with an ErrQuery
// where the query is invalid.
func (r *Reader) ListCalls(ctx context.Context, as As, query ListQuery) (CallPage, error) {
	return r.list(ctx, as, query, admittedRows)
}

// ListRefusals lists calls that a limit refused, newest first. A filter's Decisions, Providers,
// and Outcomes are those of Usage: Refused, none, and the reasons.
func (r *Reader) ListRefusals(ctx context.Context, as As, query ListQuery) (CallPage, error) {
	return r.list(ctx, as, query, refusedRows)
}

// listed is a table to list: its name, the column with the time of its rows, and its names of
// columns where these differ from a Filter's.
type listed struct {
	table, at, columns string
	named              map[string]string
	scan               pgx.RowToFunc[Call]
}

var (
	admittedRows = listed{"ai_usage_logs", "admitted_at", admittedColumns, map[string]string{"model": modelOf}, scanAdmitted}
	refusedRows  = listed{
		"ai_refusals", "refused_at", refusedColumns,
		map[string]string{"provider": "''", "decision": "'" + string(Refused) + "'", "outcome": "reason"}, scanRefused,
	}
)

func (r *Reader) list(ctx context.Context, as As, query ListQuery, of listed) (page CallPage, err error) {
	if err := query.validate(as); err != nil {
		return CallPage{}, err
	}
	after, err := query.cursor()
	if err != nil {
		return CallPage{}, err
	}
	args := query.Where.arguments()
	args["tenant"], args["from"], args["to"], args["at"], args["id"] = as.Tenant, query.From, query.To, after.at, after.id
	args["limit"], args["most"] = cmp.Or(query.Limit, DefaultPage), r.mostLookedAt
	user, isOne := query.user(as)
	args["user"] = user
	err = r.read(ctx, as, func(tx pgx.Tx) (err error) {
		page, err = of.read(ctx, tx, query.Where, isOne, args)
		return err
	})
	if err != nil {
		return CallPage{}, fmt.Errorf("list calls of tenant %s: %w", as.Tenant, err)
	}
	for i := range page.Calls {
		page.Calls[i].Tenant = as.Tenant
	}
	return page, nil
}

// read reads a page. It looks at no more than mostLookedAt rows; if these do not fill the page,
// the next page begins after them.
func (of listed) read(ctx context.Context, tx pgx.Tx, where Filter, ofOneUser bool, args pgx.NamedArgs) (page CallPage, err error) {
	// Rows are read in order, by an index, until there are enough. Postgres would sort millions of
	// rows instead, because it cannot know how few are needed.
	const inOrder = "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)"
	if _, err := tx.Exec(ctx, inOrder); err != nil {
		return page, err
	}
	rest := "FROM " + of.table + " WHERE tenant_id = @tenant AND " + of.at + " >= @from AND " + of.at + " <= @at AND (" + of.at + ", call_id) < (@at, @id)"
	if ofOneUser {
		rest += " AND user_id = @user"
	}
	order := " ORDER BY " + of.at + " DESC, call_id DESC"
	rows, err := tx.Query(ctx, "SELECT "+of.columns+" FROM (SELECT * "+rest+order+" LIMIT @most) AS looked_at WHERE true"+
		where.conditions(of.named)+order+" LIMIT @limit", args)
	if err != nil {
		return page, err
	}
	if page.Calls, err = pgx.CollectRows(rows, of.scan); err != nil {
		return page, err
	}
	if n := len(page.Calls); n == args["limit"] {
		page.Next = cursor{page.Calls[n-1].At, page.Calls[n-1].ID}.String()
		return page, nil
	}
	last, found, err := one(ctx, tx, "SELECT "+of.at+", call_id "+rest+order+" LIMIT 1 OFFSET @most::bigint - 1", args,
		func(row pgx.CollectableRow) (c cursor, err error) {
			err = row.Scan(&c.at, &c.id)
			return c, err
		})
	if found {
		page.Next = last.String()
	}
	return page, err
}

func (q ListQuery) validate(as As) error {
	if err := as.validate(); err != nil {
		return err
	}
	switch {
	case !q.From.Before(q.To):
		return invalid("to (%s) must be after from (%s)", q.To.Format(time.RFC3339), q.From.Format(time.RFC3339))
	case q.Limit < 0 || q.Limit > MostPage:
		return invalid("limit must be between 1 and %d", MostPage)
	}
	return nil
}

// user is the one user whose calls are listed, if only one user's are.
func (q ListQuery) user(as As) (user string, isOne bool) {
	switch {
	case !as.Admin:
		return as.User, true
	case len(q.Where.Users) == 1:
		return q.Where.Users[0], true
	}
	return "", false
}

// cursor is the last row that was looked at: the next page begins with the row before it in time.
type cursor struct {
	at time.Time
	id string
}

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d/%s", c.at.UnixMicro(), c.id))
}

func (q ListQuery) cursor() (c cursor, err error) {
	if q.After == "" {
		return cursor{at: q.To}, nil
	}
	return parseCursor(q.After)
}

func parseCursor(text string) (c cursor, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	micros, id, isWhole := strings.Cut(string(raw), "/")
	at, notNumber := strconv.ParseInt(micros, 10, 64)
	if err != nil || !isWhole || notNumber != nil || !utf8.ValidString(id) || strings.Contains(id, "\x00") {
		return c, invalid("after must be the next of another page")
	}
	return cursor{time.UnixMicro(at).UTC(), id}, nil
}
