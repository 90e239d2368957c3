package main

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseOptions(t *testing.T) {
	environment := map[string]string{
		redisVariable:    "redis://:secret@redis:6379/0",
		databaseVariable: "postgres://enforcer:secret@postgres/bursar",
	}
	getenv := func(name string) string { return environment[name] }

	got, err := parseOptions(nil, getenv)
	want := options{
		listenAddress: ":8080", healthAddress: ":8081",
		redisURL: environment[redisVariable], databaseURL: environment[databaseVariable],
		credentialsDir: "/etc/bursar/providers", shutdownGrace: 2 * time.Minute, drainTimeout: time.Minute, maxRequestBytes: 32 << 20,
		answerCacheBytes: 64 << 20, idempotencyWindow: time.Hour, replayCacheBytes: 64 << 20,
		settleGrace: settleGrace, flushGrace: flushGrace,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("defaults: got %+v, %v; want %+v", got, err, want)
	}

	got, err = parseOptions([]string{
		"--listen-address", "a:1", "--health-address=b:2", "--redis-url", "redis://r:3/4", "--provider-credentials-dir", "c",
		"--shutdown-delay", "3s", "--shutdown-grace", "5s", "--drain-timeout", "6s", "--max-request-bytes", "7",
		"--answer-cache-bytes", "8", "--idempotency-window", "9s", "--replay-cache-bytes", "0", "--log-level", "debug",
		"--cors-allowed-origins", "https://App.example.com,http://localhost:3000",
	}, getenv)
	want = options{
		listenAddress: "a:1", healthAddress: "b:2", redisURL: "redis://r:3/4", databaseURL: environment[databaseVariable],
		credentialsDir: "c", shutdownDelay: 3 * time.Second, shutdownGrace: 5 * time.Second, drainTimeout: 6 * time.Second, maxRequestBytes: 7,
		answerCacheBytes: 8, idempotencyWindow: 9 * time.Second, replayCacheBytes: 0, logLevel: slog.LevelDebug,
		corsAllowedOrigins: []string{"https://app.example.com", "http://localhost:3000"}, settleGrace: settleGrace, flushGrace: flushGrace,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("flags: got %+v, %v; want %+v", got, err, want)
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		args            []string
		redis, database string
		says            string
	}{
		"no Redis":                {nil, "", "postgres://p", "BURSAR_REDIS_URL"},
		"no Postgres":             {nil, "redis://r", "", "BURSAR_DATABASE_URL"},
		"a password among flags":  {[]string{"--redis-url", "redis://:secret@r"}, "", "postgres://p", "contains a password"},
		"an unknown flag":         {[]string{"--database-url", "x"}, "redis://r", "postgres://p", "unknown flag"},
		"a level there is not":    {[]string{"--log-level", "loud"}, "redis://r", "postgres://p", "--log-level"},
		"an argument":             {[]string{"serve"}, "redis://r", "postgres://p", `unexpected argument "serve"`},
		"less than no answers":    {[]string{"--answer-cache-bytes", "-1"}, "redis://r", "postgres://p", "must not be negative"},
		"less than no replays":    {[]string{"--replay-cache-bytes", "-1"}, "redis://r", "postgres://p", "must not be negative"},
		"no window":               {[]string{"--idempotency-window", "0s"}, "redis://r", "postgres://p", "between 1s and 24h"},
		"too long a window":       {[]string{"--idempotency-window", "25h"}, "redis://r", "postgres://p", "between 1s and 24h"},
		"no bytes":                {[]string{"--max-request-bytes", "0"}, "redis://r", "postgres://p", "at least 1"},
		"a negative delay":        {[]string{"--shutdown-delay", "-1s"}, "redis://r", "postgres://p", "negative"},
		"a negative grace":        {[]string{"--shutdown-grace", "-1s"}, "redis://r", "postgres://p", "negative"},
		"every origin":            {[]string{"--cors-allowed-origins", "*"}, "redis://r", "postgres://p", "is not an origin"},
		"a page":                  {[]string{"--cors-allowed-origins", "https://app.example.com/"}, "redis://r", "postgres://p", "is not an origin"},
		"a negative time to wait": {[]string{"--drain-timeout", "-1s"}, "redis://r", "postgres://p", "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseOptions(tc.args, func(name string) string {
				return map[string]string{redisVariable: tc.redis, databaseVariable: tc.database}[name]
			})
			if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want an error that says %q", err, tc.says)
			}
		})
	}
}
