package tenantbudget

import (
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// ledgerRemedies say, for each trouble, what was seen and what to do, after "2 of 3 live
// enforcers ".
var ledgerRemedies = map[limiterv1.LedgerTrouble]string{
	limiterv1.LoginFailed: "cannot log in to Postgres: check user, password and database in the Secret that they read (bursar-enforcer, key database-url)",
	limiterv1.RightsMissing: "may not write to the ledger, or do not find it: check that the login in the Secret that they read (bursar-enforcer, key database-url) " +
		"has the role bursar_enforcer, and that the manager has migrated this database",
	limiterv1.WritesFailing: "cannot write to Postgres, which answers them: check that its disk is not full, and that it is not a standby, which only reads. " +
		"Its log and those of the enforcers say why it does not take calls",
	limiterv1.LedgerUnreachable: "get no answer from Postgres: check that it runs, its host in the Secret that they read (bursar-enforcer, key database-url), " +
		"network policies, firewalls and certificates",
}

// ledgerUnreachable is the verdict on whether an enforcer cannot write calls to the ledger. It
// names the trouble that most of them report.
func (s *scope) ledgerUnreachable() verdict.Verdict {
	if s.Rollout.Err != nil {
		return s.unknown("calls are recorded by enforcers that reach Postgres")
	}
	counts := map[limiterv1.LedgerTrouble]int{}
	for _, session := range s.fleet.Sessions {
		counts[session.Ledger]++
	}
	worst, most := limiterv1.LedgerTrouble(""), 0
	for _, trouble := range slices.Sorted(maps.Keys(counts)) {
		if ledgerRemedies[trouble] != "" && counts[trouble] > most {
			worst, most = trouble, counts[trouble]
		}
	}
	if worst == "" {
		return verdict.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonLedgerReached, Message: "no live enforcer reports trouble with the ledger"}
	}
	return verdict.Verdict{
		Status: metav1.ConditionTrue, Reason: string(worst),
		Message: fmt.Sprintf("%d of %d live enforcers %s. Calls continue; those of these enforcers are recorded once this is fixed",
			most, len(s.fleet.Sessions), ledgerRemedies[worst]),
	}
}
