package adoption

import "context"

// Adopt adopts a session, however lately it was heard of.
func (a *Adopter) Adopt(ctx context.Context, dead string) error {
	_, err := a.adopt(ctx, dead)
	return err
}

// Fence has every shard refuse a session's scripts.
func (a *Adopter) Fence(ctx context.Context, dead string) error {
	_, err := a.fence(ctx, dead)
	return err
}
