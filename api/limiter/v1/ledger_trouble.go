package limiterv1

// LedgerTrouble is why an enforcer cannot write to the ledger; empty if it can.
type LedgerTrouble string

const (
	// LoginFailed means that Postgres rejects the user, the password or the database's
	// name.
	LoginFailed LedgerTrouble = "LoginFailed"
	// RightsMissing means that the login lacks the role bursar_enforcer, or that the
	// schema does not exist.
	RightsMissing LedgerTrouble = "RightsMissing"
	// WritesFailing means that Postgres answers, but does not accept writes: its disk is full, or it
	// is a standby.
	WritesFailing LedgerTrouble = "WritesFailing"
	// LedgerUnreachable means that Postgres gives no answer, or any other error.
	LedgerUnreachable LedgerTrouble = "Unreachable"
)
