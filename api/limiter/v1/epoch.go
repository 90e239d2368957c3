package limiterv1

import "strconv"

// EpochKey holds the JSON of Epoch.
const EpochKey = "bursar:{config}:epoch"

// EpochState says whether money is admitted.
type EpochState string

// EpochOpen is the state in which counters are valid, and money is admitted. In no
// other is it.
const EpochOpen EpochState = "Open"

// Epoch is the generation of the limiter's counters in Redis.
type Epoch struct {
	Number int64      `json:"number"`
	State  EpochState `json:"state"`
}

// Token is what stands in EpochField of counters that are valid under the epoch.
func (e Epoch) Token() string { return strconv.FormatInt(e.Number, 10) }
