package idempotency_test

import (
	"os"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/digest"
	"github.com/bursar-dev/bursar/enforcer/idempotency"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

var client *goredis.Client

func TestMain(m *testing.M) {
	os.Exit(redis.Use(func(_ *redis.Server, c *goredis.Client) int {
		client = c
		return m.Run()
	}))
}

// newClaims are the claims of two sessions, in an empty Redis.
func newClaims(t *testing.T) (one, other *idempotency.Claims) {
	t.Helper()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	of := func(session string) *idempotency.Claims {
		return idempotency.New(client, time.Hour, func() string { return session })
	}
	return of("one"), of("other")
}

var name = idempotency.Name{Tenant: "acme", User: "gerente-1", Key: "key"}

func claim(call string) idempotency.Claim {
	return idempotency.NewClaim(name, call, digest.Of([]byte("request")))
}

// take takes a claim, or fails, and says which call stands then.
func take(t *testing.T, c *idempotency.Claims, wanted idempotency.Claim) (standing idempotency.Claim, taken bool) {
	t.Helper()
	standing, taken, err := c.Take(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	return standing, taken
}

func TestOneClaimStands(t *testing.T) {
	one, other := newClaims(t)
	first, taken := take(t, one, claim("a"))
	if !taken || first.Call != "a" || first.Session != "one" || first.Made {
		t.Fatalf("got %+v, %t", first, taken)
	}
	if got, taken := take(t, one, claim("a")); !taken || got != first {
		t.Errorf("the same claim again, as by a client that asks twice: got %+v, %t", got, taken)
	}
	if got, taken := take(t, other, claim("b")); taken || got != first {
		t.Errorf("another: got %+v, %t; want %+v", got, taken, first)
	}
	testkit.Must(t, one.Keep(t.Context(), first))
	testkit.Must(t, one.Keep(t.Context(), first))
	made := first
	made.Made = true
	if got, taken := take(t, other, claim("b")); taken || got != made {
		t.Errorf("when it was made: got %+v, %t; want %+v", got, taken, made)
	}
	testkit.Must(t, one.Release(t.Context(), first))
	if got, taken := take(t, other, claim("b")); taken || got != made {
		t.Errorf("a release of what was made: got %+v, %t; want %+v", got, taken, made)
	}
}

func TestReleaseFreesOnesOwnName(t *testing.T) {
	one, other := newClaims(t)
	first, _ := take(t, one, claim("a"))
	testkit.Must(t, one.Release(t.Context(), first))
	testkit.Must(t, one.Release(t.Context(), first))
	second, taken := take(t, other, claim("b"))
	if !taken {
		t.Fatalf("the name is not free: %+v", second)
	}
	testkit.Must(t, one.Release(t.Context(), first))
	testkit.Must(t, one.Keep(t.Context(), first))
	if got, taken := take(t, one, claim("c")); taken || got != second {
		t.Errorf("got %+v, %t; want %+v, whatever became of the claim before", got, taken, second)
	}
}

func TestKeptFromTheTimeItWasTaken(t *testing.T) {
	one, _ := newClaims(t)
	first, _ := take(t, one, claim("a"))
	keys, err := client.Keys(t.Context(), "*").Result()
	testkit.Must(t, err)
	testkit.Must(t, client.PExpire(t.Context(), keys[0], time.Minute).Err())
	testkit.Must(t, one.Keep(t.Context(), first))
	if left := client.PTTL(t.Context(), keys[0]).Val(); left <= 0 || left > time.Minute {
		t.Errorf("it stands for %s more, want the rest of a minute", left)
	}
}

// TestKeptWhenRedisHasLostIt: a call that was under way is not paid for again.
func TestKeptWhenRedisHasLostIt(t *testing.T) {
	one, other := newClaims(t)
	first, _ := take(t, one, claim("a"))
	testkit.Must(t, client.FlushAll(t.Context()).Err())
	testkit.Must(t, one.Keep(t.Context(), first))
	if got, taken := take(t, other, claim("b")); taken || got.Call != "a" || !got.Made {
		t.Errorf("got %+v, %t", got, taken)
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	testkit.Must(t, err)
	if left := client.PTTL(t.Context(), keys[0]).Val(); left <= 0 || left > time.Hour {
		t.Errorf("it stands for %s more, want an hour", left)
	}
}

func TestOtherNamesAndRequestsDiffer(t *testing.T) {
	one, _ := newClaims(t)
	first, _ := take(t, one, claim("a"))
	for _, other := range []idempotency.Name{
		{Tenant: "acme", User: "gerente-1", Key: "key-2"}, {Tenant: "acme", User: "gerente-2", Key: "key"},
		{Tenant: "globex", User: "gerente-1", Key: "key"}, {Tenant: "acme", User: "gerente-1k", Key: "ey"},
	} {
		if _, taken := take(t, one, idempotency.NewClaim(other, "b", digest.Of([]byte("request")))); !taken {
			t.Errorf("%+v is taken by %+v", other, name)
		}
	}
	standing, taken := take(t, one, idempotency.NewClaim(name, "c", digest.Of([]byte("another request"))))
	if taken || standing.Request != first.Request || standing.Request == idempotency.NewClaim(name, "c", digest.Of([]byte("another request"))).Request {
		t.Errorf("another request: %+v, %t", standing, taken)
	}
	if idempotency.NewClaim(idempotency.Name{Key: "key-2"}, "a", digest.Of([]byte("request"))).Request ==
		idempotency.NewClaim(idempotency.Name{Key: "key"}, "a", digest.Of([]byte("request"))).Request {
		t.Error("who does not know the name can tell from the claim what was asked")
	}
}

func TestInterrupted(t *testing.T) {
	one, other := newClaims(t)
	first, _ := take(t, one, claim("a"))
	for _, want := range []bool{false, true} {
		if got, err := other.Interrupted(t.Context(), first); err != nil || got != want {
			t.Errorf("got %t, %v; want %t", got, err, want)
		}
		testkit.Must(t, client.Set(t.Context(), limiterv1.FenceKey("one"), "other", time.Minute).Err())
	}
}
