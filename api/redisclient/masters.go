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
	// Run names one history of the data in one process: another after every start and
	// whenever the process, or what its data belongs to, became a master. It is the run id
	// and the replication id.
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
	run, replication := fields["run_id"], fields["master_replid"]
	if err != nil || run == "" || replication == "" {
		return Server{}, fmt.Errorf("read Redis INFO: got version %q, run ID %q and replication ID %q", fields["redis_version"], run, replication)
	}
	// The data of a process that was a replica in between may be older than what it had
	// before: its run is the same, and its replication ID another.
	return Server{Run: run + "/" + replication, Version: version, Policy: fields["maxmemory_policy"]}, nil
}
