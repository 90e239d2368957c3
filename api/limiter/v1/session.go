package limiterv1

import "time"

// Heartbeat is how often a session says that it lives.
const Heartbeat = 2 * time.Second

// SessionLife is how long after its last heartbeat a session counts as live.
const SessionLife = 3 * Heartbeat

// SessionState is what a session says of itself with each heartbeat. A session begins
// only once its first configuration is fully in force, and no call is admitted before.
type SessionState struct {
	// Incarnation and Revision name the newest configuration that the enforcer runs.
	Incarnation string `json:"incarnation"`
	Revision    int64  `json:"revision"`
	// Epoch is the number of the newest epoch that the enforcer knows.
	Epoch int64 `json:"epoch,omitempty"`
	// Started is when the enforcer started.
	Started time.Time `json:"started"`
	// Host is the name of the machine or pod it runs on.
	Host string `json:"host"`
	// Providers are what the enforcer has seen of the providers, by the names of their
	// ModelProviders, without those of which it has seen nothing.
	Providers map[string]ProviderReport `json:"providers,omitempty"`
	// Ledger is why the enforcer cannot write to the ledger; empty if it can, and for older
	// enforcers.
	Ledger LedgerTrouble `json:"ledger,omitempty"`
}
