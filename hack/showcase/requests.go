package showcase

import (
	"context"
	"time"
)

// recordRequests puts on record what people of a tenant asked for: one waits for an answer, one was
// approved, one declined.
func (s *Showcase) recordRequests(ctx context.Context, t tenant) error {
	for _, asked := range []struct {
		limit, amount, reason, answer string
		ago                           time.Duration
		decided, approved             bool
	}{
		{limit: "each-user", amount: "2.00", reason: "The evaluation of the new model has to run until the evening.", ago: 40 * time.Minute},
		{limit: "each-user", amount: "4.00", reason: "The quarterly report has to be out tonight.", ago: 6 * time.Hour, answer: "Good luck with it.", decided: true, approved: true},
		{limit: "daily", amount: "50.00", reason: "More for all of us.", ago: 5 * 24 * time.Hour, answer: "Use the cheaper models first, please.", decided: true},
	} {
		at, id := s.Now.Add(-asked.ago), ""
		err := s.Ledger.QueryRow(ctx, `
INSERT INTO budget_requests (tenant_id, user_id, requested_by, limit_name, amount, expires_at, reason, requested_at)
VALUES ($1, $2, 'company/' || $2, $3, $4, $5, $6, $7) RETURNING request_id::text`,
			t.name, t.people[0], asked.limit, asked.amount, at.AddDate(0, 0, 2), asked.reason, at).Scan(&id)
		if err != nil {
			return err
		}
		if !asked.decided {
			continue
		}
		if _, err := s.Ledger.Exec(ctx, `
INSERT INTO budget_decisions (request_id, tenant_id, approved, decided_by, reason, namespace, grant_name, decided_at)
VALUES ($1::uuid, $2, $3, 'company/' || $4, $5, CASE WHEN $3 THEN $2 ELSE '' END, CASE WHEN $3 THEN 'request-' || $1 ELSE '' END, $6)`,
			id, t.name, asked.approved, t.admin, asked.answer, at.Add(20*time.Minute)); err != nil {
			return err
		}
	}
	return nil
}
