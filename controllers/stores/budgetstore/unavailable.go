package budgetstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrUnavailable means that Postgres does not answer, without which counters cannot be
// set.
var ErrUnavailable = errors.New("the ledger is unavailable")

// notServing are the classes of the errors with which Postgres answers that it cannot serve
// now: the connection broke, resources are exhausted, an operator intervened.
var notServing = map[string]bool{"08": true, "53": true, "57": true}

// unanswered adds ErrUnavailable to the error of a query to which Postgres gave no answer. A
// caller that has cancelled its context says nothing about Postgres.
func unanswered(err error) error {
	var answer *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &answer) && len(answer.Code) >= 2 && !notServing[answer.Code[:2]]:
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
