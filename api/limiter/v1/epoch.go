package limiterv1

import (
	"slices"
	"strconv"
)

// EpochKey holds the JSON of Epoch.
const EpochKey = "bursar:{config}:epoch"

// AnnouncedKey is a hash: session -> number of the epoch for which it has announced, in
// its calls, which ones are open.
const AnnouncedKey = "bursar:{config}:announced"

// ShardEpochKey holds the number of the epoch in each shard. If it is missing, the node
// of the shard has lost its data.
func ShardEpochKey(shard uint32) string { return shardKey(shard, "epoch") }

// MarkKey holds a number that is raised again and again, in one shard of each master, and
// remembered elsewhere: the high-water mark of the data. If it is smaller than
// remembered, the data has gone back.
func MarkKey(shard uint32) string { return shardKey(shard, "mark") }

// EpochState says whether money is admitted.
type EpochState string

// The states of an epoch. Money is admitted only while it is valid.
const (
	// EpochValid: counters that bear the epoch's token are valid. The word in Redis
	// differs, because enforcers and managers of the version before read it, too.
	EpochValid EpochState = "Open"
	// EpochRebuilding: sessions have to announce their open calls.
	EpochRebuilding EpochState = "Rebuilding"
	// EpochRefused: this Redis must not be trusted with money; Reason says why.
	EpochRefused EpochState = "Refused"
)

// Epoch is the generation of the limiter's counters in Redis. Its number comes from
// Postgres, which does not forget it when Redis does.
type Epoch struct {
	Number int64      `json:"number"`
	State  EpochState `json:"state"`
	// Runs are the runs of the masters in which the epoch is valid or rebuilt. A Redis that
	// was restarted, perhaps with old data, or a replica that took over, perhaps without
	// the newest data, has another run.
	Runs []string `json:"runs,omitempty"`
	// Reason is why the Redis is refused.
	Reason string `json:"reason,omitempty"`
}

// Token is the value of EpochField in counters that are valid under the epoch.
func (e Epoch) Token() string { return strconv.FormatInt(e.Number, 10) }

// ValidIn reports whether the epoch is valid in the run of a Redis.
func (e Epoch) ValidIn(run string) bool { return e.State == EpochValid && slices.Contains(e.Runs, run) }
