package redisclient_test

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/hack/parts/redis"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// node is a Redis that can be made a replica of another, and a master again.
type node struct {
	*testing.T
	*goredis.Client
	port string
}

func newNode(t *testing.T) node {
	t.Helper()
	server, err := redis.Start(t.Context(), redis.Options{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	client := goredis.NewClient(&goredis.Options{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(server.Port))})
	t.Cleanup(func() { _ = client.Close() })
	must(t, client.ConfigSet(t.Context(), "repl-diskless-sync-delay", "0").Err())
	return node{t, client, strconv.Itoa(server.Port)}
}

// demote makes the node a replica of another, and waits until it has that one's data.
func (n node) demote(of node) {
	n.Helper()
	must(n.T, n.Do(n.Context(), "REPLICAOF", "127.0.0.1", of.port).Err())
	for range 3000 {
		if strings.Contains(n.Info(n.Context(), "replication").Val(), "master_link_status:up") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	n.Fatal("the replica does not get the data of its master")
}

func (n node) promote() {
	n.Helper()
	must(n.T, n.Do(n.Context(), "REPLICAOF", "NO", "ONE").Err())
}

func (n node) run() string {
	n.Helper()
	masters, err := redisclient.Masters(n.Context(), n.Client)
	must(n.T, err)
	return masters[0].Run
}

// TestRun: whatever may have brought a process other data makes another run of it.
func TestRun(t *testing.T) {
	for name, tc := range map[string]struct {
		do      func(n, other node)
		another bool
	}{
		"nothing":                        {func(n, other node) {}, false},
		"data is written and forgotten":  {func(n, other node) { n.Set(n.Context(), "key", 1, 0); n.FlushAll(n.Context()) }, false},
		"it copies the data of another":  {func(n, other node) { n.demote(other); n.promote() }, true},
		"it gets a replica and loses it": {func(n, other node) { other.demote(n); other.promote() }, true}, // no data is lost
		"promoted, demoted and promoted again": {func(n, other node) {
			for range 2 {
				n.demote(other)
				n.promote()
				other.demote(n)
				other.promote()
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			n, other := newNode(t), newNode(t)
			before := n.run()
			tc.do(n, other)
			if now := n.run(); (now != before) != tc.another {
				t.Errorf("run %s, was %s", now, before)
			}
		})
	}
	t.Run("one more replica", func(t *testing.T) {
		n, first, second := newNode(t), newNode(t), newNode(t)
		first.demote(n)
		before := n.run()
		second.demote(n)
		if now := n.run(); now != before {
			t.Errorf("run %s, was %s", now, before)
		}
	})
}
