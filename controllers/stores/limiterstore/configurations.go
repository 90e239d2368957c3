package limiterstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/api/documents"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

//go:embed restore.lua
var restoreLua string

var restoreScript = redis.NewScript(restoreLua)

// Configuration is a copy of all documents.
type Configuration struct {
	// Position is up to where it was read.
	documents.Position
	// Complete is whether every document of the incarnation was put by then.
	Complete bool
	// Documents are "<revision> <body>" by id.
	Documents map[limiterv1.DocumentID]string
}

// Configurations reads, restores and begins configurations as a whole.
type Configurations struct{ client redis.UniversalClient }

// NewConfigurations makes Configurations.
func NewConfigurations(client redis.UniversalClient) *Configurations {
	return &Configurations{client: client}
}

// ErrConfigurationLost means that Redis has no configuration, or an earlier state of the
// one that it had.
var ErrConfigurationLost = errors.New("the limiter has lost its configuration")

// Update brings a copy up to date. Its error is ErrConfigurationLost, and the copy stays as
// it is, where Redis has none or an earlier one.
func (c *Configurations) Update(ctx context.Context, copied *Configuration) error {
	for more := true; more; {
		page, err := documents.Read(ctx, c.client, copied.Position)
		if err != nil {
			return err
		}
		if page.Incarnation == "" || page.IsEarlier(copied.Position) {
			return ErrConfigurationLost
		}
		copied.apply(page)
		more = page.More
	}
	return nil
}

// apply applies a page. A copy that is read anew is complete only after its last page.
func (c *Configuration) apply(page documents.Page) {
	if page.From == 0 || c.Documents == nil {
		c.Documents = map[limiterv1.DocumentID]string{}
	}
	for _, change := range page.Changes {
		if change.Document == "" {
			delete(c.Documents, change.ID)
		} else {
			c.Documents[change.ID] = change.Document
		}
	}
	c.Position, c.Complete = page.Position, page.Complete && !page.More
}

// Restore puts a copy that is complete in the place of a configuration that is lost, or of
// an earlier state of the same one, under a new incarnation, and reports whether it did.
// Enforcers see all of it or nothing.
func (c *Configurations) Restore(ctx context.Context, copied Configuration) (restored bool, err error) {
	aside := "bursar:{config}:restored:" + uuid.NewString()
	keys := []string{aside + ":documents", aside + ":changes"}
	defer func() {
		if err != nil { // it is tried again soon, and a Redis that is full must not be filled by the attempts
			_ = c.client.Unlink(context.WithoutCancel(ctx), aside+":documents", aside+":changes").Err() // else they expire
		}
	}()
	if err := c.putAside(ctx, copied, keys[0], keys[1]); err != nil {
		return false, fmt.Errorf("restore the configuration: %w", err)
	}
	count := len(copied.Documents)
	keys = append([]string{limiterv1.DocumentsKey, limiterv1.ChangesKey, limiterv1.RevisionKey, limiterv1.IncarnationKey, limiterv1.CompleteKey}, keys...)
	restored, err = restoreScript.Run(ctx, c.client, keys,
		copied.Incarnation, copied.Revision, uuid.NewString(), limiterv1.ConfigChannel, count, count).Bool()
	if err != nil {
		return false, fmt.Errorf("restore the configuration: %w", err)
	}
	return restored, nil
}

// asideFor is how long documents stay that were put aside and not restored.
const asideFor = time.Minute

// putAside writes documents, and the revisions of their changes, to keys of their own.
func (c *Configurations) putAside(ctx context.Context, copied Configuration, documentsKey, changesKey string) error {
	for ids := range slices.Chunk(slices.Collect(maps.Keys(copied.Documents)), batch) {
		pipe := c.client.TxPipeline() // nothing is to stay without an expiry
		for _, id := range ids {
			number, _, _ := strings.Cut(copied.Documents[id], " ")
			revision, err := strconv.ParseInt(number, 10, 64)
			if err != nil {
				revision = copied.Revision // unreadable to enforcers, too: last
			}
			pipe.HSet(ctx, documentsKey, id.String(), copied.Documents[id])
			pipe.ZAdd(ctx, changesKey, redis.Z{Score: float64(revision), Member: id.String()})
		}
		pipe.PExpire(ctx, documentsKey, asideFor)
		pipe.PExpire(ctx, changesKey, asideFor)
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Begin begins a configuration where there is none. It is not complete: see Complete.
func (c *Configurations) Begin(ctx context.Context) error {
	if err := c.client.SetNX(ctx, limiterv1.IncarnationKey, uuid.NewString(), 0).Err(); err != nil {
		return fmt.Errorf("begin a configuration: %w", err)
	}
	return nil
}

// Incomplete returns the incarnation if not every document of it was put; empty if it is
// complete, or if there is none.
func (c *Configurations) Incomplete(ctx context.Context) (incarnation string, err error) {
	values, err := c.client.MGet(ctx, limiterv1.IncarnationKey, limiterv1.CompleteKey).Result()
	if err != nil {
		return "", fmt.Errorf("read whether the configuration is complete: %w", err)
	}
	if values[0] == nil || values[0] == values[1] {
		return "", nil
	}
	return values[0].(string), nil
}

// Complete marks an incarnation as complete: every document of it was put.
func (c *Configurations) Complete(ctx context.Context, incarnation string) error {
	pipe := c.client.TxPipeline()
	pipe.Set(ctx, limiterv1.CompleteKey, incarnation, 0)
	pipe.Publish(ctx, limiterv1.ConfigChannel, "complete")
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("complete the configuration: %w", err)
	}
	return nil
}

// Missing returns those of the documents that do not exist, in their order.
func (c *Configurations) Missing(ctx context.Context, ids []limiterv1.DocumentID) (missing []limiterv1.DocumentID, err error) {
	for some := range slices.Chunk(ids, batch) {
		pipe := c.client.Pipeline()
		exist := make([]*redis.BoolCmd, len(some))
		for i, id := range some {
			exist[i] = pipe.HExists(ctx, limiterv1.DocumentsKey, id.String())
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("read which documents there are: %w", err)
		}
		for i, id := range some {
			if !exist[i].Val() {
				missing = append(missing, id)
			}
		}
	}
	return missing, nil
}
