package redis_test

import (
	"errors"
	"net"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/hack/parts/redis"
)

func start(t *testing.T, opts redis.Options) (*redis.Server, *goredis.Client) {
	t.Helper()
	server, err := redis.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	options, err := goredis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := goredis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return server, client
}

func TestServersSideBySide(t *testing.T) {
	first, a := start(t, redis.Options{})
	second, b := start(t, redis.Options{})
	if first.Addr == second.Addr {
		t.Fatalf("both listen on %s", first.Addr)
	}
	if err := a.Set(t.Context(), "who", "a", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := b.Get(t.Context(), "who").Err(); !errors.Is(err, goredis.Nil) {
		t.Errorf("the second server answers %v for a key of the first, want %v", err, goredis.Nil)
	}
}

func TestNeverEvicts(t *testing.T) {
	_, client := start(t, redis.Options{})
	got, err := client.ConfigGet(t.Context(), "maxmemory-policy").Result()
	if err != nil {
		t.Fatal(err)
	}
	if want := "noeviction"; got["maxmemory-policy"] != want {
		t.Errorf("maxmemory-policy is %q, want %q", got["maxmemory-policy"], want)
	}
}

// TestRestart: what a server remembers when it is started again where it was.
func TestRestart(t *testing.T) {
	for name, tc := range map[string]struct {
		appendOnly bool
		want       error
	}{
		"forgets":     {appendOnly: false, want: goredis.Nil},
		"append only": {appendOnly: true, want: nil},
	} {
		t.Run(name, func(t *testing.T) {
			opts := redis.Options{Dir: t.TempDir(), AppendOnly: tc.appendOnly}
			server, client := start(t, opts)
			if err := client.Set(t.Context(), "key", "value", 0).Err(); err != nil {
				t.Fatal(err)
			}
			if err := server.Stop(); err != nil {
				t.Fatal(err)
			}
			if conn, err := net.Dial("tcp", server.Addr); err == nil {
				_ = conn.Close()
				t.Fatal("the server answers after Stop")
			}
			opts.Port = server.Port
			again, client := start(t, opts)
			if again.Addr != server.Addr {
				t.Errorf("listens on %s, want %s", again.Addr, server.Addr)
			}
			if err := client.Get(t.Context(), "key").Err(); !errors.Is(err, tc.want) {
				t.Errorf("GET returned %v, want %v", err, tc.want)
			}
		})
	}
}

// TestSetClock: also keys expire by the clock that was set, and it stays so after a restart.
func TestSetClock(t *testing.T) {
	opts := redis.Options{Dir: t.TempDir(), OwnClock: true}
	server, client := start(t, opts)
	if err := client.Set(t.Context(), "key", "value", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	for _, ahead := range []time.Duration{-24 * time.Hour, 0, time.Hour} {
		if err := server.SetClock(ahead); err != nil {
			t.Fatal(err)
		}
		now, err := client.Time(t.Context()).Result()
		if off := time.Until(now) - ahead; err != nil || off.Abs() > 5*time.Second {
			t.Errorf("the clock was set %s ahead, and is %s off that: %v", ahead, off, err)
		}
		if exists, err := client.Exists(t.Context(), "key").Result(); err != nil || (exists == 1) != (ahead <= 0) {
			t.Errorf("%s ahead, a key of a minute exists: %d, %v", ahead, exists, err)
		}
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	_, client = start(t, opts)
	if now, err := client.Time(t.Context()).Result(); err != nil || time.Until(now) < 59*time.Minute {
		t.Errorf("after a restart the clock says %s, want an hour ahead: %v", now, err)
	}
}

func TestTakenPort(t *testing.T) {
	server, _ := start(t, redis.Options{})
	second, err := redis.Start(t.Context(), redis.Options{Port: server.Port})
	if err == nil {
		_ = second.Stop()
		t.Fatalf("two servers on port %d", server.Port)
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := redis.Start(t.Context(), redis.Options{}); !errors.Is(err, redis.ErrMissing) {
		t.Errorf("Start without redis-server: %v, want %v", err, redis.ErrMissing)
	}
}
