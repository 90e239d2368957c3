package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// errRedisURL does not say what is wrong: that would quote the password.
var errRedisURL = errors.New("the URL of Redis cannot be read")

// connectRedis makes a client of one Redis, of a Sentinel's, or of a Cluster.
func connectRedis(raw string) (redis.UniversalClient, error) {
	parsed, err := url.Parse(raw)
	if err != nil {
		return nil, errRedisURL
	}
	switch query := parsed.Query(); {
	case query.Has("master_name"):
		options, err := redis.ParseFailoverURL(raw)
		if err != nil {
			return nil, errRedisURL
		}
		options.ContextTimeoutEnabled = true
		return redis.NewFailoverClient(options), nil
	case query.Has("addr"):
		options, err := redis.ParseClusterURL(raw)
		if err != nil {
			return nil, errRedisURL
		}
		options.ContextTimeoutEnabled = true
		return redis.NewClusterClient(options), nil
	default:
		options, err := redis.ParseURL(raw)
		if err != nil {
			return nil, errRedisURL
		}
		options.ContextTimeoutEnabled = true
		return redis.NewClient(options), nil
	}
}

func connectDatabase(ctx context.Context, raw string) (*pgxpool.Pool, error) {
	options, err := pgxpool.ParseConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("the URL of Postgres: %w", err) // pgx leaves passwords out
	}
	options.MaxConns = 8 // as many as budgets are reconciled at once, and some for probes
	return pgxpool.NewWithConfig(ctx, options)
}
