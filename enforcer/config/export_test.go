package config

import "context"

// PageSize is how many documents are read at once.
const PageSize = pageSize

// Poll reads all changes there are, as Run does.
func (f *Follower) Poll(ctx context.Context) { f.poll(ctx) }
