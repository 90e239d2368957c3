package redisclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/redis/go-redis/v9"
)

// ErrURL means that a Redis URL is invalid.
var ErrURL = errors.New("invalid Redis URL")

// Open makes a client of the Redis at a URL: "redis://:password@host:6379/0", or
// rediss:// for TLS. With ?master_name=NAME it is a Sentinel's; with ?addr=host:port,
// for each further node, a Cluster's. It does not connect yet. Deadlines of
// contexts bound each command.
func Open(raw string) (redis.UniversalClient, error) {
	parsed, err := url.Parse(raw)
	if err != nil {
		return nil, ErrURL
	}
	switch query := parsed.Query(); {
	case query.Has("master_name"):
		options, err := redis.ParseFailoverURL(raw)
		if err != nil {
			return nil, ErrURL
		}
		options.ContextTimeoutEnabled = true
		return redis.NewFailoverClient(options), nil
	case query.Has("addr"):
		options, err := redis.ParseClusterURL(raw)
		if err != nil {
			return nil, ErrURL
		}
		options.ContextTimeoutEnabled = true
		return redis.NewClusterClient(options), nil
	default:
		options, err := redis.ParseURL(raw)
		if err != nil {
			return nil, ErrURL
		}
		options.ContextTimeoutEnabled = true
		return redis.NewClient(options), nil
	}
}

// LogTo sends what the Redis client reports, such as connections that failed, to a
// log. It holds for all clients of the process.
func LogTo(log *slog.Logger) { redis.SetLogger(logger{log}) }

type logger struct{ log *slog.Logger }

func (l logger) Printf(ctx context.Context, format string, args ...any) {
	l.log.WarnContext(ctx, "redis client: "+fmt.Sprintf(format, args...))
}
