package redisclient

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Server is what a Redis says of itself.
type Server struct {
	// Run is the id of this run of the process: another after every start.
	Run string
	// Version is the major version.
	Version int
	// Policy is the eviction policy, "noeviction" for none.
	Policy string
}

// Masters asks every master what it says of itself: the one Redis, the one that
// Sentinels name, or all of a Cluster.
func Masters(ctx context.Context, client redis.UniversalClient) (servers []Server, err error) {
	var mu sync.Mutex
	err = ForEachMaster(ctx, client, func(ctx context.Context, node *redis.Client) error {
		server, err := Describe(ctx, node)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		servers = append(servers, server)
		return nil
	})
	return servers, err
}

// ForEachMaster does something with every master, side by side.
func ForEachMaster(
	ctx context.Context, client redis.UniversalClient, do func(ctx context.Context, node *redis.Client) error,
) error {
	switch client := client.(type) {
	case *redis.ClusterClient:
		return client.ForEachMaster(ctx, do)
	case *redis.Client:
		return do(ctx, client)
	}
	return fmt.Errorf("cannot list the masters of a %T", client)
}

// Describe asks a Redis what it says of itself.
func Describe(ctx context.Context, node interface {
	Info(ctx context.Context, sections ...string) *redis.StringCmd
}) (Server, error) {
	// All there is: a Redis before 7 takes but one section, and must be told apart.
	info, err := node.Info(ctx).Result()
	if err != nil {
		return Server{}, fmt.Errorf("read Redis INFO: %w", err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	major, _, _ := strings.Cut(fields["redis_version"], ".")
	version, err := strconv.Atoi(major)
	if err != nil || fields["run_id"] == "" {
		return Server{}, fmt.Errorf("read Redis INFO: got version %q and run ID %q", fields["redis_version"], fields["run_id"])
	}
	return Server{Run: fields["run_id"], Version: version, Policy: fields["maxmemory_policy"]}, nil
}
