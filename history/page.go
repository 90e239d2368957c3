package history

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// newestFirst is what is listed newest first, page by page.
type newestFirst[T any] struct {
	// what is the name of the list in errors.
	what string
	// query takes @tenant, @limit, and @at and @id of the last of the page before.
	query string
	scan  pgx.RowToFunc[T]
	// last is the cursor of the last row of a page.
	last func(T) cursor
}

// page reads the page after the one whose Next is after, with at most limit rows, or DefaultPage
// if that is 0. The query is given args, too. next is empty on the last page.
func (n newestFirst[T]) page(ctx context.Context, r *Reader, as As, limit int, after string, args pgx.NamedArgs) (found []T, next string, err error) {
	limit = cmp.Or(limit, DefaultPage)
	from := cursor{at: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	if after != "" {
		if from, err = parseCursor(after); err != nil {
			return nil, "", err
		}
	}
	if err := as.validate(); err != nil {
		return nil, "", err
	}
	args["tenant"], args["at"], args["id"], args["limit"] = as.Tenant, from.at, from.id, limit
	err = r.read(ctx, as, func(tx pgx.Tx) (err error) {
		found, err = collect(ctx, tx, n.query, args, n.scan)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list the %s of tenant %s: %w", n.what, as.Tenant, err)
	}
	if len(found) == limit {
		next = n.last(found[limit-1]).String()
	}
	return found, next, nil
}
