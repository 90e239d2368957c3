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
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/hack/parts/process"
)

// startTimeout is how long a server may take until it answers.
const startTimeout = 30 * time.Second

// attempts is how often another port is tried if another program took ours.
const attempts = 3

// ErrMissing means that this machine has no redis-server.
var ErrMissing = errors.New("redis-server is not on the PATH: run `make parts` as root on Debian, " +
	"or install it (Debian, Ubuntu: apt-get install redis-server; Fedora: dnf install redis; macOS: brew install redis)")

// Options say how the server is run.
type Options struct {
	// Dir is where its files and its log are kept, and left; empty means a new
	// directory that Stop removes.
	Dir string
	// Port is the port it listens on; zero means a free one.
	Port int
	// AppendOnly makes it keep its data in Dir, so that a server started there
	// again has them. Without it a server that ends forgets everything.
	AppendOnly bool
	// OwnClock gives it a clock that SetClock sets. It works on Linux, and wants a C
	// compiler.
	OwnClock bool
	// clusterPort makes it a node of a Cluster, whose other nodes reach it there.
	clusterPort int
	// replicaOf makes it a replica of another server, and replicated makes it ready
	// to have replicas at once.
	replicaOf  *Server
	replicated bool
}

// Server is a running Redis.
type Server struct {
	// URL is "redis://127.0.0.1:<port>/0".
	URL string
	// Addr is "127.0.0.1:<port>".
	Addr string
	Port int

	process *process.Process
	tempDir string
	// clock is the file of its own clock, if it has one.
	clock string
}

// Start runs a Redis and waits until it answers. ctx bounds the start alone; the
// server runs until Stop.
func Start(ctx context.Context, opts Options) (*Server, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrMissing
	}
	s := &Server{}
	if opts.Dir == "" {
		if s.tempDir, err = os.MkdirTemp("", "bursar-redis-"); err != nil {
			return nil, err
		}
		opts.Dir = s.tempDir
	} else if err := os.MkdirAll(opts.Dir, 0o755); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for range attempts {
		if err = s.start(ctx, path, opts); err == nil {
			return s, nil
		}
		if opts.Port != 0 || ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(err, s.removeTempDir())
}

func (s *Server) start(ctx context.Context, path string, opts Options) (err error) {
	s.Port = opts.Port
	if s.Port == 0 {
		if s.Port, err = process.FreePort(); err != nil {
			return err
		}
	}
	s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
	s.URL = "redis://" + s.Addr + "/0"
	appendOnly := "no"
	if opts.AppendOnly {
		appendOnly = "yes"
	}
	args := []string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(s.Port),
		"--dir", opts.Dir, "--daemonize", "no",
		"--maxmemory-policy", "noeviction",
		"--save", "", "--appendonly", appendOnly,
	}
	if opts.clusterPort != 0 {
		args = append(args, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(opts.clusterPort))
	}
	if opts.replicated {
		args = append(args, "--repl-diskless-sync-delay", "0")
	}
	if opts.replicaOf != nil {
		args = append(args, "--replicaof", "127.0.0.1", strconv.Itoa(opts.replicaOf.Port))
	}
	var env []string
	if opts.OwnClock {
		if env, err = s.ownClock(ctx, opts.Dir); err != nil {
			return err
		}
	}
	s.process, err = process.Start(process.Options{
		Path: path, Args: args, Env: env,
		LogFile: filepath.Join(opts.Dir, "redis.log"),
	})
	if err != nil {
		return err
	}
	if err := s.process.WaitReady(ctx, s.ping); err != nil {
		return errors.Join(err, s.process.Stop())
	}
	return nil
}

// ping asks whether it is our server that answers on the port.
func (s *Server) ping(ctx context.Context) error {
	// The client logs, and tries again, when nobody listens yet.
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return err
	}
	_ = conn.Close()
	client := goredis.NewClient(&goredis.Options{Addr: s.Addr, MaxRetries: -1})
	defer func() { _ = client.Close() }()
	info, err := client.InfoMap(ctx, "server").Result()
	if err != nil {
		return err
	}
	if pid := info["Server"]["process_id"]; pid != strconv.Itoa(s.process.PID()) {
		return fmt.Errorf("another Redis, process %s, listens on %s", pid, s.Addr)
	}
	return client.Ping(ctx).Err()
}

// Stop ends the server and waits until it has ended.
func (s *Server) Stop() error {
	_ = s.Resume() // a paused server would not end
	return errors.Join(s.process.Stop(), s.removeTempDir())
}

// Crash ends the server at once. Stop is still to be called.
func (s *Server) Crash() { s.process.Kill() }

// Pause suspends the server, like a machine that hangs, until Resume.
func (s *Server) Pause() error { return syscall.Kill(s.process.PID(), syscall.SIGSTOP) }

// Resume lets a paused server continue.
func (s *Server) Resume() error { return syscall.Kill(s.process.PID(), syscall.SIGCONT) }

func (s *Server) removeTempDir() error {
	if s.tempDir == "" {
		return nil
	}
	return os.RemoveAll(s.tempDir)
}
