package config

import "context"

// Poll reads all changes there are, as Run does.
func (f *Follower) Poll(ctx context.Context) { f.poll(ctx) }
