package history

import (
	"container/heap"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/history/replay"
)

const (
	// longestCall is how long before a stretch of time calls are looked for that are still
	// open when it begins.
	longestCall = 24 * time.Hour
	// rowsAtOnce is how many rows are in memory at once for all tenants, and fewestRows how
	// many are asked for at least for each of them.
	rowsAtOnce, fewestRows = 4096, 64
)

// usedTokens are all tokens of a call. Its output includes those of reasoning.
var usedTokens = strings.Join(ledgerv1.TokenColumns(), " + ")

// modelOf is the model by which limits select. Rows from before it was recorded only have
// the provider's name of the model.
const modelOf = "coalesce(nullif(model, ''), model_used)"

// reasonsByMoney are the reasons of refusals that are for money.
var reasonsByMoney = slices.DeleteFunc(ledgerv1.Reasons(), func(r ledgerv1.Reason) bool { return !r.ByMoney() })

// pageOfCalls are calls that were admitted in a stretch of time, or were open when it
// began, and those that money refused, in order.
var pageOfCalls = `
(SELECT call_id, user_id, tier, credential, groups, labels, ` + modelOf + `, ancestors, admitted_at AS at, coalesce(settled_at, admitted_at),
        held_nanos, cost_nanos, ` + usedTokens + `, decision = @byFallback, false AS refused
 FROM ai_usage_logs
 WHERE tenant_id = @tenant AND admitted_at >= @after AND admitted_at < @to
   AND (admitted_at >= @from OR settled_at >= @settled)
   AND (admitted_at, call_id, false) > (@after, @id, @refused)
 ORDER BY admitted_at, call_id
 LIMIT @rows)
UNION ALL
(SELECT call_id, user_id, tier, credential, groups, labels, model, '{}', refused_at, refused_at,
        bound_nanos, 0, 0, fallback = @byCheapestModel, true
 FROM ai_refusals
 WHERE tenant_id = @tenant AND refused_at >= greatest(@after, @from) AND refused_at < @to
   AND reason = ANY(@byMoney)
   AND (refused_at, call_id, true) > (@after, @id, @refused)
 ORDER BY refused_at, call_id
 LIMIT @rows)
ORDER BY at, call_id, refused
LIMIT @rows`

// Calls are the calls of tenants for replay.History.Calls: those that were admitted from
// a moment on and before another, those that were open at the first or had ended just
// before it, and those that money refused. Refused calls get the ancestors of their
// Tenant.
func (r *Reader) Calls(ctx context.Context, from, to time.Time, tenants ...Tenant) iter.Seq2[replay.PastCall, error] {
	return func(yield func(replay.PastCall, error) bool) {
		rows := max(fewestRows, rowsAtOnce/max(1, len(tenants)))
		var streams streams
		for _, tenant := range tenants {
			s := &stream{tenant: tenant, from: from, to: to, after: from.Add(-longestCall), rows: rows}
			more, err := s.fill(ctx, r)
			if err != nil {
				yield(replay.PastCall{}, err)
				return
			}
			if more {
				streams = append(streams, s)
			}
		}
		heap.Init(&streams)
		for len(streams) > 0 {
			first := streams[0]
			if !yield(first.page[0], nil) {
				return
			}
			first.page = first.page[1:]
			more, err := first.fill(ctx, r)
			switch {
			case err != nil:
				yield(replay.PastCall{}, err)
				return
			case more:
				heap.Fix(&streams, 0)
			default:
				heap.Pop(&streams)
			}
		}
	}
}

// Tenant is a tenant whose calls are read.
type Tenant struct {
	Name string
	// Ancestors are the tenants above it, nearest first.
	Ancestors []string
}

// stream are the calls of one tenant.
type stream struct {
	tenant   Tenant
	from, to time.Time
	rows     int
	page     []replay.PastCall
	// after, id and refused are those of the last row that was read; over is whether there
	// are no more rows.
	after   time.Time
	id      string
	refused bool
	over    bool
}

// fill reads the next page if the last one is used up. more is whether there is another
// call.
func (s *stream) fill(ctx context.Context, r *Reader) (more bool, err error) {
	if len(s.page) > 0 || s.over {
		return len(s.page) > 0, nil
	}
	err = r.forTenant(ctx, s.tenant.Name, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, pageOfCalls, pgx.NamedArgs{
			"tenant": s.tenant.Name, "from": s.from, "to": s.to, "settled": s.from.Add(-replay.Lag),
			"after": s.after, "id": s.id, "refused": s.refused, "rows": s.rows,
			"byFallback": ledgerv1.Fallback, "byCheapestModel": limiterv1.CheapestModel, "byMoney": reasonsByMoney,
		})
		if err != nil {
			return err
		}
		s.page, err = pgx.CollectRows(rows, s.scan)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read the calls of tenant %s: %w", s.tenant.Name, err)
	}
	s.over = len(s.page) < s.rows
	if n := len(s.page); n > 0 {
		last := s.page[n-1]
		s.after, s.id, s.refused = last.AdmittedAt, last.ID, last.Refused
	}
	return len(s.page) > 0, nil
}

func (s *stream) scan(row pgx.CollectableRow) (replay.PastCall, error) {
	c := replay.PastCall{Tenant: s.tenant.Name}
	err := row.Scan(&c.ID, &c.User, &c.Tier, &c.Credential, &c.Groups, &c.Labels, &c.Model, &c.Ancestors, &c.AdmittedAt, &c.SettledAt,
		&c.Bound, &c.Cost, &c.Tokens, &c.Fallback, &c.Refused)
	if c.Refused {
		c.Ancestors = s.tenant.Ancestors
	}
	return c, err
}

// streams are streams by their first call; each has at least one.
type streams []*stream

func (s streams) Len() int           { return len(s) }
func (s streams) Less(i, j int) bool { return s[i].page[0].AdmittedAt.Before(s[j].page[0].AdmittedAt) }
func (s streams) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push and Pop are heap's.
func (s *streams) Push(x any) { *s = append(*s, x.(*stream)) }
func (s *streams) Pop() any {
	last := len(*s) - 1
	popped := (*s)[last]
	*s = (*s)[:last]
	return popped
}
