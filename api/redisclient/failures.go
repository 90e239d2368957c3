package redisclient

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Failure is a kind of failure of Redis.
type Failure string

const (
	// Unreachable means that no connection could be made, or that one broke.
	Unreachable Failure = "unreachable"
	// Timeout means that there was no answer in time.
	Timeout Failure = "timeout"
	// Refused means an answer that is an error, such as OOM or READONLY.
	Refused Failure = "refused"
)

// Failures are all kinds of failures.
var Failures = []Failure{Unreachable, Timeout, Refused}

// OnFailure calls told for every command, pipeline or connection that fails from now
// on. A missing value, an unknown script and a caller that has gone are not failures.
func OnFailure(client redis.UniversalClient, told func(Failure)) {
	client.AddHook(failureHook{told})
}

type failureHook struct{ told func(Failure) }

func (h failureHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := next(ctx, network, address)
		h.tell(err)
		return conn, err
	}
}

func (h failureHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if !ofConnecting(cmd) {
			h.tell(err)
		}
		return err
	}
}

func (h failureHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		h.tellOf(err, cmds)
		return err
	}
}

// tellOf tells once of a pipeline that failed, or of the first of its commands that did.
func (h failureHook) tellOf(err error, cmds []redis.Cmder) {
	if failure, _ := failureOf(err); failure != Refused {
		h.tell(err)
		return
	}
	for _, cmd := range cmds {
		if _, failed := failureOf(cmd.Err()); failed && !ofConnecting(cmd) {
			h.tell(cmd.Err())
			return
		}
	}
}

// ofConnecting reports whether the client sends it when it connects. Older servers may
// not know it.
func ofConnecting(cmd redis.Cmder) bool { return cmd.Name() == "client" || cmd.Name() == "hello" }

func (h failureHook) tell(err error) {
	if failure, failed := failureOf(err); failed {
		h.told(failure)
	}
}

func failureOf(err error) (Failure, bool) {
	if err == nil { // nearly always, so this must cost nothing
		return "", false
	}
	var answer redis.Error
	var network net.Error
	switch {
	case errors.Is(err, redis.Nil), errors.Is(err, context.Canceled):
		return "", false
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return Timeout, true
	case errors.As(err, &answer):
		return Refused, !strings.HasPrefix(err.Error(), "NOSCRIPT")
	}
	return Unreachable, true
}
