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
	// Run names one history of the data in one process: it differs after every start, and
	// whenever the process, or the one that its data came from, became a master. It is the
	// run id and the replication id.
	Run string
	// Version is the major version.
	Version int
	// Policy is the eviction policy, "noeviction" for none.
	Policy string
}

// Masters asks every master about itself: the single Redis, the master that Sentinels
// name, or all masters of a Cluster.
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

// Describe asks a Redis about itself.
func Describe(ctx context.Context, node interface {
	Info(ctx context.Context, sections ...string) *redis.StringCmd
}) (Server, error) {
	// All sections: a Redis before 7 takes only one, and must be recognised, too.
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
	run, replication := fields["run_id"], fields["master_replid"]
	if err != nil || run == "" || replication == "" {
		return Server{}, fmt.Errorf("read Redis INFO: got version %q, run ID %q and replication ID %q", fields["redis_version"], run, replication)
	}
	// If a process was a replica in between, its data may be older than what it had
	// before: its run is the same, but its replication ID differs.
	return Server{Run: run + "/" + replication, Version: version, Policy: fields["maxmemory_policy"]}, nil
}
