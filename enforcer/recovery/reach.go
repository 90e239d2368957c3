package recovery

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// patience is how long Postgres may be unreachable, or accept no writes, before that is reported:
// nobody has to act on a failover or a restart.
const patience = 30 * time.Second

// reach remembers whether this process reaches the ledger.
type reach struct {
	mu sync.Mutex
	// last is the error of the last attempt; nil if it succeeded, and before the first one.
	// While attempts fail, since is the time of the first that failed.
	last  error
	since time.Time
	// succeeded is whether any attempt has succeeded.
	succeeded bool
}

// note records the result of an attempt, and reports whether the previous attempt had failed.
func (r *reach) note(err error, now time.Time) (wasFailing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wasFailing = r.last != nil
	if !wasFailing {
		r.since = now
	}
	r.last, r.succeeded = err, r.succeeded || err == nil
	return wasFailing
}

func (r *reach) trouble(now time.Time) limiterv1.LedgerTrouble {
	r.mu.Lock()
	defer r.mu.Unlock()
	trouble := troubleOf(r.last)
	passes := trouble == limiterv1.LedgerUnreachable || trouble == limiterv1.WritesFailing
	if passes && r.succeeded && now.Sub(r.since) < patience {
		return ""
	}
	return trouble
}

// isWithin is whether the last attempt succeeded.
func (r *reach) isWithin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.succeeded && r.last == nil
}

var errNotTried = errors.New("the login to Postgres was not tried yet")

func (r *reach) ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.succeeded:
		return nil
	case r.last == nil:
		return errNotTried
	}
	// The error itself names hosts and users: only the log has it.
	return fmt.Errorf("the ledger in Postgres is out of reach (%s): the log says why", troubleOf(r.last))
}

// troubleOf is the kind of trouble that an error of Postgres means.
func troubleOf(err error) limiterv1.LedgerTrouble {
	if err == nil {
		return ""
	}
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return limiterv1.LedgerUnreachable
	}
	const (
		invalidAuthorization = "28" // a class of codes
		noSuchDatabase       = "3D000"
		noSuchSchema         = "3F000"
		noSuchTable          = "42P01"
		notPermitted         = "42501"
		readOnly             = "25006"
		diskFull             = "53100"
		systemError          = "58" // a class of codes
	)
	switch {
	case strings.HasPrefix(answer.Code, invalidAuthorization), answer.Code == noSuchDatabase:
		return limiterv1.LoginFailed
	case answer.Code == noSuchSchema, answer.Code == noSuchTable, answer.Code == notPermitted:
		return limiterv1.RightsMissing
	case answer.Code == readOnly, answer.Code == diskFull, strings.HasPrefix(answer.Code, systemError):
		return limiterv1.WritesFailing
	}
	return limiterv1.LedgerUnreachable
}
