package config

import (
	"context"
	"time"
)

// PageSize is how many documents are read at once.
const PageSize = pageSize

// Poll reads all changes there are, as Run does.
func (f *Follower) Poll(ctx context.Context) { f.poll(ctx) }

// SetGrace says how long documents stay that do not come again.
func (f *Follower) SetGrace(grace time.Duration) { f.grace = grace }
