package redisclient_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/api/redisclient"
	part "github.com/bursar-dev/bursar/hack/parts/redis"
)

func TestFailures(t *testing.T) {
	server, err := part.Start(t.Context(), part.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	client, err := redisclient.Open(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	var seen []redisclient.Failure
	redisclient.OnFailure(client, func(f redisclient.Failure) { seen = append(seen, f) })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, step := range []struct {
		name string
		do   func() error
		// want is what is told; wantErr whether the command fails.
		want    redisclient.Failure
		wantErr bool
	}{
		{"a command", func() error { return client.Set(t.Context(), "key", "value", 0).Err() }, "", false},
		{"no value", func() error { return client.Get(t.Context(), "nothing").Err() }, "", true},
		{"an unknown script", func() error { return client.EvalSha(t.Context(), "0", nil).Err() }, "", true},
		{"a caller that has gone", func() error { return client.Get(gone, "key").Err() }, "", true},
		{"a wrong type", func() error { return client.HGet(t.Context(), "key", "field").Err() }, redisclient.Refused, true},
		{"a pipeline with a wrong type", func() error {
			_, err := client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
				pipe.HGet(t.Context(), "key", "field")
				return nil
			})
			return err
		}, redisclient.Refused, true},
		{"no answer in time", func() error {
			if err := server.Pause(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			return errors.Join(client.Get(ctx, "key").Err(), server.Resume())
		}, redisclient.Timeout, true},
		{"nobody there", func() error {
			if err := server.Stop(); err != nil {
				t.Fatal(err)
			}
			return client.Get(t.Context(), "key").Err()
		}, redisclient.Unreachable, true},
	} {
		seen = nil
		err := step.do()
		if got := slices.Compact(seen); (err != nil) != step.wantErr ||
			step.want == "" && len(got) > 0 || step.want != "" && !slices.Contains(got, step.want) {
			t.Errorf("%s: error %v, failures %v, want %q", step.name, err, got, step.want)
		}
	}
}
