package config_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/hack/parts/redis"
)

var server *redis.Server

func TestMain(m *testing.M) {
	os.Exit(redis.Use(func(s *redis.Server, _ *goredis.Client) int {
		server = s
		return m.Run()
	}))
}

// controlPlane writes documents as the control plane does.
type controlPlane struct {
	t      testing.TB
	client *goredis.Client
}

// newControlPlane is one with an empty Redis.
func newControlPlane(t testing.TB) *controlPlane {
	t.Helper()
	client := connect(t, server)
	if err := client.FlushAll(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	return &controlPlane{t: t, client: client}
}

func connect(t testing.TB, server *redis.Server) *goredis.Client {
	t.Helper()
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr, ContextTimeoutEnabled: true, MaxRetries: -1})
	if c, ok := t.(interface{ Cleanup(func()) }); ok {
		c.Cleanup(func() { _ = client.Close() })
	}
	return client
}

func (c *controlPlane) begin(incarnation string) {
	c.t.Helper()
	c.refill(incarnation)
	c.complete(incarnation)
}

// refill begins an incarnation that is not complete.
func (c *controlPlane) refill(incarnation string) {
	c.t.Helper()
	if err := c.client.Set(context.Background(), limiterv1.IncarnationKey, incarnation, 0).Err(); err != nil {
		c.t.Fatal(err)
	}
}

// complete says of an incarnation that every document was put.
func (c *controlPlane) complete(incarnation string) {
	c.t.Helper()
	if err := c.client.Set(context.Background(), limiterv1.CompleteKey, incarnation, 0).Err(); err != nil {
		c.t.Fatal(err)
	}
}

// put writes a document and returns its revision.
func (c *controlPlane) put(kind limiterv1.DocumentKind, name string, document any) int64 {
	c.t.Helper()
	body, err := json.Marshal(document)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.putRaw(kind, name, string(body))
}

func (c *controlPlane) putRaw(kind limiterv1.DocumentKind, name, body string) int64 {
	c.t.Helper()
	return c.change(kind, name, func(pipe goredis.Pipeliner, id string, revision int64) {
		pipe.HSet(context.Background(), limiterv1.DocumentsKey, id, fmt.Sprintf("%d %s", revision, body))
	})
}

func (c *controlPlane) withdraw(kind limiterv1.DocumentKind, name string) int64 {
	c.t.Helper()
	return c.change(kind, name, func(pipe goredis.Pipeliner, id string, _ int64) {
		pipe.HDel(context.Background(), limiterv1.DocumentsKey, id)
	})
}

func (c *controlPlane) change(kind limiterv1.DocumentKind, name string, do func(pipe goredis.Pipeliner, id string, revision int64)) int64 {
	c.t.Helper()
	ctx := context.Background()
	id := limiterv1.DocumentID{Kind: kind, Name: name}.String()
	revision, err := c.client.Get(ctx, limiterv1.RevisionKey).Int64()
	if err != nil && !errors.Is(err, goredis.Nil) {
		c.t.Fatal(err)
	}
	revision++
	if _, err := c.client.TxPipelined(ctx, func(pipe goredis.Pipeliner) error {
		pipe.Set(ctx, limiterv1.RevisionKey, revision, 0)
		do(pipe, id, revision)
		pipe.ZAdd(ctx, limiterv1.ChangesKey, goredis.Z{Score: float64(revision), Member: id})
		pipe.Publish(ctx, limiterv1.ConfigChannel, revision)
		return nil
	}); err != nil {
		c.t.Fatal(err)
	}
	return revision
}

// newFollower is a Follower, which polls when told to, and its Config.
func newFollower(client goredis.UniversalClient) (*config.Follower, *config.Config) {
	c := config.New()
	follower := config.NewFollower(client, c, func(limiterv1.Epoch) {}, slog.New(slog.DiscardHandler))
	return follower, c
}
