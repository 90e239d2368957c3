package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/hack/parts/process"
)

const (
	// masterName is the Sentinels' name of the master.
	masterName = "bursar"
	// sentinels is how many watch it, and quorum how many must agree that it is gone.
	sentinels, quorum = 3, 2
)

// Sentinel is a master, its replica, and the three Sentinels that watch them and
// promote the replica when the master is gone for half a second.
type Sentinel struct {
	// URL names the Sentinels: "redis://host:port?master_name=...&addr=host:port&...".
	URL string
	// Master and Replica are the servers that had these roles at the start.
	Master, Replica *Server

	sentinels []*Server
}

// StartSentinel runs a master with a replica and Sentinels, and waits until a
// failover would work. Their files are kept in dir and left there. ctx bounds the
// start alone.
func StartSentinel(ctx context.Context, dir string) (*Sentinel, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s := &Sentinel{}
	if err := s.start(ctx, dir); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	query := []string{"master_name=" + masterName}
	for _, other := range s.sentinels[1:] {
		query = append(query, "addr="+other.Addr)
	}
	s.URL = "redis://" + s.sentinels[0].Addr + "?" + strings.Join(query, "&")
	return s, nil
}

func (s *Sentinel) start(ctx context.Context, dir string) (err error) {
	if s.Master, err = Start(ctx, Options{Dir: filepath.Join(dir, "master"), replicated: true}); err != nil {
		return err
	}
	replica := Options{Dir: filepath.Join(dir, "replica"), replicated: true, replicaOf: s.Master}
	if s.Replica, err = Start(ctx, replica); err != nil {
		return err
	}
	for i := range sentinels {
		sentinel, err := startSentinel(ctx, filepath.Join(dir, "sentinel-"+strconv.Itoa(i)), s.Master)
		if err != nil {
			return err
		}
		s.sentinels = append(s.sentinels, sentinel)
	}
	for _, sentinel := range s.sentinels {
		if err := sentinel.process.WaitReady(ctx, sentinel.seesAll); err != nil {
			return err
		}
	}
	return nil
}

// startSentinel runs one Sentinel, which rewrites its own configuration in dir.
func startSentinel(ctx context.Context, dir string, master *Server) (*Server, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrMissing
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &Server{}
	if s.Port, err = process.FreePort(); err != nil {
		return nil, err
	}
	s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
	s.URL = "redis://" + s.Addr
	configuration := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(configuration, []byte(fmt.Sprintf(`bind 127.0.0.1
port %d
dir %q
sentinel monitor %[3]s 127.0.0.1 %[4]d %[5]d
sentinel down-after-milliseconds %[3]s 500
sentinel failover-timeout %[3]s 3000
`, s.Port, dir, masterName, master.Port, quorum)), 0o644); err != nil {
		return nil, err
	}
	if s.process, err = process.Start(process.Options{
		Name: "redis-sentinel", Path: path, Args: []string{configuration, "--sentinel"},
		LogFile: filepath.Join(dir, "redis.log"),
	}); err != nil {
		return nil, err
	}
	if err := s.process.WaitReady(ctx, s.ping); err != nil {
		return nil, errors.Join(err, s.process.Stop())
	}
	return s, nil
}

// seesAll asks whether a Sentinel knows the others and a replica that it can promote.
func (s *Server) seesAll(ctx context.Context) error {
	client := goredis.NewSentinelClient(&goredis.Options{Addr: s.Addr, MaxRetries: -1})
	defer func() { _ = client.Close() }()
	master, err := client.Master(ctx, masterName).Result()
	if err != nil {
		return err
	}
	if got, want := master["num-other-sentinels"], strconv.Itoa(sentinels-1); got != want {
		return fmt.Errorf("%s: knows %s other Sentinels, not yet %s", s.Addr, got, want)
	}
	replicas, err := client.Replicas(ctx, masterName).Result()
	if err != nil {
		return err
	}
	if len(replicas) != 1 || replicas[0]["master-link-status"] != "ok" {
		return fmt.Errorf("%s: no replica has the master's data yet: %v", s.Addr, replicas)
	}
	return nil
}

// Stop ends all of them.
func (s *Sentinel) Stop() error {
	var all error
	for _, server := range append(s.sentinels, s.Replica, s.Master) {
		if server != nil {
			all = errors.Join(all, server.Stop())
		}
	}
	return all
}
