package redis

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/hack/parts/process"
)

// slots is the number of hash slots of a Redis Cluster.
const slots = 16384

// Cluster is a Redis Cluster of masters without replicas.
type Cluster struct {
	// URL names all masters: "redis://host:port?addr=host:port&...".
	URL string
	// Masters are its nodes; each has about the same number of slots, in order.
	Masters []*Server
}

// StartCluster runs a Redis Cluster and waits until it works. Its files are kept in
// dir and left there. ctx bounds the start alone.
func StartCluster(ctx context.Context, dir string, masters int) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	c := &Cluster{}
	if err := c.start(ctx, dir, masters); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	var addrs []string
	for _, m := range c.Masters[1:] {
		addrs = append(addrs, "addr="+m.Addr)
	}
	c.URL = "redis://" + c.Masters[0].Addr + "?" + strings.Join(addrs, "&")
	return c, nil
}

func (c *Cluster) start(ctx context.Context, dir string, masters int) error {
	for i := range masters {
		clusterPort, err := process.FreePort()
		if err != nil {
			return err
		}
		m, err := Start(ctx, Options{Dir: filepath.Join(dir, strconv.Itoa(i)), clusterPort: clusterPort})
		if err != nil {
			return err
		}
		c.Masters = append(c.Masters, m)
		err = m.do(func(client *goredis.Client) error {
			if err := client.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err(); err != nil {
				return err
			}
			return c.Masters[0].meet(ctx, m, clusterPort)
		})
		if err != nil {
			return fmt.Errorf("join node %d: %w", i, err)
		}
	}
	for _, m := range c.Masters {
		if err := m.process.WaitReady(ctx, func(ctx context.Context) error { return m.isJoined(ctx, masters) }); err != nil {
			return err
		}
	}
	return nil
}

// meet makes the other node one of this node's cluster.
func (s *Server) meet(ctx context.Context, other *Server, clusterPort int) error {
	return s.do(func(client *goredis.Client) error {
		return client.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", other.Port, clusterPort).Err()
	})
}

func (s *Server) isJoined(ctx context.Context, masters int) error {
	return s.do(func(client *goredis.Client) error {
		info, err := client.ClusterInfo(ctx).Result()
		if err != nil {
			return err
		}
		for _, want := range []string{"cluster_state:ok", fmt.Sprintf("cluster_known_nodes:%d", masters)} {
			if !strings.Contains(info, want) {
				return fmt.Errorf("%s: not yet %s", s.Addr, want)
			}
		}
		return nil
	})
}

// do calls f with a client of this node alone.
func (s *Server) do(f func(*goredis.Client) error) error {
	client := goredis.NewClient(&goredis.Options{Addr: s.Addr, MaxRetries: -1})
	defer func() { _ = client.Close() }()
	return f(client)
}

// Slot is the hash slot of a key.
func (c *Cluster) Slot(ctx context.Context, key string) (slot int, err error) {
	err = c.Masters[0].do(func(client *goredis.Client) error {
		n, err := client.ClusterKeySlot(ctx, key).Result()
		slot = int(n)
		return err
	})
	return slot, err
}

// Owner is the number of the master that has the slot.
func (c *Cluster) Owner(ctx context.Context, slot int) (owner int, err error) {
	for i, m := range c.Masters {
		if has, err := m.has(ctx, slot); err != nil || has {
			return i, err
		}
	}
	return 0, fmt.Errorf("no master has slot %d", slot)
}

func (s *Server) has(ctx context.Context, slot int) (has bool, err error) {
	err = s.do(func(client *goredis.Client) error {
		shards, err := client.ClusterShards(ctx).Result()
		for _, shard := range shards {
			for _, r := range shard.Slots {
				if r.Start <= int64(slot) && int64(slot) <= r.End {
					has = has || shard.Nodes[0].Port == int64(s.Port)
				}
			}
		}
		return err
	})
	return has, err
}

// MoveSlot moves a slot with all its keys to another master, while clients continue:
// https://redis.io/docs/latest/commands/cluster-setslot/ describes the steps.
func (c *Cluster) MoveSlot(ctx context.Context, slot, to int) error {
	from, err := c.Owner(ctx, slot)
	if err != nil || from == to {
		return err
	}
	source, target := c.Masters[from], c.Masters[to]
	ids := map[*Server]string{}
	for _, m := range c.Masters {
		if err := m.do(func(client *goredis.Client) (err error) {
			ids[m], err = client.Do(ctx, "CLUSTER", "MYID").Text()
			return err
		}); err != nil {
			return err
		}
	}
	if err := target.setSlot(ctx, slot, "IMPORTING", ids[source]); err != nil {
		return err
	}
	if err := source.setSlot(ctx, slot, "MIGRATING", ids[target]); err != nil {
		return err
	}
	if err := source.migrate(ctx, slot, target); err != nil {
		return err
	}
	return c.assign(ctx, slot, to, ids[target])
}

// assign tells all masters which one has the slot, the new one first, and repeats that
// until they agree several times: an old claim that is still on its way between them may
// win over a new one, and then no master has the slot.
func (c *Cluster) assign(ctx context.Context, slot, to int, id string) error {
	const confirmations = 3
	for confirmed := 0; confirmed < confirmations; {
		if err := c.Masters[to].setSlot(ctx, slot, "NODE", id); err != nil {
			return err
		}
		for _, m := range c.Masters {
			if err := m.setSlot(ctx, slot, "NODE", id); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		owner, err := c.Owner(ctx, slot)
		if confirmed++; err != nil || owner != to {
			confirmed = 0
		}
	}
	return nil
}

func (s *Server) setSlot(ctx context.Context, slot int, state, node string) error {
	return s.do(func(client *goredis.Client) error {
		return client.Do(ctx, "CLUSTER", "SETSLOT", slot, state, node).Err()
	})
}

// migrate moves the keys of a slot until none is left.
func (s *Server) migrate(ctx context.Context, slot int, target *Server) error {
	return s.do(func(client *goredis.Client) error {
		for {
			keys, err := client.ClusterGetKeysInSlot(ctx, slot, 100).Result()
			if err != nil || len(keys) == 0 {
				return err
			}
			args := []any{"MIGRATE", "127.0.0.1", target.Port, "", 0, time.Second.Milliseconds(), "KEYS"}
			for _, key := range keys {
				args = append(args, key)
			}
			if err := client.Do(ctx, args...).Err(); err != nil {
				return err
			}
		}
	})
}

// Stop ends all nodes.
func (c *Cluster) Stop() error {
	var all error
	for _, m := range c.Masters {
		all = errors.Join(all, m.Stop())
	}
	return all
}
