package idempotency

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/digest"
)

//go:embed end.lua
var endLua string

var endScript = redis.NewScript(endLua)

// MaxWindow is the longest window: dead sessions are not remembered for longer.
const MaxWindow = limiterv1.FenceTime

// Name is the name that a caller gives a call.
type Name struct {
	Tenant, User string
	// Key is the value of the header field.
	Key string
}

// Claim says which call has a name.
type Claim struct {
	// Call is the id of the call.
	Call string `json:"call"`
	// Session is the session that makes the call.
	Session string `json:"session"`
	// Request is a hash of the name and the request. It differs between requests, and
	// reveals nothing about them without the name.
	Request string `json:"request"`
	// Made is whether the call has ended and was paid for.
	Made bool `json:"made,omitempty"`

	// key is where the claim stands in Redis.
	key string
}

// NewClaim is a claim that a call has a name, for a request.
func NewClaim(name Name, call string, request digest.Digest) Claim {
	named := [][]byte{[]byte(name.Tenant), []byte(name.User), []byte(name.Key)}
	return Claim{
		Call: call, Request: digest.Of(append(named, request[:])...).String(),
		key: limiterv1.IdempotencyKey(name.Tenant, digest.Of(named...).String()),
	}
}

// encode is the claim as it stands in Redis.
func (c Claim) encode() string {
	encoded, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("idempotency: a claim is always JSON: %v", err)) // strings and a bool
	}
	return string(encoded)
}

// Claims are the claims in Redis.
type Claims struct {
	client  redis.UniversalClient
	window  time.Duration
	session func() string
}

// New makes the Claims of the session whose ID self returns. A claim stands for the length
// of the window from when it was taken.
func New(client redis.UniversalClient, window time.Duration, self func() string) *Claims {
	return &Claims{client: client, window: window, session: self}
}

// Take takes a claim unless there is one to the name already. It returns the claim
// that stands then, and whether that is the given one. After an error, the claim may
// have been taken: release it.
func (c *Claims) Take(ctx context.Context, claim Claim) (standing Claim, taken bool, err error) {
	claim.Session = c.session()
	mine := claim.encode()
	found, err := c.client.SetArgs(ctx, claim.key, mine, redis.SetArgs{Mode: "NX", Get: true, TTL: c.window}).Result()
	switch {
	case errors.Is(err, redis.Nil), err == nil && found == mine: // the latter when the Redis client has repeated the command
		return claim, true, nil
	case err != nil:
		return claim, false, fmt.Errorf("claim: %w", err)
	}
	if err := json.Unmarshal([]byte(found), &standing); err != nil {
		return claim, false, fmt.Errorf("claim: %w", err)
	}
	standing.key = claim.key
	return standing, false, nil
}

// Release frees the name of a call that cost nothing. To do so again changes nothing.
func (c *Claims) Release(ctx context.Context, claim Claim) error { return c.end(ctx, claim, "") }

// Keep records that the call was made, even if Redis has lost the claim meanwhile. To
// do so again changes nothing.
func (c *Claims) Keep(ctx context.Context, claim Claim) error {
	made := claim
	made.Made = true
	return c.end(ctx, claim, made.encode())
}

func (c *Claims) end(ctx context.Context, claim Claim, then string) error {
	if err := endScript.Run(ctx, c.client, []string{claim.key}, claim.encode(), then, c.window.Milliseconds()).Err(); err != nil {
		return fmt.Errorf("end a claim: %w", err)
	}
	return nil
}

// Interrupted reports whether the session that makes the call was declared dead: the
// call is then charged its full hold, and its answer is lost.
func (c *Claims) Interrupted(ctx context.Context, claim Claim) (bool, error) {
	n, err := c.client.Exists(ctx, limiterv1.FenceKey(claim.Session)).Result()
	if err != nil {
		return false, fmt.Errorf("look for a fence: %w", err)
	}
	return n > 0, nil
}
