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
	// what is listed, as errors say.
	what string
	// query takes @tenant, @limit, and @at and @id of the last of the page before.
	query string
	scan  pgx.RowToFunc[T]
	// last is where the next page begins, after one that ends with this.
	last func(T) cursor
}

// page reads a page, of as many as limit, or DefaultPage for 0, after the one whose next is after.
// The query is given args, too. next is empty on the last page.
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
