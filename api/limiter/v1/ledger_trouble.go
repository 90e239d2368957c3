package limiterv1

// LedgerTrouble is why an enforcer cannot write to the ledger; empty where it can.
type LedgerTrouble string

const (
	// LoginFailed is that Postgres rejects the user, the password or the database's name.
	LoginFailed LedgerTrouble = "LoginFailed"
	// RightsMissing is that the login lacks the role bursar_enforcer, or the schema is not
	// there.
	RightsMissing LedgerTrouble = "RightsMissing"
	// LedgerUnreachable is that Postgres gives no answer, or another than these.
	LedgerUnreachable LedgerTrouble = "Unreachable"
)
