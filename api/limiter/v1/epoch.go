package limiterv1

import "strconv"

// EpochKey holds the JSON of Epoch.
const EpochKey = "bursar:{config}:epoch"

// AnnouncedKey is a hash: session -> epoch, of the sessions that have announced
// their open calls under an epoch that is being rebuilt.
const AnnouncedKey = "bursar:{config}:announced"

// EpochState says whether money is admitted.
type EpochState string

// The states of an epoch.
const (
	// EpochRebuilding: counters are being set from the ledger; sessions write their
	// settled calls to the ledger and announce the open ones.
	EpochRebuilding EpochState = "Rebuilding"
	// EpochOpen: counters are valid.
	EpochOpen EpochState = "Open"
	// EpochRefused: this Redis is not one to count money in.
	EpochRefused EpochState = "Refused"
)

// Epoch is the generation of the limiter's state in Redis. Numbers only grow, also
// when Redis is lost: Postgres hands them out.
type Epoch struct {
	Number int64      `json:"number"`
	State  EpochState `json:"state"`
	// Reason says, of Refused, what is wrong.
	Reason string `json:"reason,omitempty"`
}

// Token is what stands in EpochField of counters that are valid under the epoch.
func (e Epoch) Token() string { return strconv.FormatInt(e.Number, 10) }
